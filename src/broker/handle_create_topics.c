// CreateTopics: after org.apache.kafka.controller.ReplicationControlManager.createTopics.
#include "broker/asked_partitions.h"
#include "broker/config_view.h"
#include "broker/handlers.h"
#include "broker/setting_rules.h"
#include "broker/topic_names.h"
#include "wire/error_codes.h"

#define MESSAGE_MAX 1024

struct creation {
    struct broker_request *request;
    const struct create_topics_request_topic *topic;
    struct create_topics_response_topic *answer;
    struct broker_topic_plan plan;
    bool right;
};

#define REFUSE(creation, code, ...)                                                                                    \
    broker_refuse(&(creation)->answer->error_code, &(creation)->answer->error_message, code,                           \
                  broker_request_say((creation)->request, __VA_ARGS__))

static bool name_is_right(struct creation *n) {
    const struct broker_cluster *c = n->request->node->cluster;
    struct wire_text name = n->topic->name;
    char text[TOPIC_REASON_MAX];
    const char *reason = topic_name_refusal(name, text, sizeof text);
    if (broker_find_topic(c, name)) {
        return REFUSE(n, KAFKA_TOPIC_ALREADY_EXISTS, "Topic '%.*s' already exists.", name.size, name.at);
    }
    if (reason) return REFUSE(n, KAFKA_INVALID_TOPIC_EXCEPTION, "Topic name is invalid: %s", reason);
    const struct broker_topic *other = topic_name_collision(c, name);
    if (!other) return true;
    return REFUSE(n, KAFKA_INVALID_TOPIC_EXCEPTION, "Topic '%.*s' collides with existing topic: %s", name.size, name.at,
                  other->name);
}

static bool read_configs(struct creation *n) {
    char text[MESSAGE_MAX];
    for (int32_t i = 0; i < n->topic->configs_count; i++) {
        const struct create_topics_request_config *config = &n->topic->configs[i];
        if (config->value.size < 0) {
            return REFUSE(n, KAFKA_INVALID_CONFIG, "Null value not supported for topic configs: %.*s",
                          config->name.size, config->name.at);
        }
        const char *refusal = config_refusal(SETTING_OF_TOPIC, config->name, config->value, text, sizeof text);
        if (refusal) return REFUSE(n, KAFKA_INVALID_CONFIG, "%s", refusal);
        const struct setting_definition *d = setting_find(SETTING_OF_TOPIC, config->name);
        setting_values_set(&n->plan.values, d->name, config->value);
    }
    if (n->topic->configs_count == 0) return true;
    const struct setting_values *of_brokers = &n->request->node->cluster->settings;
    const char *refusal = topic_settings_refusal(&n->plan.values, of_brokers, text, sizeof text);
    return !refusal || REFUSE(n, KAFKA_INVALID_CONFIG, "%s", refusal);
}

// ReplicationControlManager.validateManualPartitionAssignment
static bool assignment_is_right(struct creation *n, const struct create_topics_request_assignment *a) {
    const struct broker_cluster *c = n->request->node->cluster;
    bool alive = false;
    if (a->broker_ids_count <= 0) {
        return REFUSE(n, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                      "The manual partition assignment includes an empty replica list.");
    }
    for (int32_t i = 0; i < a->broker_ids_count; i++) {
        int32_t id = a->broker_ids[i];
        const struct broker_node *node = broker_find_node(c, id);
        if (!node) {
            return REFUSE(n, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                          "The manual partition assignment includes broker %d, but no such broker is registered.", id);
        }
        for (int32_t at = 0; at < i; at++) {
            if (a->broker_ids[at] != id) continue;
            return REFUSE(n, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                          "The manual partition assignment includes the broker %d more than once.", id);
        }
        alive |= !node->fenced;
    }
    if (a->broker_ids_count != n->topic->assignments[0].broker_ids_count) {
        return REFUSE(n, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                      "The manual partition assignment includes a partition with %d replica(s), but this is not "
                      "consistent with previous partitions, which have %d replica(s).",
                      a->broker_ids_count, n->topic->assignments[0].broker_ids_count);
    }
    if (alive) return true;
    return REFUSE(n, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                  "All brokers specified in the manual partition assignment for partition %d are fenced or in "
                  "controlled shutdown.",
                  a->partition_index);
}

static bool place_by_hand(struct creation *n) {
    const struct create_topics_request_topic *t = n->topic;
    if (t->replication_factor != -1) {
        return REFUSE(n, KAFKA_INVALID_REQUEST,
                      "A manual partition assignment was specified, but replication factor was not set to -1.");
    }
    if (t->num_partitions != -1) {
        return REFUSE(n, KAFKA_INVALID_REQUEST,
                      "A manual partition assignment was specified, but numPartitions was not set to -1.");
    }
    int32_t count = t->assignments_count, factor = t->assignments[0].broker_ids_count;
    int32_t *replicas = REQUEST_ARRAY(n->request, count * (factor > 0 ? factor : 1), int32_t);
    for (int32_t i = 0; i < count; i++) {
        const struct create_topics_request_assignment *a = &t->assignments[i];
        for (int32_t at = 0; at < i; at++) {
            if (t->assignments[at].partition_index != a->partition_index) continue;
            return REFUSE(n, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                          "Found multiple manual partition assignments for partition %d", a->partition_index);
        }
        if (!assignment_is_right(n, a)) return false;
    }
    for (int32_t i = 0; i < count; i++) {
        const struct create_topics_request_assignment *a = &t->assignments[i];
        if (a->partition_index < 0 || a->partition_index >= count) {
            return REFUSE(n, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                          "partitions should be a consecutive 0-based integer sequence");
        }
        memcpy(replicas + a->partition_index * factor, a->broker_ids, (size_t)factor * sizeof *replicas);
    }
    n->plan.partitions = count;
    n->plan.replicas_count = factor;
    n->plan.replicas = replicas;
    return true;
}

static bool place(struct creation *n) {
    struct broker_cluster *c = n->request->node->cluster;
    const struct create_topics_request_topic *t = n->topic;
    if (t->assignments_count > 0) return place_by_hand(n);
    if (t->replication_factor < -1 || t->replication_factor == 0) {
        return REFUSE(n, KAFKA_INVALID_REPLICATION_FACTOR,
                      "Replication factor must be larger than 0, or -1 to use the default value.");
    }
    if (t->num_partitions < -1 || t->num_partitions == 0) {
        return REFUSE(n, KAFKA_INVALID_PARTITIONS, "Number of partitions was set to an invalid non-positive value.");
    }
    n->plan.partitions =
        t->num_partitions > 0 ? t->num_partitions : (int32_t)broker_setting_number(c, "num.partitions", 1);
    n->plan.replicas_count = t->replication_factor > 0
                                 ? t->replication_factor
                                 : (int32_t)broker_setting_number(c, "default.replication.factor", 1);
    int32_t factor = n->plan.replicas_count;
    if (factor > c->config.nodes) {
        return REFUSE(n, KAFKA_INVALID_REPLICATION_FACTOR,
                      "Unable to replicate the partition %d time(s): The target replication factor of %d cannot be "
                      "reached because only %d broker(s) are registered or some brokers have all their log directories "
                      "cordoned.",
                      factor, factor, c->config.nodes);
    }
    int32_t *replicas = REQUEST_ARRAY(n->request, n->plan.partitions * factor, int32_t);
    n->plan.replicas = replicas;
    if (broker_place(c, n->plan.partitions, factor, replicas)) return true;
    return REFUSE(n, KAFKA_INVALID_REPLICATION_FACTOR,
                  "Unable to replicate the partition %d time(s): All brokers are currently fenced.", factor);
}

// KafkaConfigSchema.resolveEffectiveTopicConfig: here an older name of the broker's counts as a source.
static int8_t source_of(const struct broker_cluster *c, const struct setting_definition *d) {
    const char *names[CONFIG_NAMES_MAX];
    int32_t count = d->broker_name ? config_names(d->broker_name, names) : 0;
    for (int32_t i = 0; i < count; i++) {
        if (setting_values_get(&c->settings_dynamic, names[i])) return CONFIG_OF_ALL_BROKERS;
    }
    for (int32_t i = 0; i < count; i++) {
        if (setting_values_get(&c->settings_static, names[i])) return CONFIG_STATIC;
    }
    return CONFIG_DEFAULT;
}

static void show_configs(struct creation *n) {
    struct broker_request *r = n->request;
    const struct broker_cluster *c = r->node->cluster;
    n->answer->configs = REQUEST_ARRAY(r, setting_table_count, struct create_topics_response_config);
    n->answer->configs_count = 0;
    for (size_t i = 0; i < setting_table_count; i++) {
        const struct setting_definition *d = &setting_table[i];
        const char *value = setting_values_get(&n->plan.values, d->name);
        if (d->scope != SETTING_OF_TOPIC || (d->internal && !value)) continue;
        struct create_topics_response_config *out = &n->answer->configs[n->answer->configs_count++];
        out->name = text_of(d->name);
        out->config_source = value ? CONFIG_OF_TOPIC : source_of(c, d);
        char *text = broker_request_alloc(r, SETTING_NUMBER_SIZE);
        out->value = text_of(value ? broker_request_text(r, text_of(value))
                                   : setting_default(d, &c->settings, text, SETTING_NUMBER_SIZE));
    }
}

static bool quota_allows(struct creation *n) {
    if (broker_request_mutates(n->request, n->plan.partitions)) return true;
    return REFUSE(n, KAFKA_THROTTLING_QUOTA_EXCEEDED, "The throttling quota has been exceeded.");
}

// How many records the controller would write; 0: it is refused.
static int64_t judge(struct creation *n) {
    n->answer->name = n->topic->name;
    n->answer->configs_count = 0;
    n->right = name_is_right(n) && read_configs(n) && place(n) && quota_allows(n);
    if (!n->right) return 0;
    n->plan.id = n->answer->topic_id = broker_topic_id_new(n->request->node->cluster);
    n->answer->error_message.size = -1;
    n->answer->num_partitions = n->plan.partitions;
    n->answer->replication_factor = (int16_t)n->plan.replicas_count;
    show_configs(n);
    return 1 + (int64_t)n->plan.values.count + n->plan.partitions;
}

struct creations {
    struct broker_request *request;
    const int32_t *times;  // each name is asked for, where it is for the first time; 0: again
    struct create_topics_response response;
};

static bool is_clusters(struct wire_text name) {
    return wire_text_same(name, text_of(CLUSTER_METADATA_TOPIC));
}

static struct create_topics_response_topic *answer_next(struct creations *all, struct wire_text name) {
    struct create_topics_response_topic *answer = &all->response.topics[all->response.topics_count++];
    message_defaults(&create_topics_response_topic_message, answer);
    answer->name = name;
    return answer;
}

static void refuse(struct creations *all, int32_t i, int16_t code, const char *text) {
    const struct create_topics_request *request = all->request->body;
    struct create_topics_response_topic *answer = answer_next(all, request->topics[i].name);
    broker_refuse(&answer->error_code, &answer->error_message, code, text_of(text));
}

// As CreateTopicsRequest.getErrorResponse() does: each topic, however often it was named.
static void refuse_all(struct creations *all, const char *text) {
    const struct create_topics_request *request = all->request->body;
    all->response.topics_count = 0;
    for (int32_t i = 0; i < request->topics_count; i++) refuse(all, i, KAFKA_POLICY_VIOLATION, text);
}

static bool reaches_controller(const struct creations *all, int32_t i) {
    const struct create_topics_request *request = all->request->body;
    return all->times[i] == 1 && !is_clusters(request->topics[i].name);
}

// ReplicationControlManager.validateTotalNumberOfPartitions: also of topics that will be refused.
static bool total_is_right(const struct creations *all) {
    const struct create_topics_request *request = all->request->body;
    int64_t by_default = broker_setting_number(all->request->node->cluster, "num.partitions", 1), total = 0;
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct create_topics_request_topic *t = &request->topics[i];
        if (!reaches_controller(all, i)) continue;
        if (t->assignments_count > 0) total += t->assignments_count;
        else if (t->num_partitions == -1) total += by_default;
        else if (t->num_partitions > 0) total += t->num_partitions;
    }
    return total <= BROKER_RECORDS_PER_REQUEST_MAX;
}

// All or, when they take too many records, none; false then. What one topic is refused for does not matter to others.
static bool create(struct creations *all) {
    const struct create_topics_request *request = all->request->body;
    struct creation *made = REQUEST_ARRAY(all->request, request->topics_count, struct creation);
    int64_t records = 0;
    int32_t count = 0;
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct create_topics_request_topic *topic = &request->topics[i];
        if (!reaches_controller(all, i)) continue;
        made[count] = (struct creation){.request = all->request,
                                        .topic = topic,
                                        .answer = answer_next(all, topic->name),
                                        .plan = {.name = topic->name}};
        records += judge(&made[count++]);
    }
    bool fits = records <= BROKER_RECORDS_PER_REQUEST_MAX;
    for (int32_t i = 0; i < count; i++) {
        if (fits && made[i].right && !request->validate_only) {
            broker_topic_new(all->request->node->cluster, &made[i].plan);
        } else {
            setting_values_free(&made[i].plan.values);
        }
    }
    return fits;
}

// What ControllerApis.createTopics keeps from the controller comes at the end.
static void refuse_others(struct creations *all) {
    const struct create_topics_request *request = all->request->body;
    for (int32_t i = 0; i < request->topics_count; i++) {
        if (all->times[i] > 1) refuse(all, i, KAFKA_INVALID_REQUEST, "Duplicate topic name.");
    }
    for (int32_t i = 0; i < request->topics_count; i++) {
        if (all->times[i] != 1 || !is_clusters(request->topics[i].name)) continue;
        refuse(all, i, KAFKA_INVALID_REQUEST, "Creation of internal topic " CLUSTER_METADATA_TOPIC " is prohibited.");
    }
}

void handle_create_topics(struct broker_request *r) {
    const struct create_topics_request *request = r->body;
    struct creations all = {.request = r};
    message_defaults(r->api->response, &all.response);
    all.response.topics = REQUEST_ARRAY(r, request->topics_count, struct create_topics_response_topic);
    all.times = asked_names_times(r, request->topics, sizeof *request->topics,
                                  offsetof(struct create_topics_request_topic, name), request->topics_count);
    if (!total_is_right(&all)) refuse_all(&all, "Excessively large number of partitions per request.");
    else if (create(&all)) refuse_others(&all);
    else refuse_all(&all, "Unable to perform excessively large batch operation.");
    all.response.throttle_time_ms = broker_request_throttle_ms(r);
    broker_answer(r, &all.response);
}
