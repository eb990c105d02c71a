// The table of settings for people: `odraz help settings`, and docs/configuration.md.
#pragma once
#include "base/buffer.h"

void help_settings(struct buffer *out);      // plain text, lines up to 100 columns
void settings_markdown(struct buffer *out);  // docs/configuration.md
