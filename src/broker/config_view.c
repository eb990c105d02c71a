// Settings as clients see them: see config_view.h.
#include "broker/config_view.h"

#include <stdio.h>

static struct config_value of_broker(const struct broker_cluster *c, const char *broker_name) {
    const char *value = broker_name ? setting_values_get(&c->settings_dynamic, broker_name) : NULL;
    if (value) return (struct config_value){value, CONFIG_OF_ALL_BROKERS};
    value = broker_name ? setting_values_get(&c->settings_static, broker_name) : NULL;
    return (struct config_value){value, CONFIG_STATIC};
}

struct config_value config_of_topic(const struct broker_cluster *c, const struct setting_values *topic,
                                    const struct setting_definition *d) {
    const char *value = setting_values_get(topic, d->name);
    if (value) return (struct config_value){value, CONFIG_OF_TOPIC};
    struct config_value v = of_broker(c, d->broker_name);
    return v.value ? v : (struct config_value){d->value_default, CONFIG_DEFAULT};
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
