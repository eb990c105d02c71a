// The types of settings: reading, freeing and comparing a value, and saying what is allowed.
#pragma once
#include "app/settings_table.h"

// Reads `text`, blanks around it ignored, into *value, which is of the setting's type and must be free. False: *value
// is untouched, and `expected` says what is allowed, or what is wrong ("expected true or false").
MUST_USE bool setting_value_parse(const struct setting *s, const char *text, void *value, struct buffer *expected);
void setting_value_free(const struct setting *s, void *value);
bool setting_value_equal(const struct setting *s, const void *a, const void *b);

// What is allowed, for messages and documentation: "true or false", "1 to 1024", ...
void setting_value_allowed(const struct setting *s, struct buffer *out);
