// The table of settings for people: `odraz help settings`, and docs/configuration.md.
#include "app/settings_help.h"

#include "app/settings_key.h"
#include "app/settings_value.h"
#include "base/limits.h"

#define HELP_COLUMNS 100
#define HELP_INDENT 6

static const char *const introduction[] = {
    "The settings file has the syntax of MirrorMaker 2's `mm2.properties` (Java's properties, in UTF-8), and all keys "
    "of such a file are known.",
    "A and B stand for aliases of clusters, `A->B` for the flow from A to B. Where a setting may be written in several "
    "places, `A->B.x` comes before the cluster's `A.x` or `B.x`, that before `x`, and that before the default.",
    "A wrong value stops the program before it does anything, naming file, line and what is allowed. An unknown "
    "setting is a warning that names the nearest known one. On SIGHUP the file is read again; flows whose settings "
    "changed restart, the others go on.",
    "This version speaks PLAINTEXT only. `security.protocol` with another value, `ssl.*` and `sasl.*` are errors: it "
    "never connects in plain text where something else was asked for. Values taken from config providers "
    "(`${provider:path:key}`) are errors too.",
};

static const char *reload_text(enum setting_reload reload) {
    switch (reload) {
    case RELOAD_AT_ONCE:
        return "at once";
    case RELOAD_RESTARTS_FLOW:
        return "the flow restarts";
    case RELOAD_NEEDS_RESTART:
        return "at the next start";
    }
    return "";
}

// Without Markdown's backticks, broken between words.
static void wrapped(struct buffer *out, const char *text, int indent) {
    int column = 0;
    while (*text) {
        int size = (int)strcspn(text, " "), width = 0;
        for (int i = 0; i < size; i++) width += text[i] != '`';
        if (column > 0 && column + 1 + width > HELP_COLUMNS) {
            buffer_append_u8(out, '\n');
            column = 0;
        }
        if (column == 0) {
            buffer_printf(out, "%*s", indent, "");
            column = indent;
        } else {
            buffer_append_u8(out, ' ');
            column++;
        }
        for (int i = 0; i < size; i++) {
            if (text[i] != '`') buffer_append_u8(out, (uint8_t)text[i]);
        }
        column += width;
        text += size + (text[size] == ' ');
    }
    buffer_append_u8(out, '\n');
}

static void take_wrapped(struct buffer *out, struct buffer *text, int indent) {
    buffer_append_u8(text, 0);
    wrapped(out, (const char *)text->at, indent);
    buffer_clear(text);
}

static void help_setting(struct buffer *out, struct buffer *text, const struct setting *s) {
    setting_places(s, text);
    if (s->other_name) buffer_printf(text, " (also %s)", s->other_name);
    take_wrapped(out, text, 0);
    setting_value_allowed(s, text);
    if (s->unit) buffer_printf(text, " %s", s->unit);
    if (!s->standard) buffer_printf(text, "; must be set");
    else buffer_printf(text, "; default %s", *s->standard ? s->standard : "empty");
    take_wrapped(out, text, HELP_INDENT);
    wrapped(out, s->description, HELP_INDENT);
}

void help_settings(struct buffer *out) {
    struct buffer text;
    buffer_init(&text, SETTINGS_TEXT_SIZE_MAX);
    for (size_t i = 0; i < sizeof introduction / sizeof introduction[0]; i++) {
        wrapped(out, introduction[i], 0);
        buffer_append_u8(out, '\n');
    }
    for (size_t i = 0; i < settings_table_count; i++) help_setting(out, &text, &settings_table[i]);
    buffer_printf(out, "\nSettings of MirrorMaker 2 that are accepted and have no effect in this version:\n");
    for (size_t i = 0; i < ignored_settings_count; i++) {
        buffer_printf(&text, "%s: %s", ignored_settings[i].name, ignored_settings[i].why);
        take_wrapped(out, &text, HELP_INDENT);
    }
    buffer_free(&text);
}

static void markdown_setting(struct buffer *out, const struct setting *s) {
    buffer_printf(out, "### %s\n\n%s\n\n| | |\n|---|---|\n| written as | `", s->name, s->description);
    setting_places(s, out);
    buffer_printf(out, "` |\n| allowed | ");
    setting_value_allowed(s, out);
    if (s->unit) buffer_printf(out, " %s", s->unit);
    buffer_printf(out, " |\n| default | ");
    if (!s->standard) buffer_printf(out, "none, must be set");
    else if (!*s->standard) buffer_printf(out, "empty");
    else buffer_printf(out, "`%s`", s->standard);
    buffer_printf(out, " |\n| a change takes effect | %s |\n", reload_text(s->reload));
    buffer_printf(out, "| in MirrorMaker 2 | %s |\n", s->ours ? "no" : "yes");
    if (s->other_name) buffer_printf(out, "| also accepted as | `%s` |\n", s->other_name);
    buffer_append_u8(out, '\n');
}

static void markdown_ignored(struct buffer *out, const struct ignored_setting *s) {
    bool silent = strcmp(s->harmless, ANY_VALUE) == 0;
    buffer_printf(out, "| `%s` | %s | ", s->name, s->why);
    if (silent) buffer_printf(out, "never |\n");
    else if (!*s->harmless) buffer_printf(out, "when it is set |\n");
    else buffer_printf(out, "unless it is `%s` |\n", s->harmless);
}

void settings_markdown(struct buffer *out) {
    buffer_printf(out, "# Configuration\n\n<!-- Generated from src/app/settings_table.c by "
                       "`odraz help settings --markdown`; a test compares. -->\n\n");
    for (size_t i = 0; i < sizeof introduction / sizeof introduction[0]; i++) {
        buffer_printf(out, "%s\n\n", introduction[i]);
    }
    buffer_printf(out, "## Settings\n\n");
    for (size_t i = 0; i < settings_table_count; i++) markdown_setting(out, &settings_table[i]);
    buffer_printf(out, "## Settings of MirrorMaker 2 without effect\n\nThey are accepted, in every place. A warning is "
                       "logged where something would be missing.\n\n| setting | why | warned of |\n|---|---|---|\n");
    for (size_t i = 0; i < ignored_settings_count; i++) markdown_ignored(out, &ignored_settings[i]);
}
