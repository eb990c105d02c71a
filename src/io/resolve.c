// The resolver's thread, its queue of questions and its list of answers.
#include "io/resolve.h"

#include "base/list.h"
#include "base/memory.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

struct lookup {
    struct link link;
    char *host;
    uint16_t port;
    struct resolve_answer answer;
};

// Shared by the loop and the thread; the last of the two frees it.
struct resolver {
    const struct system_calls *sys;
    int event_fd;
    pthread_mutex_t lock;
    pthread_cond_t asked;
    struct list questions, answers;
    size_t count;  // of both lists and the look-up under way
    bool thread_runs, stopping;
};

static void set_port(struct sockaddr_storage *address, uint16_t port) {
    if (address->ss_family == AF_INET6) ((struct sockaddr_in6 *)address)->sin6_port = htons(port);
    else ((struct sockaddr_in *)address)->sin_port = htons(port);
}

socklen_t address_size(const struct sockaddr_storage *address) {
    return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

// Answers getaddrinfo's number; a name without an address we can use is EAI_NONAME.
static int look_up(const struct system_calls *sys, const char *host, uint16_t port, int flags, struct addresses *out) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags}, *list = NULL;
    out->count = 0;
    int failure = sys->getaddrinfo(host, NULL, &hints, &list);
    if (failure != 0) return failure;
    for (struct addrinfo *a = list; a && out->count < ADDRESSES_OF_HOST_MAX; a = a->ai_next) {
        if (a->ai_family != AF_INET && a->ai_family != AF_INET6) continue;
        struct sockaddr_storage *address = &out->at[out->count++];
        memset(address, 0, sizeof *address);
        memcpy(address, a->ai_addr, a->ai_addrlen);
        set_port(address, port);
    }
    sys->freeaddrinfo(list);
    return out->count > 0 ? 0 : EAI_NONAME;
}

bool resolve_numeric(const struct system_calls *sys, const char *host, uint16_t port, struct addresses *out) {
    return look_up(sys, host, port, AI_NUMERICHOST, out) == 0;
}

static void lookup_free(struct lookup *l) {
    memory_free(l->host);
    memory_free(l);
}

static void lookups_free(struct list *lookups) {
    struct link *k;
    while ((k = list_take_first(lookups))) lookup_free(CONTAINER_OF(k, struct lookup, link));
}

static void resolver_destroy(struct resolver *r) {
    lookups_free(&r->questions);
    lookups_free(&r->answers);
    r->sys->close(r->event_fd);
    pthread_cond_destroy(&r->asked);
    pthread_mutex_destroy(&r->lock);
    memory_free(r);
}

static void *resolver_thread(void *context) {
    struct resolver *r = context;
    pthread_mutex_lock(&r->lock);
    while (!r->stopping) {
        struct link *k = list_take_first(&r->questions);
        if (!k) {
            pthread_cond_wait(&r->asked, &r->lock);
            continue;
        }
        pthread_mutex_unlock(&r->lock);
        struct lookup *l = CONTAINER_OF(k, struct lookup, link);
        l->answer.failure = look_up(r->sys, l->host, l->port, 0, &l->answer.addresses);
        if (l->answer.failure == EAI_SYSTEM) l->answer.code = errno;
        pthread_mutex_lock(&r->lock);
        list_append(&r->answers, &l->link);
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
    list_init(&r->questions);
    list_init(&r->answers);
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

struct error resolver_ask(struct resolver *r, uint64_t token, const char *host, uint16_t port) {
    struct error e = error_none();
    pthread_mutex_lock(&r->lock);
    if (!r->thread_runs) {
        int failure = start_thread(r);
        r->thread_runs = failure == 0;
        if (failure != 0)
            e = error_make(ERROR_TRANSPORT, failure, "resolver", "cannot look up %.80s: no thread: %s", host,
                           strerror(failure));
    }
    if (r->thread_runs && r->count == RESOLVE_QUEUE_MAX)
        e = error_make(ERROR_LIMIT, 0, "resolver", "cannot look up %.80s: %d names wait already", host,
                       RESOLVE_QUEUE_MAX);
    if (!error_is(&e)) {
        struct lookup *l = NEW(struct lookup);
        l->host = memory_copy_string(host);
        l->port = port;
        l->answer.token = token;
        list_append(&r->questions, &l->link);
        r->count++;
        pthread_cond_signal(&r->asked);
    }
    pthread_mutex_unlock(&r->lock);
    return e;
}

bool resolver_take(struct resolver *r, struct resolve_answer *answer) {
    pthread_mutex_lock(&r->lock);
    struct link *k = list_take_first(&r->answers);
    if (k) {
        r->count--;
    } else {
        uint64_t wakes;
        ssize_t got = r->sys->read(r->event_fd, &wakes, sizeof wakes);
        (void)got;  // EAGAIN: it was not readable anyway
    }
    pthread_mutex_unlock(&r->lock);
    if (!k) return false;
    struct lookup *l = CONTAINER_OF(k, struct lookup, link);
    *answer = l->answer;
    lookup_free(l);
    return true;
}
