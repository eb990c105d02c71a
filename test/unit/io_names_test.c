// Brokers known by name: slow look-ups, names with several addresses, and what is kept of both.
#include "io/resolve.h"
#include "unit/io_world.h"

#include <semaphore.h>

// A world of names --------------------------------------------------------------------------------------------------
// What a resolver's thread looks at is static: it may outlive its loop.

#define ADDRESSES_MAX 8
#define SECOND INT64_C(1000000)

static int64_t clock_ahead_us;
static sem_t name_asked, name_answered;  // a name that begins with "slow" is answered when the test says so
static char looked_up[8][16];            // look at it after name_asked
static int lookups, addresses;           // every name has 127.0.0.1, .2, ..
static int good_address, connects;       // the only one that answers; 0: all are refused
static struct sockaddr_in full;          // never answers
static struct system_calls bent;

static int bent_clock(clockid_t clock, struct timespec *out) {
    int result = clock_gettime(clock, out);
    int64_t ns = out->tv_nsec + clock_ahead_us % SECOND * 1000;
    out->tv_sec += clock_ahead_us / SECOND + ns / 1000000000;
    out->tv_nsec = ns % 1000000000;
    return result;
}

static int lookup(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out) {
    static struct sockaddr_in at[ADDRESSES_MAX];
    static struct addrinfo list[ADDRESSES_MAX];
    if (hints->ai_flags & AI_NUMERICHOST) return getaddrinfo(host, service, hints, out);
    snprintf(looked_up[lookups++ % 8], sizeof looked_up[0], "%s", host);
    sem_post(&name_asked);
    if (strncmp(host, "slow", 4) == 0) sem_wait(&name_answered);
    for (int i = 0; i < addresses; i++) {
        at[i] = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (unsigned)i)};
        list[i] = (struct addrinfo){.ai_family = AF_INET,
                                    .ai_addr = (struct sockaddr *)&at[i],
                                    .ai_addrlen = sizeof at[i],
                                    .ai_next = i + 1 < addresses ? &list[i + 1] : NULL};
    }
    *out = list;
    return addresses > 0 ? 0 : EAI_NONAME;
}

static void forget_list(struct addrinfo *list) {
    if (list->ai_flags & AI_NUMERICHOST) freeaddrinfo(list);
}

static int connect_bent(int fd, const struct sockaddr *address, socklen_t size) {
    struct sockaddr_in to = *(const struct sockaddr_in *)address;
    int number = (int)(ntohl(to.sin_addr.s_addr) & 255);
    connects++;
    if (good_address == 0) return errno = ECONNREFUSED, -1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect(fd, (struct sockaddr *)(number == good_address ? &to : &full), size);
}

static void names_start(struct world *w, int count, int good) {
    lookups = connects = 0;
    addresses = count;
    good_address = good;
    while (sem_trywait(&name_asked) == 0) {}
    world_start(w, &bent, 100);
}

static void pass(struct world *w, int64_t us) {
    clock_ahead_us += us;
    turn_for(w, 0);
}

// Every name has one address, and it answers.
static void names_start_with_server(struct world *w, struct server *s) {
    server_start(s, serve_echo);
    names_start(w, 1, 1);
}

// Until its name is being looked up.
static void peer_open_slowly(struct world *w, const char *host, uint16_t port) {
    peer_open(&w->peer, host, port);
    loop_turn(w->loop);
    sem_wait(&name_asked);
}

static struct peer one_more_peer(struct world *w) {
    static uint8_t in[1];
    return (struct peer){.c.env = w->env, .in = in, .in_capacity = 1, .paused_at = SIZE_MAX};
}

// As when the connection's own time-out passes.
static void give_up(struct peer *p) {
    EXPECT_INT(p->failed, 0);
    peer_close(p, true);
}

static void expect_opened(struct world *w, struct peer *p) {
    TURN_UNTIL(w, p->opened || p->failed);
    EXPECT_TEXT(p->why.detail, "");
    EXPECT_INT(p->opened, 1);
}

// A listener that never accepts.
static int listen_at_full(int backlog) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t size = sizeof full;
    full = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert(bind(fd, (struct sockaddr *)&full, size) == 0 && listen(fd, backlog) == 0);
    assert(getsockname(fd, (struct sockaddr *)&full, &size) == 0);
    return fd;
}

// When its backlog is full, too, connect() waits.
static int listen_full(int waiting[2]) {
    int fd = listen_at_full(0);
    for (int i = 0; i < 2; i++) {
        waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        assert(connect(waiting[i], (struct sockaddr *)&full, sizeof full) == 0 || errno == EINPROGRESS);
    }
    return fd;
}

static void close_full(int listener, const int waiting[2]) {
    close(listener);
    close(waiting[0]);
    close(waiting[1]);
}

// The server answers what it is told; a listener whose process hangs would not.
static void exchange(struct world *w) {
    static const uint8_t hello[] = "hello";
    struct peer *p = &w->peer;
    p->out = hello;
    p->out_size = sizeof hello;
    p->sent = p->in_size = 0;
    peer_wake(p);
    TURN_UNTIL(w, p->in_size == sizeof hello);
    EXPECT_INT(p->in_size, sizeof hello);
}

// The stories -------------------------------------------------------------------------------------------------------

TEST(a_name_nobody_knows) {
    struct world w;
    names_start(&w, 0, 0);
    peer_open(&w.peer, "kafka-7", 9092);
    TURN_UNTIL(&w, w.peer.failed);
    EXPECT_INT(w.peer.failed, 1);
    EXPECT_TEXT(w.peer.why.detail, "cannot look up kafka-7: Name or service not known (names come from "
                                   "bootstrap.servers and the brokers' advertised.listeners)");
    peer_open(&w.peer, "kafka-7", 9092);
    TURN_UNTIL(&w, w.peer.failed);
    EXPECT_INT(lookups, 2);  // it may be known by now
    world_stop(&w);
}

TEST(addresses_that_refuse_cost_no_time) {
    struct world w;
    names_start(&w, 3, 0);
    peer_open(&w.peer, "three", 9092);
    TURN_UNTIL(&w, w.peer.failed);
    EXPECT_INT(w.peer.failed, 1);
    EXPECT_INT(w.peer.why.code, ECONNREFUSED);
    EXPECT_INT(connects, 3);
    world_stop(&w);
}

TEST(a_dead_address_leaves_time_for_the_next) {
    struct server s = {0};
    struct world w;
    int waiting[2], listener = listen_full(waiting);
    server_start(&s, serve_echo);
    names_start(&w, 2, 2);
    int64_t start_us = w.env->now_us;
    peer_open(&w.peer, "two", s.port);
    TURN_UNTIL(&w, connects == 1);
    turn_for(&w, 10);
    EXPECT_INT(connects, 1);
    pass(&w, SECOND);
    expect_opened(&w, &w.peer);
    EXPECT_INT(connects, 2);
    EXPECT(w.env->now_us - start_us < 2 * SECOND);  // the time-out
    world_stop(&w);
    server_stop(&s);
    close_full(listener, waiting);
}

TEST(many_dead_addresses_are_passed_in_some_openings) {
    struct server s = {0};
    struct world w;
    int waiting[2], listener = listen_full(waiting);
    server_start(&s, serve_echo);
    names_start(&w, 6, 6);
    for (int opening = 1; opening <= 3; opening++) {
        connects = 0;
        peer_open(&w.peer, "six", s.port);
        TURN_UNTIL(&w, connects == 1);
        pass(&w, SECOND);
        EXPECT_INT(connects, 2);
        if (opening == 3) break;
        pass(&w, SECOND);
        EXPECT_INT(connects, 2);  // a third one would have no time
        give_up(&w.peer);
    }
    expect_opened(&w, &w.peer);
    exchange(&w);
    peer_close(&w.peer, false);
    connects = 0;
    peer_open(&w.peer, "six", s.port);
    expect_opened(&w, &w.peer);
    EXPECT_INT(connects, 1);  // the one that answered
    world_stop(&w);
    server_stop(&s);
    close_full(listener, waiting);
}

// Its kernel accepts, and the process behind it is frozen.
TEST(an_address_that_says_nothing_is_passed_in_the_next_opening) {
    struct server s = {0};
    struct world w;
    int listener = listen_at_full(8);
    server_start(&s, serve_echo);
    names_start(&w, 2, 2);
    peer_open(&w.peer, "two", s.port);
    expect_opened(&w, &w.peer);
    give_up(&w.peer);
    for (int opening = 0; opening < 3; opening++) {
        connects = 0;
        peer_open(&w.peer, "two", s.port);
        expect_opened(&w, &w.peer);
        exchange(&w);
        EXPECT_INT(connects, 1);
        peer_close(&w.peer, false);
    }
    world_stop(&w);
    server_stop(&s);
    close(listener);
}

TEST(an_answer_that_comes_too_late_is_dropped) {
    struct server s = {0};
    struct world w;
    names_start_with_server(&w, &s);
    peer_open_slowly(&w, "slow", s.port);
    EXPECT_TEXT(w.peer.c.driver_waits, "to look up its name");
    give_up(&w.peer);
    peer_open(&w.peer, "127.0.0.1", s.port);
    sem_post(&name_answered);
    expect_opened(&w, &w.peer);
    turn_for(&w, 50);
    EXPECT_INT(w.peer.failed, 0);
    EXPECT_INT(connects, 1);
    world_stop(&w);
    server_stop(&s);
}

TEST(the_next_opening_finds_what_came_too_late) {
    struct server s = {0};
    struct world w;
    names_start_with_server(&w, &s);
    peer_open_slowly(&w, "slow", s.port);
    give_up(&w.peer);
    sem_post(&name_answered);
    turn_for(&w, 50);
    peer_open(&w.peer, "slow", s.port);
    expect_opened(&w, &w.peer);
    EXPECT_INT(lookups, 1);
    EXPECT_TEXT(w.peer.c.driver_waits, "to connect");
    world_stop(&w);
    server_stop(&s);
}

TEST(one_lookup_answers_all_who_ask_for_the_name) {
    struct server s = {0};
    struct world w;
    names_start_with_server(&w, &s);
    struct peer second = one_more_peer(&w);
    peer_open_slowly(&w, "slow", s.port);
    peer_open(&second, "slow", s.port);
    loop_turn(w.loop);
    sem_post(&name_answered);
    expect_opened(&w, &w.peer);
    expect_opened(&w, &second);
    turn_for(&w, 20);
    EXPECT_INT(lookups, 1);
    peer_close(&second, true);
    world_stop(&w);
    server_stop(&s);
}

TEST(addresses_are_kept_for_some_seconds_unless_they_lead_nowhere) {
    struct server s = {0};
    struct world w;
    names_start_with_server(&w, &s);
    const int64_t later_us[] = {0, RESOLVE_KEPT_US / 2, RESOLVE_KEPT_US};
    const int lookups_then[] = {1, 1, 2};
    for (int i = 0; i < 3; i++) {
        pass(&w, later_us[i]);
        peer_open(&w.peer, "name", s.port);
        expect_opened(&w, &w.peer);
        EXPECT_INT(lookups, lookups_then[i]);
        peer_close(&w.peer, false);
    }
    good_address = 0;
    peer_open(&w.peer, "name", s.port);
    TURN_UNTIL(&w, w.peer.failed);
    EXPECT_INT(w.peer.why.code, ECONNREFUSED);
    pass(&w, RESOLVE_DOUBT_US);
    peer_open(&w.peer, "name", s.port);
    TURN_UNTIL(&w, w.peer.failed);
    EXPECT_INT(lookups, 2);
    w.peer.why = error_none();
    good_address = 1;
    peer_open(&w.peer, "name", s.port);
    expect_opened(&w, &w.peer);
    EXPECT_INT(lookups, 3);
    world_stop(&w);
    server_stop(&s);
}

// The others' look-ups take longer than anybody waits.
TEST(a_name_keeps_its_place_when_its_connection_gives_up) {
    struct server s = {0};
    struct world w;
    names_start_with_server(&w, &s);
    struct peer other = one_more_peer(&w);
    peer_open_slowly(&w, "slow-1", s.port);
    peer_open(&other, "quick", s.port);
    loop_turn(w.loop);
    give_up(&w.peer);
    give_up(&other);
    peer_open(&w.peer, "slow-2", s.port);
    pass(&w, 5 * SECOND);
    sem_post(&name_answered);
    TURN_UNTIL(&w, sem_trywait(&name_asked) == 0);
    EXPECT_TEXT(looked_up[1], "quick");
    peer_open(&other, "quick", s.port);
    expect_opened(&w, &other);  // while slow-2 is looked up
    EXPECT(!w.peer.opened);
    sem_post(&name_answered);
    expect_opened(&w, &w.peer);
    EXPECT_INT(lookups, 3);
    peer_close(&other, true);
    world_stop(&w);
    server_stop(&s);
}

TEST(a_name_nobody_wants_any_more_is_not_looked_up) {
    struct server s = {0};
    struct world w;
    names_start_with_server(&w, &s);
    struct peer other = one_more_peer(&w);
    peer_open_slowly(&w, "slow", s.port);
    peer_open(&other, "stale", s.port);
    loop_turn(w.loop);
    give_up(&other);
    pass(&w, RESOLVE_WANTED_US + SECOND);
    peer_open(&other, "live", s.port);
    loop_turn(w.loop);
    sem_post(&name_answered);
    expect_opened(&w, &other);
    EXPECT_INT(lookups, 2);
    EXPECT_TEXT(looked_up[1], "live");
    peer_close(&other, true);
    world_stop(&w);
    server_stop(&s);
}

static struct error ask_number(struct resolver *r, int number) {
    char host[16];
    snprintf(host, sizeof host, "%s-%d", number == 0 ? "slow" : "host", number);
    return resolver_ask(r, 0, host);
}

TEST(so_many_names_wait_or_are_kept) {
    struct world w;
    struct resolver *r;
    struct resolve_answer answer;
    struct addresses found;
    names_start(&w, 1, 1);
    struct error e = resolver_new(&bent, &r);
    for (int i = 0; i < RESOLVE_NAMES_MAX && !error_is(&e); i++) e = ask_number(r, i);
    EXPECT_TEXT(e.detail, "");
    EXPECT_INT(ask_number(r, RESOLVE_NAMES_MAX).kind, ERROR_LIMIT);
    e = ask_number(r, 1);  // is among them
    EXPECT_TEXT(e.detail, "");
    sem_post(&name_answered);
    for (int i = 0; i < RESOLVE_NAMES_MAX; i++) {
        while (!resolver_take(r, i, &answer)) usleep(10);
        EXPECT_INT(answer.failure, 0);
    }
    EXPECT(resolver_recall(r, RESOLVE_KEPT_US, "slow-0", &found));
    EXPECT(!resolver_recall(r, RESOLVE_KEPT_US + 1, "slow-0", &found));
    EXPECT_INT(found.count, 1);
    e = ask_number(r, RESOLVE_NAMES_MAX);
    EXPECT_TEXT(e.detail, "");
    EXPECT(!resolver_recall(r, 0, "slow-0", &found));
    EXPECT(resolver_recall(r, 0, "host-1", &found));
    resolver_doubt(r, RESOLVE_KEPT_US, "host-1", found.found_us + 1);
    resolver_doubt(r, found.found_us + RESOLVE_DOUBT_US - 1, "host-1", found.found_us);
    EXPECT(resolver_recall(r, 0, "host-1", &found));
    resolver_doubt(r, found.found_us + RESOLVE_DOUBT_US, "host-1", found.found_us);
    EXPECT(!resolver_recall(r, 0, "host-1", &found));
    while (!resolver_take(r, 0, &answer)) usleep(10);
    EXPECT_TEXT(answer.host, "host-1024");
    resolver_free(r);
    world_stop(&w);
}

TEST(a_loop_ends_while_a_lookup_hangs) {
    struct world w;
    names_start(&w, 1, 1);
    peer_open_slowly(&w, "slow", 9092);
    world_stop(&w);
    sem_post(&name_answered);
}

int main(void) {
    bent = system_real;
    bent.getaddrinfo = lookup;
    bent.freeaddrinfo = forget_list;
    bent.connect = connect_bent;
    bent.clock_gettime = bent_clock;
    sem_init(&name_asked, 0, 0);
    sem_init(&name_answered, 0, 0);
    RUN(a_name_nobody_knows);
    RUN(addresses_that_refuse_cost_no_time);
    RUN(a_dead_address_leaves_time_for_the_next);
    RUN(many_dead_addresses_are_passed_in_some_openings);
    RUN(an_address_that_says_nothing_is_passed_in_the_next_opening);
    RUN(an_answer_that_comes_too_late_is_dropped);
    RUN(the_next_opening_finds_what_came_too_late);
    RUN(one_lookup_answers_all_who_ask_for_the_name);
    RUN(addresses_are_kept_for_some_seconds_unless_they_lead_nowhere);
    RUN(a_name_keeps_its_place_when_its_connection_gives_up);
    RUN(a_name_nobody_wants_any_more_is_not_looked_up);
    RUN(so_many_names_wait_or_are_kept);
    RUN(a_loop_ends_while_a_lookup_hangs);
    return test_result();
}
