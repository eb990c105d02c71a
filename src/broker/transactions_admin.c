// DescribeTransactions and ListTransactions (KIP-664).
#include "base/pattern.h"
#include "broker/handlers.h"
#include "broker/transactions_private.h"

static void describe_partitions(struct broker_request *r, const struct transaction_data *d,
                                struct describe_transactions_response_transaction_state *out) {
    out->topics = REQUEST_ARRAY(r, d->partitions_count, struct describe_transactions_response_topic);
    for (int32_t i = 0; i < d->partitions_count; i++) {
        const struct transaction_partition *p = &d->partitions[i];
        struct describe_transactions_response_topic *topic = NULL;
        for (int32_t k = 0; k < out->topics_count; k++)
            if (!strcmp(out->topics[k].topic.at, p->topic)) topic = &out->topics[k];
        if (!topic) {
            topic = &out->topics[out->topics_count++];
            topic->topic = text_of(p->topic);
            topic->partitions = REQUEST_ARRAY(r, d->partitions_count, int32_t);
        }
        topic->partitions[topic->partitions_count++] = p->index;
    }
}

static void describe(struct broker_request *r, struct wire_text id,
                     struct describe_transactions_response_transaction_state *out) {
    message_defaults(&describe_transactions_response_transaction_state_message, out);
    out->transactional_id = id;
    out->error_code = KAFKA_INVALID_REQUEST;
    if (id.size <= 0) return;
    const struct transaction_shard *s = transaction_shard_find(r->node, id, &out->error_code);
    const struct transaction *t = s ? transaction_find(s, id) : NULL;
    if (s && !t) out->error_code = KAFKA_TRANSACTIONAL_ID_NOT_FOUND;
    if (!t) return;
    out->transaction_state = text_of(transaction_state_name(t->data.state));
    out->transaction_timeout_ms = t->data.timeout_ms;
    out->transaction_start_time_ms = t->data.start_ms;
    out->producer_id = t->data.producer_id;
    out->producer_epoch = t->data.epoch;
    describe_partitions(r, &t->data, out);
}

void handle_describe_transactions(struct broker_request *r) {
    const struct describe_transactions_request *body = r->body;
    struct describe_transactions_response response;
    message_defaults(&describe_transactions_response_message, &response);
    response.transaction_states_count = body->transactional_ids_count;
    response.transaction_states =
        REQUEST_ARRAY(r, response.transaction_states_count, struct describe_transactions_response_transaction_state);
    for (int32_t i = 0; i < response.transaction_states_count && !broker_request_is_full(r); i++)
        describe(r, body->transactional_ids[i], &response.transaction_states[i]);
    broker_answer(r, &response);
}

static bool is_named(const struct transaction *t, struct wire_text name) {
    return text_equal(name, transaction_state_name(t->data.state));
}

static bool passes(const struct list_transactions_request *body, struct pattern *pattern, const struct transaction *t) {
    bool state = body->state_filters_count <= 0, producer = body->producer_id_filters_count <= 0;
    for (int32_t i = 0; i < body->state_filters_count; i++) state = state || is_named(t, body->state_filters[i]);
    for (int32_t i = 0; i < body->producer_id_filters_count; i++)
        producer = producer || body->producer_id_filters[i] == t->data.producer_id;
    int64_t age_ms = t->shard->shard.cluster->wall_ms - t->data.start_ms;
    bool named = !pattern || pattern_match(pattern, t->id) == PATTERN_MATCHES;
    return state && producer && named && (body->duration_filter < 0 || age_ms > body->duration_filter);
}

static bool is_state(struct wire_text name) {
    for (int state = TRANSACTION_EMPTY; state < TRANSACTION_NO_STATE; state++) {
        if (text_equal(name, transaction_state_name((enum transaction_state)state))) return true;
    }
    return false;
}

static void list_shard(struct broker_request *r, const struct transaction_shard *s, struct pattern *pattern,
                       struct list_transactions_response *response) {
    size_t count = s->by_id.count + (size_t)response->transaction_states_count;
    struct list_transactions_response_transaction_state *grown =
        REQUEST_ARRAY(r, count, struct list_transactions_response_transaction_state);
    if (response->transaction_states_count)
        memcpy(grown, response->transaction_states, (size_t)response->transaction_states_count * sizeof *grown);
    response->transaction_states = grown;
    const struct transaction *t;
    for (size_t i = 0; (t = map_next(&s->by_id, &i));) {
        if (!passes(r->body, pattern, t)) continue;
        struct list_transactions_response_transaction_state *out = &grown[response->transaction_states_count++];
        out->transactional_id = text_of(t->id);
        out->producer_id = t->data.producer_id;
        out->transaction_state = text_of(transaction_state_name(t->data.state));
    }
}

// What PCRE2 knows and RE2/J does not: references to groups, looking around, atomic groups, possessive quantifiers.
static bool is_re2(const char *at) {
    for (bool in_class = false; *at; at++) {
        if (*at == '\\') {
            if (at[1] >= '1' && at[1] <= '9') return false;
            if (at[1] == 'Q') at = strstr(at, "\\E");
            if (!at || !at[1]) return true;
            at++;
        } else if (in_class) {
            in_class = *at != ']';
        } else if (*at == '[') {
            in_class = true;
        } else if (*at == '(' && at[1] == '?' && (strchr("=!>", at[2]) || (at[2] == '<' && strchr("=!", at[3])))) {
            return false;
        } else if (strchr("*+?}", *at) && (at[1] == '*' || at[1] == '+')) {
            return false;
        }
    }
    return true;
}

// False: it is no regular expression. NULL: any id.
static bool compile_pattern(struct broker_request *r, struct pattern **pattern) {
    const struct list_transactions_request *body = r->body;
    *pattern = NULL;
    if (body->transactional_id_pattern.size <= 0) return true;
    const char *text = broker_request_text(r, body->transactional_id_pattern);
    if (!is_re2(text)) return false;
    struct error e = pattern_compile(&text, 1, pattern);
    return !error_is(&e);
}

static void refuse_list(struct list_transactions_response *response, int16_t error_code) {
    message_defaults(&list_transactions_response_message, response);
    response->error_code = error_code;
}

void handle_list_transactions(struct broker_request *r) {
    const struct list_transactions_request *body = r->body;
    const struct broker_transactions *transactions = r->node->cluster->transactions;
    struct list_transactions_response response;
    struct pattern *pattern;
    bool understood = compile_pattern(r, &pattern);
    refuse_list(&response, KAFKA_NONE);
    response.unknown_state_filters = REQUEST_ARRAY(r, body->state_filters_count, struct wire_text);
    for (int32_t i = 0; i < body->state_filters_count; i++)
        if (!is_state(body->state_filters[i]))
            response.unknown_state_filters[response.unknown_state_filters_count++] = body->state_filters[i];
    for (int32_t p = 0; p < transactions->partitions; p++) {
        const struct transaction_shard *s =
            map_get_number(&transactions->shards, coordinator_shard_key(r->node->id, p));
        if (s && s->shard.loading) {
            refuse_list(&response, KAFKA_COORDINATOR_LOAD_IN_PROGRESS);
            break;
        }
        if (s && s->by_id.count && understood) list_shard(r, s, pattern, &response);
    }
    if (!understood && !response.error_code) refuse_list(&response, KAFKA_INVALID_REGULAR_EXPRESSION);
    pattern_free(pattern);
    broker_answer(r, &response);
}
