// The entry of libFuzzer: one program for each target, which FUZZ_TARGET names.
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t size) {
    if (size <= FUZZ_INPUT_MAX) FUZZ_TARGET((struct bytes){at, size});
    return 0;
}
