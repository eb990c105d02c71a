// One flow as the program runs it: its settings turned into the engine's configuration, and what must live as long.
#pragma once
#include "app/settings.h"
#include "io/instance_lock.h"
#include "mirror/flow.h"

#define INSTANCE_ID_MAX 320

struct loaded_settings {
    struct settings *settings;
    unsigned users;  // running flows that borrow its texts
};

struct flow_setup {
    struct loaded_settings *loaded;
    const struct flow_settings *settings;
    struct selection *selection;
    struct cluster_address *source_servers, *target_servers;
    struct instance_lock lock;
    bool locked;
    char instance_id[INSTANCE_ID_MAX];
    struct flow_config config;
};

// Errors: ERROR_CONFIG (a pattern PCRE2 refuses; nothing else is left to find after settings_parse()).
MUST_USE struct error flow_setup_init(struct flow_setup *s, struct loaded_settings *loaded,
                                      const struct flow_settings *settings, const struct logger *log);
void flow_setup_free(struct flow_setup *s);  // after flow_free()

void loaded_settings_release(struct loaded_settings *l);  // frees it with its last user
