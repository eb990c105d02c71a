// CRC-32C (Castagnoli), as Kafka's record batches carry it.
#pragma once
#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(const void *at, size_t size);

// The CRC of a message in which `changed_size` bytes at the front became `after` instead of `before`, followed by
// `rest_size` unchanged bytes that need not be read: crc32c is linear over GF(2), so
//   crc(after || rest) = crc(before || rest) ^ shift(crc_raw(before ^ after), rest_size).
// Whatever `crc_before` was wrong about stays wrong: damage is not laundered.
uint32_t crc32c_adjust(uint32_t crc_before, const uint8_t *before, const uint8_t *after, size_t changed_size,
                       size_t rest_size);
