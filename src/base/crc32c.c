// CRC-32C by ISA-L, and its adjustment to changed bytes without reading the unchanged ones.
#include "base/crc32c.h"

#include <assert.h>
#include <isa-l/crc.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

// Polynomials over GF(2) modulo Castagnoli's, reflected: the highest bit is the coefficient of x^0.
#define POLYNOMIAL 0x82f63b78U
#define ONE 0x80000000U

#define DIGITS 4  // of a size in base 256

// powers[j][d] = x^(8 * d * 256^j - 32): what shifts a CRC by d * 256^j bytes (multiply() adds the missing x^32).
static uint32_t powers[DIGITS][256];

// ISA-L's function is the bare remainder of x^32 times the message, started from `start`; it doesn't invert, and counts
// in int.
static uint32_t remainder_of(uint32_t start, const uint8_t *at, size_t size) {
    const size_t piece_max = 1U << 30;
    while (size > piece_max) {
        start = crc32_iscsi((unsigned char *)at, (int)piece_max, start);
        at += piece_max;
        size -= piece_max;
    }
    return crc32_iscsi((unsigned char *)at, (int)size, start);
}

uint32_t crc32c(const void *at, size_t size) {
    return ~remainder_of(~0U, at, size);
}

// a * b * x^32. The product is taken without carries; reducing it is what a CRC over its 8 bytes does. Reflected,
// 32 + 32 coefficients make 63: the shift by one aligns them to the top of 64.
static uint32_t multiply_portable(uint32_t a, uint32_t b) {
    uint64_t product = 0;
    for (int i = 0; i < 32; i++) product ^= ((uint64_t)b << i) & -(uint64_t)((a >> i) & 1);
    product <<= 1;
    return remainder_of(0, (const uint8_t *)&product, sizeof product);
}

static uint32_t (*multiply)(uint32_t a, uint32_t b) = multiply_portable;

#ifdef __x86_64__
__attribute__((target("pclmul,sse4.2"))) static uint32_t multiply_x86(uint32_t a, uint32_t b) {
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128(a), _mm_cvtsi64_si128(b), 0);
    return (uint32_t)_mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product) << 1);
}
#endif

__attribute__((constructor)) static void compute_powers(void) {
#ifdef __x86_64__
    if (__builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.2")) multiply = multiply_x86;
#endif
    uint32_t start = ONE;
    for (int i = 0; i < 32; i++) start = (start & ONE) ? ((start ^ POLYNOMIAL) << 1) | 1 : start << 1;  // / x
    uint32_t step = start;
    for (int i = 0; i < 8; i++) step = (step >> 1) ^ ((step & 1) ? POLYNOMIAL : 0);  // * x
    for (int j = 0; j < DIGITS; j++) {
        uint32_t power = start;
        for (int d = 0; d < 256; d++) {
            powers[j][d] = power;
            power = multiply(power, step);
        }
        step = power;
    }
}

static uint32_t shift(uint32_t crc, size_t size) {
    assert(size >> (8 * DIGITS) == 0);
    for (int j = 0; size; j++, size >>= 8) {
        if (size & 0xff) crc = multiply(crc, powers[j][size & 0xff]);
    }
    return crc;
}

uint32_t crc32c_adjust(uint32_t crc_before, const uint8_t *before, const uint8_t *after, size_t changed_size,
                       size_t rest_size) {
    // Start values and inversions cancel out, as both messages have the same length.
    uint32_t change = remainder_of(0, before, changed_size) ^ remainder_of(0, after, changed_size);
    return crc_before ^ shift(change, rest_size);
}
