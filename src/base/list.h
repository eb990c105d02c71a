// Intrusive doubly linked lists: the link lives in the element, so linking never allocates.
// An unlinked link has next == NULL. Taking an element out nulls its link, so that a second removal asserts.
#pragma once
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

struct link {
    struct link *next, *prev;
};

struct list {
    struct link head;  // next = first, prev = last; both point to head when empty
};

#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

static inline void list_init(struct list *l) {
    l->head.next = l->head.prev = &l->head;
}

static inline bool list_empty(const struct list *l) {
    return l->head.next == &l->head;
}

static inline bool link_linked(const struct link *k) {
    return k->next != NULL;
}

static inline struct link *list_first(const struct list *l) {
    return list_empty(l) ? NULL : l->head.next;
}

static inline struct link *list_last(const struct list *l) {
    return list_empty(l) ? NULL : l->head.prev;
}

static inline struct link *list_next(const struct list *l, const struct link *k) {
    return k->next == &l->head ? NULL : k->next;
}

static inline void link_insert_behind(struct link *before, struct link *k) {  // `before` may be a list's head
    assert(!link_linked(k));
    k->prev = before;
    k->next = before->next;
    before->next->prev = k;
    before->next = k;
}

static inline void list_append(struct list *l, struct link *k) {
    link_insert_behind(l->head.prev, k);
}

static inline void list_prepend(struct list *l, struct link *k) {
    link_insert_behind(&l->head, k);
}

static inline void list_remove(struct link *k) {
    assert(link_linked(k));
    k->prev->next = k->next;
    k->next->prev = k->prev;
    k->next = k->prev = NULL;
}

static inline struct link *list_take_first(struct list *l) {
    struct link *k = list_first(l);
    if (k) list_remove(k);
    return k;
}
