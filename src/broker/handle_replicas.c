// DescribeLogDirs and ListPartitionReassignments: what a node's one log directory holds, and that no replica moves.
//
// After kafka.server.ReplicaManager.describeLogDirs.
#include "broker/asked_partitions.h"
#include "broker/config_view.h"
#include "broker/handlers.h"
#include "wire/error_codes.h"

#define LOG_DIR "/memory"

static void add_replica(const struct broker_request *r, const struct broker_partition *p,
                        struct describe_log_dirs_response_topic *out) {
    const struct broker_replica *replica = broker_node_replica(r->node, p);
    if (!replica) return;
    out->partitions[out->partitions_count++] = (struct describe_log_dirs_response_partition){
        .partition_index = p->index, .partition_size = replica->log.bytes};
}

static void add_all(struct broker_request *r, struct describe_log_dirs_response_result *dir) {
    const struct broker_cluster *c = r->node->cluster;
    dir->topics = REQUEST_ARRAY(r, c->topics_count, struct describe_log_dirs_response_topic);
    for (size_t i = 0; i < c->topics_count; i++) {
        const struct broker_topic *t = c->topics[i];
        struct describe_log_dirs_response_topic *out = &dir->topics[dir->topics_count];
        out->name = text_of(t->name);
        out->partitions = REQUEST_ARRAY(r, t->partitions_count, struct describe_log_dirs_response_partition);
        for (int32_t at = 0; at < t->partitions_count; at++) add_replica(r, t->partitions[at], out);
        if (out->partitions_count > 0) dir->topics_count++;
    }
}

static void add_asked(struct broker_request *r, struct describe_log_dirs_response_result *dir) {
    const struct describe_log_dirs_request *request = r->body;
    const struct broker_cluster *c = r->node->cluster;
    dir->topics = REQUEST_ARRAY(r, request->topics_count, struct describe_log_dirs_response_topic);
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct describe_log_dirs_request_topic *asked = &request->topics[i];
        const struct broker_topic *t = broker_find_topic(c, asked->topic);
        struct describe_log_dirs_response_topic *out = &dir->topics[dir->topics_count];
        out->name = asked->topic;
        out->partitions = REQUEST_ARRAY(r, asked->partitions_count, struct describe_log_dirs_response_partition);
        for (int32_t at = 0; at < asked->partitions_count; at++) {
            const struct broker_partition *p = broker_find_partition(t, asked->partitions[at]);
            if (p) add_replica(r, p, out);
        }
        if (out->partitions_count > 0) dir->topics_count++;
    }
}

void handle_describe_log_dirs(struct broker_request *r) {
    const struct describe_log_dirs_request *request = r->body;
    struct describe_log_dirs_response response = {.throttle_time_ms = r->node->throttle_ms, .results_count = 1};
    response.results = REQUEST_ARRAY(r, 1, struct describe_log_dirs_response_result);
    message_defaults(&describe_log_dirs_response_result_message, response.results);
    response.results->log_dir = text_of(LOG_DIR);
    if (request->topics_count < 0) add_all(r, response.results);
    else add_asked(r, response.results);
    broker_answer(r, &response);
}

void handle_list_partition_reassignments(struct broker_request *r) {
    struct list_partition_reassignments_response response = {.throttle_time_ms = r->node->throttle_ms};
    response.error_message = text_of(NULL);
    broker_answer(r, &response);
}
