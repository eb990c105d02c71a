// "Did you mean": the nearest of some known words to one that was mistyped.
#include "app/suggest.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define WORD_SIZE_MAX 127  // longer words get no suggestion

void suggestion_init(struct suggestion *s, const char *word) {
    // About one slip in four characters: more would suggest words that have nothing to do with it.
    *s = (struct suggestion){.word = word, .distance = 1 + (strlen(word) + 1) / 4};
}

static uint8_t least(uint8_t a, uint8_t b) {
    return a < b ? a : b;
}

// Letters missing, added, wrong, or two swapped, each counts one.
static size_t distance(const char *a, size_t a_size, const char *b, size_t b_size) {
    uint8_t rows[3][WORD_SIZE_MAX + 1];
    uint8_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_size; j++) above[j] = (uint8_t)j;
    for (size_t i = 1; i <= a_size; i++) {
        row[0] = (uint8_t)i;
        for (size_t j = 1; j <= b_size; j++) {
            row[j] =
                least((uint8_t)(above[j - 1] + (a[i - 1] != b[j - 1])), (uint8_t)(least(above[j], row[j - 1]) + 1));
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped) row[j] = least(row[j], (uint8_t)(before[j - 2] + 1));
        }
        uint8_t *free_row = before;
        before = above;
        above = row;
        row = free_row;
    }
    return above[b_size];
}

void suggestion_offer(struct suggestion *s, const char *candidate) {
    size_t word_size = strlen(s->word), size = strlen(candidate);
    if (word_size > WORD_SIZE_MAX || size > WORD_SIZE_MAX) return;
    size_t longer = word_size > size ? word_size - size : size - word_size;
    if (longer >= s->distance) return;  // each letter too many counts one
    size_t d = distance(s->word, word_size, candidate, size);
    if (d >= s->distance) return;
    s->distance = d;
    s->nearest = candidate;
}
