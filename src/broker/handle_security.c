// ACLs: there are none and cannot be, which is what a broker without an authorizer answers (kafka.server.AclApis).
#include "broker/config_view.h"
#include "broker/handlers.h"
#include "broker/request.h"
#include "wire/error_codes.h"

void handle_describe_acls(struct broker_request *r) {
    struct describe_acls_response response;
    message_defaults(r->api->response, &response);
    response.throttle_time_ms = r->node->throttle_ms;
    response.error_code = KAFKA_SECURITY_DISABLED;
    response.error_message = text_of("No Authorizer is configured on the broker");
    broker_answer(r, &response);
}

void handle_create_acls(struct broker_request *r) {
    const struct create_acls_request *request = r->body;
    struct create_acls_response response = {.throttle_time_ms = r->node->throttle_ms};
    response.results = REQUEST_ARRAY(r, request->creations_count, struct create_acls_response_result);
    for (; response.results_count < request->creations_count; response.results_count++) {
        response.results[response.results_count] =
            (struct create_acls_response_result){KAFKA_SECURITY_DISABLED, text_of("No Authorizer is configured.")};
    }
    broker_answer(r, &response);
}

void handle_delete_acls(struct broker_request *r) {
    const struct delete_acls_request *request = r->body;
    struct delete_acls_response response = {.throttle_time_ms = r->node->throttle_ms};
    response.filter_results = REQUEST_ARRAY(r, request->filters_count, struct delete_acls_response_filter);
    for (; response.filter_results_count < request->filters_count; response.filter_results_count++) {
        response.filter_results[response.filter_results_count] = (struct delete_acls_response_filter){
            .error_code = KAFKA_SECURITY_DISABLED, .error_message = text_of("No Authorizer is configured.")};
    }
    broker_answer(r, &response);
}
