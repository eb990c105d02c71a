// Settings as clients see them: see config_view.h.
#include "broker/config_view.h"

#include <stdio.h>

// What clients may ask about and what it is made of (DynamicBrokerConfig.brokerConfigSynonyms).
static const struct {
    const char *names[CONFIG_NAMES_MAX];
    int32_t count;
    bool of_each;  // else of the first name alone
} families[] = {
    {{"log.retention.ms", "log.retention.minutes", "log.retention.hours"}, 3, true},
    {{"log.roll.ms", "log.roll.hours"}, 2, true},
    {{"log.roll.jitter.ms", "log.roll.jitter.hours"}, 2, true},
    {{"log.flush.interval.ms", "log.flush.scheduler.interval.ms"}, 2, false},
};

int32_t config_names(const char *name, const char *names[CONFIG_NAMES_MAX]) {
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        for (int32_t at = 0; at < (families[i].of_each ? families[i].count : 1); at++) {
            if (strcmp(families[i].names[at], name) != 0) continue;
            memcpy(names, families[i].names, sizeof families[i].names);
            return families[i].count;
        }
    }
    names[0] = name;
    return 1;
}

static const char *default_of(const char *broker_name) {
    const struct setting_definition *d = setting_find(SETTING_OF_BROKER, text_of(broker_name));
    return d ? d->value_default : NULL;
}

int32_t config_synonyms(const struct broker_cluster *c, const struct broker_node *node, const char *broker_name,
                        struct config_synonym synonyms[CONFIG_SYNONYMS_MAX]) {
    const char *names[CONFIG_NAMES_MAX];
    int32_t names_count = config_names(broker_name, names), count = 0;
    const struct setting_values *values[] = {node ? &node->settings_dynamic : NULL, &c->settings_dynamic,
                                             &c->settings_static, NULL};
    for (int8_t source = CONFIG_OF_BROKER; source <= CONFIG_DEFAULT; source++) {
        const struct setting_values *from = values[source - CONFIG_OF_BROKER];
        for (int32_t i = 0; i < names_count; i++) {
            const char *value = from ? setting_values_get(from, names[i]) : NULL;
            if (source == CONFIG_DEFAULT) value = default_of(names[i]);
            // What comes before the name itself is left out (ConfigHelper.configSynonyms).
            if (!value || (count == 0 && strcmp(names[i], broker_name) != 0)) continue;
            synonyms[count++] = (struct config_synonym){names[i], value, source};
        }
    }
    return count;
}

const char *config_refusal(enum setting_scope scope, struct wire_text name, struct wire_text value, char *text,
                           size_t size) {
    const struct setting_definition *d = setting_find(scope, name);
    if (!d) {
        snprintf(text, size, "Unknown %s config name: %.*s", scope == SETTING_OF_TOPIC ? "topic" : "broker", name.size,
                 name.at);
        return text;
    }
    return setting_refusal(d, value, text, size);
}
