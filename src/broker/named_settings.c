// Settings of groups and of client metrics: see config_view.h. Nothing here obeys them.
#include "broker/config_view.h"

#include "base/memory.h"

static struct map *all_of(const struct broker_cluster *c, int8_t resource_type) {
    return (struct map *)(resource_type == RESOURCE_GROUP ? &c->settings_of_groups : &c->settings_of_metrics);
}

const struct map *config_named_all(const struct broker_cluster *c, int8_t resource_type) {
    return all_of(c, resource_type);
}

const struct setting_values *config_named(const struct broker_cluster *c, int8_t resource_type, struct wire_text name) {
    static const struct setting_values none;
    const struct config_named *found =
        name.size > 0 ? map_get_text(all_of(c, resource_type), name.at, (size_t)name.size) : NULL;
    return found ? &found->values : &none;
}

static void named_free(struct config_named *n) {
    if (!n) return;
    setting_values_free(&n->values);
    memory_free(n->name);
    memory_free(n);
}

void config_named_put(struct broker_cluster *c, int8_t resource_type, struct wire_text name,
                      struct setting_values *values) {
    struct map *all = all_of(c, resource_type);
    if (values->count == 0) {
        setting_values_free(values);
        named_free(map_remove_text(all, name.at, (size_t)name.size));
        return;
    }
    struct config_named *n = NEW(struct config_named);
    n->name = memory_copy_text(name.at, (size_t)name.size);
    n->values = *values;
    *values = (struct setting_values){0};
    named_free(map_put_text(all, name.at, (size_t)name.size, n));
}

void config_named_free(struct broker_cluster *c) {
    struct map *all[] = {&c->settings_of_groups, &c->settings_of_metrics};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct config_named *n;
        for (size_t at = 0; (n = map_next(all[i], &at));) named_free(n);
        map_free(all[i]);
    }
}
