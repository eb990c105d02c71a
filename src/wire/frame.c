// Request and response framing: see frame.h.
#include "wire/frame.h"

#include "base/limits.h"
#include "wire/error_codes.h"
#include "wire/message_private.h"
#include "wire/messages.h"

#include <assert.h>
#include <inttypes.h>

#define LENGTH_SIZE 4

// Encodes the body behind the header that starts at `start`, and fills in the length that stands there.
static struct error finish(const struct message *body, int16_t version, const void *value, struct buffer *out,
                           size_t start, struct wire_cut *cuts, size_t *cuts_count) {
    struct error e = error_none();
    if (out->overflowed) {
        e = error_make(ERROR_LIMIT, 0, message_name(body), "no room for the header");
    } else {
        e = message_encode(body, version, value, out, cuts, cuts_count);
    }
    uint64_t length = out->size - start - LENGTH_SIZE;
    for (size_t i = 0; cuts && !error_is(&e) && i < *cuts_count; i++) length += (uint64_t)cuts[i].payload.size;
    if (!error_is(&e) && length > INT32_MAX) {
        e = error_make(ERROR_LIMIT, 0, message_name(body), "%" PRIu64 " bytes do not fit into a frame", length);
    }
    if (error_is(&e)) {
        out->size = start;
        out->overflowed = false;
        if (cuts) *cuts_count = 0;
        return e;
    }
    store_be32(out->at + start, (uint32_t)length);
    return e;
}

struct error frame_encode_request(const struct api *api, int16_t version, int32_t correlation_id, const char *client_id,
                                  const void *request, struct buffer *out, struct wire_cut *cuts, size_t *cuts_count) {
    size_t start = out->size, client_id_size = client_id ? strlen(client_id) : 0;
    assert(!out->overflowed && client_id_size <= CLIENT_ID_SIZE_MAX);
    buffer_append_be32(out, 0);
    buffer_append_be16(out, (uint16_t)api->key);
    buffer_append_be16(out, (uint16_t)version);
    buffer_append_be32(out, (uint32_t)correlation_id);
    // Never compact, whatever the version, so that a broker can read the header of any request (RequestHeader.json).
    buffer_append_be16(out, client_id ? (uint16_t)client_id_size : UINT16_MAX);
    if (client_id_size > 0) buffer_append(out, client_id, client_id_size);
    if (version >= api->flexible_min) buffer_append_u8(out, 0);
    return finish(api->request, version, request, out, start, cuts, cuts_count);
}

// KIP-511: a client that does not know yet what the broker speaks must be able to read the header.
static bool response_header_has_tags(const struct api *api, int16_t version) {
    return version >= api->flexible_min && api->key != API_API_VERSIONS;
}

struct error frame_encode_response(const struct api *api, int16_t version, int32_t correlation_id, const void *response,
                                   struct buffer *out, struct wire_cut *cuts, size_t *cuts_count) {
    size_t start = out->size;
    assert(!out->overflowed);
    buffer_append_be32(out, 0);
    buffer_append_be32(out, (uint32_t)correlation_id);
    if (response_header_has_tags(api, version)) buffer_append_u8(out, 0);
    return finish(api->response, version, response, out, start, cuts, cuts_count);
}

static bool skip_tags(const uint8_t **at, const uint8_t *end) {
    uint32_t count, tag, size;
    if (!uvarint_read(at, end, &count)) return false;
    for (; count > 0; count--) {
        if (!tag_read(at, end, &tag, &size)) return false;
        *at += size;
    }
    return true;
}

// A broker that lacks the asked version of ApiVersions answers in version 0 with UNSUPPORTED_VERSION (KIP-511).
static int16_t answered_version(const struct api *api, int16_t version, struct bytes body) {
    bool unsupported =
        api->key == API_API_VERSIONS && body.size >= 2 && load_be16(body.at) == KAFKA_UNSUPPORTED_VERSION;
    return unsupported ? 0 : version;
}

struct error frame_decode_response(const struct api *api, int16_t version, int32_t correlation_id, struct bytes frame,
                                   struct arena *arena, void *response) {
    const char *where = message_name(api->response);
    if (frame.size < 4) return error_make(ERROR_PROTOCOL, 0, where, "a response of %zu bytes", frame.size);
    const uint8_t *at = frame.at + 4, *end = frame.at + frame.size;
    int32_t answered = (int32_t)load_be32(frame.at);
    if (answered != correlation_id) {
        return error_make(ERROR_PROTOCOL, 0, where, "correlation id %" PRId32 ", expected %" PRId32, answered,
                          correlation_id);
    }
    if (response_header_has_tags(api, version) && !skip_tags(&at, end)) {
        return error_make(ERROR_PROTOCOL, 0, where, "the header is cut short");
    }
    struct bytes body = {at, (size_t)(end - at)};
    size_t consumed;
    struct error e =
        message_decode(api->response, answered_version(api, version, body), body, arena, response, &consumed);
    if (!error_is(&e) && consumed != body.size) {
        e = error_make(ERROR_PROTOCOL, 0, where, "version %" PRId16 ": %zu bytes left over", version,
                       body.size - consumed);
    }
    return e;
}

struct error frame_decode_request_header(struct bytes frame, struct frame_request_header *header, size_t *consumed) {
    static const char where[] = "request header";
    if (frame.size < 10) return error_make(ERROR_PROTOCOL, 0, where, "a request of %zu bytes", frame.size);
    const uint8_t *at = frame.at + 10, *end = frame.at + frame.size;
    header->api_key = (int16_t)load_be16(frame.at);
    header->version = (int16_t)load_be16(frame.at + 2);
    header->correlation_id = (int32_t)load_be32(frame.at + 4);
    int16_t size = (int16_t)load_be16(frame.at + 8);
    if (size < -1 || (size > 0 && end - at < size)) {
        return error_make(ERROR_PROTOCOL, 0, where, "client id of %" PRId16 " bytes", size);
    }
    header->client_id = (struct wire_text){size < 0 ? NULL : (const char *)at, size};
    if (size > 0) at += size;
    const struct api *api = api_find(header->api_key);
    if (!api) return error_make(ERROR_PROTOCOL, 0, where, "unknown API key %" PRId16, header->api_key);
    if (header->version >= api->flexible_min && !skip_tags(&at, end)) {
        return error_make(ERROR_PROTOCOL, 0, where, "tags cut short");
    }
    *consumed = frame.size - (size_t)(end - at);
    return error_none();
}
