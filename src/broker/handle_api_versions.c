// ApiVersions: what this cluster speaks, and which features are switched on (KIP-511, KIP-584).
#include "broker/handlers.h"
#include "broker/request.h"
#include "wire/error_codes.h"

// As a cluster formatted by Kafka 4.3 says, but for what is not modelled: group.version (only the classic protocol is).
static const struct {
    const char *name;
    int16_t min, max, finalized;
} features[] = {
    {"metadata.version", 7, 30, 30},
    {"transaction.version", 0, 2, 2},
    {"eligible.leader.replicas.version", 0, 1, 1},
    {"group.version", 0, 0, 0},
};
#define FEATURES_COUNT ((int32_t)(sizeof features / sizeof *features))

int16_t broker_feature_finalized(const char *name) {
    for (int32_t i = 0; i < FEATURES_COUNT; i++)
        if (!strcmp(features[i].name, name)) return features[i].finalized;
    return 0;
}

static struct wire_text text(const char *of) {
    return (struct wire_text){of, (int32_t)strlen(of)};
}

static void offer(const struct broker_api *a, struct api_versions_response_api_key *out) {
    const struct api *api = api_find(a->key);
    *out = (struct api_versions_response_api_key){
        .api_key = a->key,
        .min_version = a->offered_min >= 0 ? a->offered_min : api->version_min,
        .max_version = api->version_max,
    };
}

static void add_features(struct broker_request *r, struct api_versions_response *response) {
    response->supported_features = REQUEST_ARRAY(r, FEATURES_COUNT, struct api_versions_response_supported_feature);
    response->finalized_features = REQUEST_ARRAY(r, FEATURES_COUNT, struct api_versions_response_finalized_feature);
    for (int32_t i = 0; i < FEATURES_COUNT; i++) {
        // A version below 4 cannot say a minimum of 0: such features are left out (KIP-1022).
        if (features[i].min > 0 || r->version >= 4) {
            response->supported_features[response->supported_features_count++] =
                (struct api_versions_response_supported_feature){text(features[i].name), features[i].min,
                                                                 features[i].max};
        }
        if (features[i].finalized == 0) continue;  // absent means 0
        response->finalized_features[response->finalized_features_count++] =
            (struct api_versions_response_finalized_feature){text(features[i].name), features[i].finalized,
                                                             features[i].finalized};
    }
    response->finalized_features_epoch = 0;
}

static bool name_is_right(struct wire_text t) {
    for (int32_t i = 0; i < t.size; i++) {
        char c = t.at[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        bool inner = i > 0 && i < t.size - 1 && (c == '-' || c == '.');
        if (!alnum && !inner) return false;
    }
    return t.size > 0;
}

void handle_api_versions(struct broker_request *r) {
    const struct api_versions_request *request = r->body;
    struct api_versions_response response;
    message_defaults(r->api->response, &response);
    response.throttle_time_ms = r->node->throttle_ms;
    if (r->version > r->api->version_max) {
        response.error_code = KAFKA_UNSUPPORTED_VERSION;
        response.api_keys = REQUEST_ARRAY(r, 1, struct api_versions_response_api_key);
        response.api_keys_count = 1;
        offer(broker_api_find(API_API_VERSIONS), response.api_keys);
    } else if (r->version >= 3 &&
               !(name_is_right(request->client_software_name) && name_is_right(request->client_software_version))) {
        response.error_code = KAFKA_INVALID_REQUEST;
    } else {
        response.api_keys_count = (int32_t)broker_api_table_count;
        response.api_keys = REQUEST_ARRAY(r, broker_api_table_count, struct api_versions_response_api_key);
        for (size_t i = 0; i < broker_api_table_count; i++) offer(&broker_api_table[i], &response.api_keys[i]);
        add_features(r, &response);
    }
    broker_answer(r, &response);
}
