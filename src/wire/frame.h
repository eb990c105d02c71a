// Request and response framing: length prefix, request header v1/v2, response header v0/v1.
#pragma once
#include "wire/message.h"

// Appends length, header and body of a request to `out`. The length counts the payloads of the cuts too; cut offsets
// are relative to out->at. Header v2 is used from the API's first flexible version on; ApiVersions answers always with
// response header v0 (KIP-511).
MUST_USE struct error frame_encode_request(const struct api *api, int16_t version, int32_t correlation_id,
                                           const char *client_id, const void *request, struct buffer *out,
                                           struct wire_cut *cuts, size_t *cuts_count);

// `frame` is a whole response without its length prefix. Checks the correlation id; a response that is not consumed to
// its last byte is ERROR_PROTOCOL.
MUST_USE struct error frame_decode_response(const struct api *api, int16_t version, int32_t correlation_id,
                                            struct bytes frame, struct arena *arena, void *response);

// For servers (the broker model): the two other directions. `header_client_id` may be NULL.
struct frame_request_header {
    int16_t api_key, version;
    int32_t correlation_id;
    struct wire_text client_id;
};
MUST_USE struct error frame_decode_request_header(struct bytes frame, struct frame_request_header *header,
                                                  size_t *consumed);
MUST_USE struct error frame_encode_response(const struct api *api, int16_t version, int32_t correlation_id,
                                            const void *response, struct buffer *out, struct wire_cut *cuts,
                                            size_t *cuts_count);
