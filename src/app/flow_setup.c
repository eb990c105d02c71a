// From settings to the engine's configuration of a flow.
#include "app/flow_setup.h"

#include "base/memory.h"
#include "io/host_name.h"

#include <inttypes.h>
#include <stdio.h>

void loaded_settings_release(struct loaded_settings *l) {
    if (--l->users > 0) return;
    settings_free(l->settings);
    memory_free(l);
}

static struct cluster_config cluster_config(const struct cluster_settings *c, const char *client_id,
                                            struct cluster_address **servers) {
    *servers = memory_alloc_zeroed(c->bootstrap_servers.count, sizeof **servers);
    for (size_t i = 0; i < c->bootstrap_servers.count; i++)
        (*servers)[i] =
            (struct cluster_address){c->bootstrap_servers.items[i].host, c->bootstrap_servers.items[i].port};
    return (struct cluster_config){.alias = c->alias,
                                   .client_id = client_id,
                                   .bootstrap = *servers,
                                   .bootstrap_count = c->bootstrap_servers.count,
                                   .reconnect_backoff_us = c->reconnect_backoff_ms * 1000,
                                   .reconnect_backoff_max_us = c->reconnect_backoff_max_ms * 1000,
                                   .open_timeout_us = CONNECTION_OPEN_US_MAX,
                                   .request_timeout_us = c->request_timeout_ms * 1000,
                                   .metadata_max_age_us = c->metadata_max_age_ms * 1000};
}

// A static id that a restart finds again: the host's name, the lowest number no other instance of this flow holds here,
// and the token of the number's lock file. Without the token two containers of one name would pass for each other, and
// each for dead. Without a lock (no place for its file) the instance is a dynamic member.
static void choose_instance_id(struct flow_setup *s, const struct logger *log) {
    const char *set = s->loaded->settings->instance_id;
    if (set[0]) {
        snprintf(s->instance_id, sizeof s->instance_id, "%s", set);
        return;
    }
    struct error e = instance_lock_take(&system_real, instance_lock_directory(), s->settings->name, &s->lock);
    if (error_is(&e)) {
        char detail[2 * ERROR_DETAIL_MAX];
        log_line(log, LOG_WARN, "no static membership: after a restart, slices come back only at the session time-out",
                 "flow=%s why=%s", s->settings->name, log_quote(e.detail, detail, sizeof detail));
        return;
    }
    s->locked = true;
    char host[256];
    host_name(host, sizeof host);
    snprintf(s->instance_id, sizeof s->instance_id, "%s-%u-%016" PRIx64, host, s->lock.number, s->lock.token);
}

static struct error choose_topics(struct flow_setup *s, const char *target_alias) {
    const struct flow_settings *f = s->settings;
    struct naming naming = flow_settings_naming(s->loaded->settings, f);
    struct selection_rules rules = {.topics = (const char *const *)f->topics.items,
                                    .topics_count = f->topics.count,
                                    .exclude = (const char *const *)f->topics_exclude.items,
                                    .exclude_count = f->topics_exclude.count,
                                    .heartbeats = f->heartbeats_replication_enabled,
                                    .target_alias = target_alias,
                                    .naming = naming};
    struct error e = selection_create(&rules, &s->selection);
    s->config.topics = (struct topics_config){.selection = s->selection,
                                              .naming = naming,
                                              .replication_factor = (int16_t)f->replication_factor,
                                              .refresh = f->refresh_topics_enabled,
                                              .refresh_interval_us = f->refresh_topics_interval_s * 1000000};
    return e;
}

struct error flow_setup_init(struct flow_setup *s, struct loaded_settings *loaded, const struct flow_settings *settings,
                             const struct logger *log) {
    *s = (struct flow_setup){.loaded = loaded, .settings = settings};
    loaded->users++;
    const struct cluster_settings *source = &loaded->settings->clusters[settings->source];
    const struct cluster_settings *target = &loaded->settings->clusters[settings->target];
    choose_instance_id(s, log);
    s->config = (struct flow_config){
        .name = settings->name,
        .source_alias = source->alias,
        .destination_alias = target->alias,
        .client_id = settings->client_id,
        .instance_id = s->instance_id[0] ? s->instance_id : NULL,
        .predecessor_dead = s->locked,  // the lock is the kernel's word for it
        .source = cluster_config(source, settings->client_id, &s->source_servers),
        .destination = cluster_config(target, settings->client_id, &s->target_servers),
        .acks = (int16_t)settings->acks,
        .slices = (int32_t)settings->slices,
        .session_timeout_ms = (int32_t)settings->session_timeout_ms,
        .heartbeat_interval_ms = (int32_t)settings->heartbeat_interval_ms,
        .fetch_sessions = (int32_t)settings->fetch_sessions,
        .fetch_bytes_max = (int32_t)settings->fetch_max_bytes,
        .fetch_wait_ms_max = (int32_t)settings->fetch_max_wait_ms,
        .join_small_batches = settings->join_small_batches,
    };
    return choose_topics(s, target->alias);
}

void flow_setup_free(struct flow_setup *s) {
    if (s->selection) selection_free(s->selection);
    if (s->locked) instance_lock_release(&system_real, &s->lock);
    memory_free(s->source_servers);
    memory_free(s->target_servers);
    loaded_settings_release(s->loaded);
}
