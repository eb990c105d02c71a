// SCRAM credentials: kept and described, though nobody can log in with them (KIP-554). After
// org.apache.kafka.controller.ScramControlManager and org.apache.kafka.image.ScramImage.
#include "broker/asked_partitions.h"
#include "broker/config_view.h"
#include "broker/handlers.h"
#include "wire/error_codes.h"

#include "base/memory.h"

#define MECHANISMS_COUNT 2  // SCRAM-SHA-256 and SCRAM-SHA-512: 1 and 2
#define ITERATIONS_MIN 4096
#define ITERATIONS_MAX 16384

struct scram_user {
    char *name;
    int32_t iterations[MECHANISMS_COUNT];  // 0: none
};

static void user_free(struct scram_user *u) {
    if (!u) return;
    memory_free(u->name);
    memory_free(u);
}

void broker_scram_free(struct broker_cluster *c) {
    struct scram_user *u;
    for (size_t i = 0; (u = map_next(&c->scram_users, &i));) user_free(u);
    map_free(&c->scram_users);
}

static struct scram_user *find_user(const struct broker_cluster *c, struct wire_text name) {
    return name.size > 0 ? map_get_text(&c->scram_users, name.at, (size_t)name.size) : NULL;
}

static bool is_mechanism(int8_t mechanism) {
    return mechanism >= 1 && mechanism <= MECHANISMS_COUNT;
}

static void remove_credential(struct broker_cluster *c, struct wire_text name, int8_t mechanism) {
    struct scram_user *u = find_user(c, name);
    u->iterations[mechanism - 1] = 0;
    for (int i = 0; i < MECHANISMS_COUNT; i++)
        if (u->iterations[i]) return;
    user_free(map_remove_text(&c->scram_users, name.at, (size_t)name.size));
}

static void set_credential(struct broker_cluster *c, struct wire_text name, int8_t mechanism, int32_t iterations) {
    struct scram_user *u = find_user(c, name);
    if (!u) {
        u = NEW(struct scram_user);
        u->name = memory_copy_text(name.at, (size_t)name.size);
        map_put_text(&c->scram_users, name.at, (size_t)name.size, u);
    }
    u->iterations[mechanism - 1] = iterations;
}

// Altering -----------------------------------------------------------------------------------------------------------

// One deletion or upsertion.
struct scram_change {
    struct wire_text name;
    int8_t mechanism;
    int32_t iterations;  // 0: deletion
    bool lacks_password;
};

#define REFUSE(out, code, text) broker_refuse(&(out)->error_code, &(out)->error_message, code, text_of(text))

// Of a user that is named again only the first change is looked at.
static bool change_is_right(const struct broker_cluster *c, const struct scram_change *change, bool deletes,
                            struct alter_user_scram_credentials_response_user *out) {
    const struct scram_user *u = find_user(c, change->name);
    if (change->name.size == 0) return REFUSE(out, KAFKA_UNACCEPTABLE_CREDENTIAL, "Username must not be empty");
    if (!is_mechanism(change->mechanism))
        return REFUSE(out, KAFKA_UNSUPPORTED_SASL_MECHANISM, "Unknown SCRAM mechanism");
    if (deletes)
        return (u && u->iterations[change->mechanism - 1]) ||
               REFUSE(out, KAFKA_RESOURCE_NOT_FOUND, "Attempt to delete a user credential that does not exist");
    if (change->iterations < ITERATIONS_MIN) return REFUSE(out, KAFKA_UNACCEPTABLE_CREDENTIAL, "Too few iterations");
    return change->iterations <= ITERATIONS_MAX ||
           REFUSE(out, KAFKA_UNACCEPTABLE_CREDENTIAL, "Too many iterations");
}

static struct scram_change *changes_of(struct broker_request *r, int32_t *count) {
    const struct alter_user_scram_credentials_request *body = r->body;
    struct scram_change *changes = REQUEST_ARRAY(r, body->deletions_count + body->upsertions_count,
                                                 struct scram_change);
    *count = 0;
    for (int32_t i = 0; i < body->deletions_count; i++)
        changes[(*count)++] = (struct scram_change){body->deletions[i].name, body->deletions[i].mechanism, 0, false};
    for (int32_t i = 0; i < body->upsertions_count; i++) {
        changes[(*count)++] = (struct scram_change){body->upsertions[i].name, body->upsertions[i].mechanism,
                                                    body->upsertions[i].iterations,
                                                    body->upsertions[i].salted_password.size <= 0};
    }
    return changes;
}

static void change(struct broker_cluster *c, const struct scram_change *wanted, bool deletes, bool again,
                   struct alter_user_scram_credentials_response_user *out) {
    if (!change_is_right(c, wanted, deletes, out)) return;
    if (again) {
        REFUSE(out, KAFKA_DUPLICATE_RESOURCE, "A user credential cannot be altered twice in the same request");
    } else if (deletes) {
        remove_credential(c, wanted->name, wanted->mechanism);
    } else if (wanted->lacks_password) {  // SecretKeySpec throws
        REFUSE(out, KAFKA_UNKNOWN_SERVER_ERROR, "Empty key");
    } else {
        set_credential(c, wanted->name, wanted->mechanism, wanted->iterations);
    }
}

void handle_alter_user_scram_credentials(struct broker_request *r) {
    const struct alter_user_scram_credentials_request *body = r->body;
    struct broker_cluster *c = r->node->cluster;
    int32_t count;
    const struct scram_change *changes = changes_of(r, &count);
    const int32_t *times =
        asked_names_times(r, changes, sizeof *changes, offsetof(struct scram_change, name), count);
    struct alter_user_scram_credentials_response response = {.throttle_time_ms = r->node->throttle_ms};
    response.results = REQUEST_ARRAY(r, count, struct alter_user_scram_credentials_response_user);
    for (int32_t i = 0; i < count; i++) {
        if (times[i] == 0) continue;
        struct alter_user_scram_credentials_response_user *out = &response.results[response.results_count++];
        out->user = changes[i].name;
        out->error_message = text_of(NULL);
        change(c, &changes[i], i < body->deletions_count, times[i] > 1, out);
    }
    broker_answer(r, &response);
}

// Describing ---------------------------------------------------------------------------------------------------------

static void tell_credentials(struct broker_request *r, const struct scram_user *u,
                             struct describe_user_scram_credentials_response_user *out) {
    out->error_message = text_of(NULL);
    out->credential_infos =
        REQUEST_ARRAY(r, MECHANISMS_COUNT, struct describe_user_scram_credentials_response_credential_info);
    for (int8_t i = 0; i < MECHANISMS_COUNT; i++) {
        if (!u->iterations[i]) continue;
        out->credential_infos[out->credential_infos_count++] =
            (struct describe_user_scram_credentials_response_credential_info){(int8_t)(i + 1), u->iterations[i]};
    }
}

static void describe_asked(struct broker_request *r, struct describe_user_scram_credentials_response *response) {
    const struct describe_user_scram_credentials_request *request = r->body;
    int32_t count = request->users_count;
    response->results = REQUEST_ARRAY(r, count, struct describe_user_scram_credentials_response_user);
    const int32_t *times =
        asked_names_times(r, request->users, sizeof *request->users,
                          offsetof(struct describe_user_scram_credentials_request_user, name), count);
    for (int32_t i = 0; i < count; i++) {
        if (times[i] == 0) continue;
        struct wire_text name = request->users[i].name;
        const struct scram_user *u = find_user(r->node->cluster, name);
        struct describe_user_scram_credentials_response_user *out = &response->results[response->results_count++];
        out->user = name;
        bool twice = times[i] > 1;
        const char *why = twice ? "Cannot describe SCRAM credentials for the same user twice in a single request"
                                : "Attempt to describe a user credential that does not exist";
        if (!twice && u) tell_credentials(r, u, out);
        else
            broker_refuse(&out->error_code, &out->error_message,
                          twice ? KAFKA_DUPLICATE_RESOURCE : KAFKA_RESOURCE_NOT_FOUND,
                          broker_request_say(r, "%s: %.*s", why, name.size, name.at));
    }
}

static void describe_all(struct broker_request *r, struct describe_user_scram_credentials_response *response) {
    const struct map *users = &r->node->cluster->scram_users;
    response->results = REQUEST_ARRAY(r, users->count, struct describe_user_scram_credentials_response_user);
    const struct scram_user *u;
    for (size_t i = 0; (u = map_next(users, &i));) {
        struct describe_user_scram_credentials_response_user *out = &response->results[response->results_count++];
        out->user = text_of(u->name);
        tell_credentials(r, u, out);
    }
}

void handle_describe_user_scram_credentials(struct broker_request *r) {
    const struct describe_user_scram_credentials_request *request = r->body;
    struct describe_user_scram_credentials_response response = {.throttle_time_ms = r->node->throttle_ms};
    response.error_message = text_of(NULL);
    if (request->users_count > 0) describe_asked(r, &response);
    else describe_all(r, &response);
    broker_answer(r, &response);
}
