// `odraz run FILE`: the flows of one settings file in one shard, until a signal ends them.
#include "app/run.h"

#include "app/flow_setup.h"
#include "app/settings.h"
#include "app/status_line.h"
#include "base/limits.h"
#include "base/memory.h"
#include "io/file.h"
#include "io/log_sink.h"
#include "io/loop.h"
#include "io/usage.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

struct runner;

struct running_flow {
    struct link link;
    struct runner *runner;
    struct flow_setup setup;
    struct flow *flow;
    struct timer free_soon;  // a flow is not freed from inside its own callback
    bool stopping;
};

struct runner {
    const char *file_name;
    struct loop *loop;
    struct environment *env;
    struct terminal terminal;
    struct log_sink sink;
    struct budget budget;
    struct loaded_settings *loaded, *started;  // the newest, and those of the start
    struct list flows;
    struct timer status, drain;
    struct status_line line;
    int64_t started_us, records_gone, bytes_gone;  // counters of flows that have ended
    bool stopping;
};

// Settings ----------------------------------------------------------------------------------------------------------

// NULL when the file cannot be used; everything found is in `problems`.
static struct loaded_settings *load(const char *file_name, struct problems *problems) {
    char *text;
    size_t size;
    problems_init(problems, file_name);
    struct error e = file_read(&system_real, file_name, PROPERTIES_SIZE_MAX, &text, &size);
    if (error_is(&e)) {
        buffer_printf(&problems->errors, "odraz: %s\n", e.detail);
        return NULL;
    }
    struct settings *settings = NULL;
    bool fine = settings_parse((struct bytes){(const uint8_t *)text, size}, &settings, problems);
    memory_free(text);
    if (!fine) return NULL;
    struct loaded_settings *l = NEW(struct loaded_settings);
    l->settings = settings;
    l->users = 1;
    return l;
}

// At the start for a person, and in the lines that other tools print and editors read.
static void print_problems(const struct buffer *lines) {
    if (lines->size > 0) fwrite(lines->at, 1, lines->size, stderr);
}

// Later for whoever reads the log.
static void log_problems(const struct logger *log, enum log_level level, struct buffer *lines) {
    buffer_append_u8(lines, 0);
    if (lines->overflowed) lines->at[lines->size - 1] = 0;
    for (char *at = (char *)lines->at, *end; (end = strchr(at, '\n')); at = end + 1) {
        char quoted[LOG_LINE_MAX];
        *end = 0;
        log_line(log, level, "settings", "problem=%s", log_quote(at, quoted, sizeof quoted));
    }
}

// Flows -------------------------------------------------------------------------------------------------------------

static void end_flow(struct running_flow *rf) {
    struct runner *r = rf->runner;
    r->records_gone += rf->flow->counters.records;
    r->bytes_gone += rf->flow->counters.bytes;
    timer_cancel(&r->env->timers, &rf->free_soon);
    flow_free(rf->flow);
    flow_setup_free(&rf->setup);
    list_remove(&rf->link);
    memory_free(rf);
}

static void start_flows(struct runner *r);

static void on_free_soon(struct timer *t, int64_t now_us) {
    (void)now_us;
    struct running_flow *rf = CONTAINER_OF(t, struct running_flow, free_soon);
    struct runner *r = rf->runner;
    end_flow(rf);
    if (!r->stopping) start_flows(r);
    else if (list_empty(&r->flows)) loop_stop(r->loop);
}

static struct running_flow *find_running(struct runner *r, const char *name) {
    for (struct link *k = list_first(&r->flows); k; k = list_next(&r->flows, k)) {
        struct running_flow *rf = CONTAINER_OF(k, struct running_flow, link);
        if (strcmp(rf->setup.settings->name, name) == 0) return rf;
    }
    return NULL;
}

static void on_flow_stopped(struct flow *f);

static void start_flow(struct runner *r, const struct flow_settings *settings) {
    struct running_flow *rf = NEW(struct running_flow);
    rf->runner = r;
    struct error e = flow_setup_init(&rf->setup, r->loaded, settings, &r->env->log);
    if (error_is(&e)) {  // settings_parse() has tried the patterns already
        log_line(&r->env->log, LOG_ERROR, "flow not started", "flow=%s error=\"%s\"", settings->name, e.detail);
        flow_setup_free(&rf->setup);
        memory_free(rf);
        return;
    }
    timer_init(&rf->free_soon, on_free_soon);
    rf->flow = flow_new(r->env, &r->budget, &rf->setup.config);
    rf->flow->stopped = on_flow_stopped;
    rf->flow->owner = rf;
    list_append(&r->flows, &rf->link);
    flow_start(rf->flow);
}

static void on_flow_stopped(struct flow *f) {
    struct running_flow *rf = f->owner;
    timer_set(&f->env->timers, &rf->free_soon, f->env->now_us);
}

// Starts what the settings name and does not run yet. A flow that still drains under its old settings comes when it is
// gone.
static void start_flows(struct runner *r) {
    const struct settings *s = r->loaded->settings;
    for (size_t i = 0; i < s->flows_count; i++)
        if (!find_running(r, s->flows[i].name)) start_flow(r, &s->flows[i]);
}

static void stop_flow(struct running_flow *rf) {
    if (rf->stopping) return;
    rf->stopping = true;
    flow_stop(rf->flow);
}

static void reload(struct runner *r) {
    struct problems problems;
    struct loaded_settings *l = load(r->file_name, &problems);
    log_problems(&r->env->log, LOG_WARN, &problems.warnings);
    log_problems(&r->env->log, LOG_ERROR, &problems.errors);
    problems_free(&problems);
    if (!l) {
        log_line(&r->env->log, LOG_ERROR, "settings not reloaded: the old ones stay", "file=%s", r->file_name);
        return;
    }
    size_t at = 0;
    for (const char *fixed; (fixed = settings_restart_needed(r->started->settings, l->settings, &at));)
        log_line(&r->env->log, LOG_WARN, "a changed setting needs a restart of the program", "setting=%s", fixed);
    r->env->log.level = (enum log_level)l->settings->log_level;
    int stopped = 0;
    for (struct link *k = list_first(&r->flows), *next; k; k = next) {
        next = list_next(&r->flows, k);
        struct running_flow *rf = CONTAINER_OF(k, struct running_flow, link);
        const struct flow_settings *now = settings_find_flow(l->settings, rf->setup.settings->name);
        if (now && flow_settings_equal(rf->setup.loaded->settings, rf->setup.settings, l->settings, now)) continue;
        stopped++;
        stop_flow(rf);
    }
    loaded_settings_release(r->loaded);
    r->loaded = l;
    log_line(&r->env->log, LOG_INFO, "settings reloaded", "file=%s flows=%zu restarted_or_stopped=%d", r->file_name,
             l->settings->flows_count, stopped);
    start_flows(r);
}

// Status ------------------------------------------------------------------------------------------------------------

static struct status_totals totals(struct runner *r) {
    struct status_totals t = {.records = r->records_gone, .bytes = r->bytes_gone};
    for (struct link *k = list_first(&r->flows); k; k = list_next(&r->flows, k))
        status_totals_add(&t, CONTAINER_OF(k, struct running_flow, link)->flow);
    return t;
}

static int64_t status_interval_us(const struct runner *r) {
    int64_t us = r->loaded->settings->status_interval_ms * 1000;
    return r->terminal.interactive || us > STATUS_LOG_INTERVAL_US_MIN ? us : STATUS_LOG_INTERVAL_US_MIN;
}

static void on_status(struct timer *t, int64_t now_us) {
    struct runner *r = CONTAINER_OF(t, struct runner, status);
    char text[STATUS_SIZE_MAX];
    struct status_totals sum = totals(r);
    if (r->terminal.interactive) {
        status_line_text(&r->line, &sum, now_us, text, sizeof text);
        terminal_status(&r->terminal, text);
    } else {
        status_line_pairs(&r->line, &sum, now_us, text, sizeof text);
        log_line(&r->env->log, LOG_INFO, "status", "%s", text);
    }
    timer_set(&r->env->timers, t, now_us + status_interval_us(r));
}

static void summary(struct runner *r) {
    struct usage u = usage_read(&system_real);
    terminal_status(&r->terminal, "");
    log_line(&r->env->log, LOG_INFO, "stopped",
             "records=%" PRId64 " bytes=%" PRId64 " seconds=%.1f cpu_s=%.2f peak_mb=%.1f", r->records_gone,
             r->bytes_gone, (double)(r->env->now_us - r->started_us) / 1e6, (double)(u.user_us + u.system_us) / 1e6,
             (double)u.peak_bytes / 1e6);
}

// Signals -----------------------------------------------------------------------------------------------------------

static void on_drain_over(struct timer *t, int64_t now_us) {
    (void)now_us;
    struct runner *r = CONTAINER_OF(t, struct runner, drain);
    log_line(&r->env->log, LOG_WARN, "stopped before all was drained: a restart goes on from the destination's log",
             "drain_timeout_ms=%" PRId64, r->loaded->settings->drain_timeout_ms);
    loop_stop(r->loop);
}

static void stop(struct runner *r) {
    if (r->stopping) {  // asked twice: at once
        loop_stop(r->loop);
        return;
    }
    r->stopping = true;
    log_line(&r->env->log, LOG_INFO, "stopping", "drain_timeout_ms=%" PRId64, r->loaded->settings->drain_timeout_ms);
    timer_set(&r->env->timers, &r->drain, r->env->now_us + r->loaded->settings->drain_timeout_ms * 1000);
    for (struct link *k = list_first(&r->flows), *next; k; k = next) {
        next = list_next(&r->flows, k);
        stop_flow(CONTAINER_OF(k, struct running_flow, link));
    }
    if (list_empty(&r->flows)) loop_stop(r->loop);
}

static void on_signal(void *context, int signal_number) {
    struct runner *r = context;
    if (signal_number != SIGHUP) stop(r);
    else if (!r->stopping) reload(r);
}

static int run_flows(struct runner *r) {
    struct error e = loop_new(&system_real, &r->loop);
    if (!error_is(&e)) e = loop_on_signal(r->loop, on_signal, r);
    if (error_is(&e)) {
        fprintf(stderr, "odraz: %s\n", e.detail);
        return 1;
    }
    r->env = loop_environment(r->loop);
    terminal_init(&r->terminal, &system_real, STDERR_FILENO);
    r->sink = (struct log_sink){.sys = &system_real, .terminal = &r->terminal};
    r->env->log = (struct logger){(enum log_level)r->loaded->settings->log_level, log_sink_write, &r->sink};
    r->started_us = r->line.shown_at_us = r->env->now_us;
    budget_init(&r->budget, r->loaded->settings->buffer_memory);
    timer_init(&r->status, on_status);
    timer_init(&r->drain, on_drain_over);
    start_flows(r);
    timer_set(&r->env->timers, &r->status, r->env->now_us + status_interval_us(r));
    loop_run(r->loop);
    while (!list_empty(&r->flows)) end_flow(CONTAINER_OF(list_first(&r->flows), struct running_flow, link));
    timer_cancel(&r->env->timers, &r->status);
    timer_cancel(&r->env->timers, &r->drain);
    summary(r);
    loop_free(r->loop);
    return 0;
}

int run_command(const char *file_name) {
    struct runner r = {.file_name = file_name};
    list_init(&r.flows);
    struct problems problems;
    r.loaded = r.started = load(file_name, &problems);
    print_problems(&problems.warnings);
    print_problems(&problems.errors);
    problems_free(&problems);
    if (!r.loaded) return 2;
    r.started->users++;
    int code = run_flows(&r);
    loaded_settings_release(r.started);
    loaded_settings_release(r.loaded);
    return code;
}
