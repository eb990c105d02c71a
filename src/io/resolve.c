// The resolver's thread, its queue of questions and its list of answers.
#include "io/resolve.h"

#include "base/list.h"
#include "base/memory.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>

struct name {
    struct link link;
    char *host;
    int64_t asked_us;
    int failure, code;
    struct addresses addresses;
};

struct resolver {
    const struct system_calls *sys;
    int event_fd;
    // The loop's. No host is there twice.
    struct list waiting, known;  // those known longest first
    struct name *under_way;
    size_t count;  // of all three
    bool thread_runs;
    // Shared by the loop and the thread; the last of the two frees everything.
    pthread_mutex_t lock;
    pthread_cond_t asked;
    struct name *question, *answer;  // each is `under_way`
    bool stopping;
};

#define FOUND_NEVER INT64_MIN

void address_set_port(struct sockaddr_storage *address, uint16_t port) {
    if (address->ss_family == AF_INET6) ((struct sockaddr_in6 *)address)->sin6_port = htons(port);
    else ((struct sockaddr_in *)address)->sin_port = htons(port);
}

socklen_t address_size(const struct sockaddr_storage *address) {
    return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

// Answers getaddrinfo's number; a name without an address we can use is EAI_NONAME.
static int look_up(const struct system_calls *sys, const char *host, int flags, struct addresses *out) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags}, *list = NULL;
    out->count = 0;
    int failure = sys->getaddrinfo(host, NULL, &hints, &list);
    if (failure != 0) return failure;
    for (struct addrinfo *a = list; a && out->count < ADDRESSES_OF_HOST_MAX; a = a->ai_next) {
        if (a->ai_family != AF_INET && a->ai_family != AF_INET6) continue;
        struct sockaddr_storage *address = &out->at[out->count++];
        memset(address, 0, sizeof *address);
        memcpy(address, a->ai_addr, a->ai_addrlen);
    }
    sys->freeaddrinfo(list);
    return out->count > 0 ? 0 : EAI_NONAME;
}

bool resolve_numeric(const struct system_calls *sys, const char *host, struct addresses *out) {
    out->found_us = FOUND_NEVER;
    return look_up(sys, host, AI_NUMERICHOST, out) == 0;
}

// The thread --------------------------------------------------------------------------------------------------------

static void name_free(struct name *n) {
    memory_free(n->host);
    memory_free(n);
}

static void names_free(struct list *names) {
    struct link *k;
    while ((k = list_take_first(names))) name_free(CONTAINER_OF(k, struct name, link));
}

static void resolver_destroy(struct resolver *r) {
    names_free(&r->waiting);
    names_free(&r->known);
    if (r->under_way) name_free(r->under_way);
    r->sys->close(r->event_fd);
    pthread_cond_destroy(&r->asked);
    pthread_mutex_destroy(&r->lock);
    memory_free(r);
}

static void *resolver_thread(void *context) {
    struct resolver *r = context;
    pthread_mutex_lock(&r->lock);
    while (!r->stopping) {
        struct name *n = r->question;
        if (!n) {
            pthread_cond_wait(&r->asked, &r->lock);
            continue;
        }
        r->question = NULL;
        pthread_mutex_unlock(&r->lock);
        n->failure = look_up(r->sys, n->host, 0, &n->addresses);
        n->code = n->failure == EAI_SYSTEM ? errno : 0;
        pthread_mutex_lock(&r->lock);
        r->answer = n;
        // Cannot fail: the counter is far from its end, and a value already there wakes the loop as well.
        ssize_t written = r->sys->write(r->event_fd, &(uint64_t){1}, sizeof(uint64_t));
        (void)written;
    }
    pthread_mutex_unlock(&r->lock);
    resolver_destroy(r);
    return NULL;
}

// Signals are the loop's business: the thread takes none.
static int start_thread(struct resolver *r) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_t thread;
    int failure = r->sys->thread_create(&thread, &attributes, resolver_thread, r);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure;
}

struct error resolver_new(const struct system_calls *sys, struct resolver **out) {
    int fd = sys->eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) return error_make(ERROR_TRANSPORT, errno, "resolver", "cannot create an eventfd: %s", strerror(errno));
    struct resolver *r = NEW(struct resolver);
    r->sys = sys;
    r->event_fd = fd;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->asked, NULL);
    list_init(&r->waiting);
    list_init(&r->known);
    *out = r;
    return error_none();
}

void resolver_free(struct resolver *r) {
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    bool thread_frees = r->thread_runs;
    pthread_cond_signal(&r->asked);
    pthread_mutex_unlock(&r->lock);
    if (!thread_frees) resolver_destroy(r);
}

int resolver_fd(const struct resolver *r) {
    return r->event_fd;
}

// The loop's side ---------------------------------------------------------------------------------------------------

static struct name *find(const struct list *names, const char *host) {
    for (struct link *k = list_first(names); k; k = list_next(names, k))
        if (strcmp(CONTAINER_OF(k, struct name, link)->host, host) == 0) return CONTAINER_OF(k, struct name, link);
    return NULL;
}

static bool is_fresh(const struct name *n, int64_t now_us) {
    return n->addresses.found_us != FOUND_NEVER && now_us - n->addresses.found_us <= RESOLVE_KEPT_US;
}

static void drop(struct resolver *r, struct name *n) {
    list_remove(&n->link);
    name_free(n);
    r->count--;
}

static void drop_old(struct resolver *r, int64_t now_us) {
    for (struct link *k = list_first(&r->known), *next; k; k = next) {
        struct name *n = CONTAINER_OF(k, struct name, link);
        next = list_next(&r->known, k);
        if (!is_fresh(n, now_us)) drop(r, n);
    }
}

// The thread gets one name at a time: what is no longer wanted when its turn comes costs nothing.
static void hand_over(struct resolver *r, int64_t now_us) {
    struct link *k;
    while (!r->under_way && (k = list_first(&r->waiting))) {
        struct name *n = CONTAINER_OF(k, struct name, link);
        if (now_us - n->asked_us > RESOLVE_WANTED_US) {
            drop(r, n);
            continue;
        }
        list_remove(k);
        r->under_way = n;
        pthread_mutex_lock(&r->lock);
        r->question = n;
        pthread_cond_signal(&r->asked);
        pthread_mutex_unlock(&r->lock);
    }
}

struct error resolver_ask(struct resolver *r, int64_t now_us, const char *host) {
    if (r->under_way && strcmp(r->under_way->host, host) == 0) return error_none();
    struct name *n = find(&r->waiting, host);
    if (n) {
        n->asked_us = now_us;
        return error_none();
    }
    drop_old(r, now_us);
    assert(!find(&r->known, host));
    if (!r->thread_runs) {
        int failure = start_thread(r);
        if (failure != 0)
            return error_make(ERROR_TRANSPORT, failure, "resolver", "cannot look up %.80s: no thread: %s", host,
                              strerror(failure));
        r->thread_runs = true;
    }
    if (r->count == RESOLVE_NAMES_MAX) {
        if (list_empty(&r->known))
            return error_make(ERROR_LIMIT, 0, "resolver", "cannot look up %.80s: %d names wait already", host,
                              RESOLVE_NAMES_MAX);
        drop(r, CONTAINER_OF(list_first(&r->known), struct name, link));
    }
    n = NEW(struct name);
    n->host = memory_copy_string(host);
    n->asked_us = now_us;
    list_append(&r->waiting, &n->link);
    r->count++;
    hand_over(r, now_us);
    return error_none();
}

bool resolver_take(struct resolver *r, int64_t now_us, struct resolve_answer *answer) {
    pthread_mutex_lock(&r->lock);
    struct name *n = r->answer;
    r->answer = NULL;
    uint64_t wakes;
    ssize_t got = r->sys->read(r->event_fd, &wakes, sizeof wakes);
    (void)got;  // EAGAIN: it was not readable anyway
    pthread_mutex_unlock(&r->lock);
    if (!n) return false;
    r->under_way = NULL;
    n->addresses.found_us = n->failure == 0 ? now_us : FOUND_NEVER;
    list_append(&r->known, &n->link);
    *answer = (struct resolve_answer){n->host, n->failure, n->code, &n->addresses};
    hand_over(r, now_us);
    return true;
}

bool resolver_recall(const struct resolver *r, int64_t now_us, const char *host, struct addresses *out) {
    const struct name *n = find(&r->known, host);
    if (!n || !is_fresh(n, now_us)) return false;
    *out = n->addresses;
    return true;
}

void resolver_doubt(struct resolver *r, int64_t now_us, const char *host, int64_t found_us) {
    if (found_us == FOUND_NEVER || now_us - found_us < RESOLVE_DOUBT_US) return;
    struct name *n = find(&r->known, host);
    if (n && n->addresses.found_us == found_us) n->addresses.found_us = FOUND_NEVER;
}
