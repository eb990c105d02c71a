// The commands of odraz. Exit codes: 0 done, 1 failed, 2 wrong usage or settings.
#include "app/broker_command.h"
#include "app/run.h"
#include "app/settings_help.h"
#include "base/limits.h"
#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "odraz mirrors topics from one Kafka cluster to another: identical offsets, exactly once.\n"
    "\n"
    "  odraz run FILE        mirrors what the settings file says, until SIGTERM; SIGHUP reads the file again\n"
    "  odraz broker ...      a Kafka cluster in memory, for trying things out; odraz help broker says how\n"
    "  odraz help            this text\n"
    "  odraz help settings   every setting: what it means, its default, what is allowed (--markdown for a page)\n"
    "  odraz version\n"
    "\n"
    "FILE is a MirrorMaker 2 properties file. The least that works:\n"
    "\n"
    "  clusters = a, b\n"
    "  a.bootstrap.servers = kafka-a:9092\n"
    "  b.bootstrap.servers = kafka-b:9092\n"
    "  a->b.enabled = true\n";

static int help_on_settings(bool markdown) {
    struct buffer text;
    buffer_init(&text, SETTINGS_TEXT_SIZE_MAX);
    if (markdown) settings_markdown(&text);
    else help_settings(&text);
    bool written = !text.overflowed && fwrite(text.at, 1, text.size, stdout) == text.size;
    buffer_free(&text);
    return written ? 0 : 1;
}

static int wrong_usage(const char *what) {
    fprintf(stderr, "odraz: %s\n\n%s", what, usage);
    return 2;
}

static void out_of_memory(size_t size) {
    fprintf(stderr, "odraz: out of memory: %zu bytes were asked for. Nothing is lost: a restart goes on where the "
                    "destination's log ends. See the setting buffer.memory.\n", size);
}

static bool asks_for_help(const char *word) {
    return strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int help(const char *text) {
    fputs(text, stdout);
    return 0;
}

static int obey(int count, char **words) {
    if (count < 2) return wrong_usage("a command is missing");
    const char *command = words[1];
    bool of_broker = strcmp(command, "broker") == 0;
    if (count == 3 && words[2][0] == '-' && asks_for_help(words[2])) return help(of_broker ? broker_usage : usage);
    if (strcmp(command, "run") == 0) return count == 3 ? run_command(words[2]) : wrong_usage("run takes one FILE");
    if (of_broker) return broker_command(count - 2, words + 2);
    if (strcmp(command, "version") == 0 || strcmp(command, "--version") == 0) {
        puts("odraz " ODRAZ_VERSION);
        return 0;
    }
    if (!asks_for_help(command)) return wrong_usage("there is no such command");
    if (count > 2 && strcmp(words[2], "settings") == 0)
        return help_on_settings(count > 3 && strcmp(words[3], "--markdown") == 0);
    return help(count > 2 && strcmp(words[2], "broker") == 0 ? broker_usage : usage);
}

int main(int count, char **words) {
    memory_on_exhaustion(out_of_memory);
    int code = obey(count, words);
    // A full disk often shows only when the buffer is written.
    if (fflush(stdout) == 0 && !ferror(stdout)) return code;
    fprintf(stderr, "odraz: standard output: %s\n", strerror(errno));
    return 1;
}
