// The planned faults, at their time.
#include "sim/faults.h"

#include "base/limits.h"
#include "base/memory.h"
#include "sim/world.h"
#include "wire/messages.h"

#include <assert.h>

#define ALL_NODES (-1)

// One fault, from its beginning to its end.
struct strike {
    struct world *world;
    const struct planned_fault *plan;
    struct timer timer;
    bool lasts;  // has begun, and must be ended
    enum side side;
    int32_t node;  // or ALL_NODES
    struct instance *instance;
    char topic[24];
    int32_t partition, leader;
    struct prng prng;  // made of the plan's pick
};

struct faults {
    struct world *world;
    struct strike strikes[SIM_FAULTS_MAX];
    int32_t count;
    uint32_t struck[FAULT_KINDS];
    bool two_isolated;
};

static int64_t pick(struct strike *s, int64_t low, int64_t high) {
    return prng_between(&s->prng, low, high);
}

static const char *const side_names[SIDES] = {"source", "destination"};

// Whom ---------------------------------------------------------------------------------------------------------------

static struct broker_cluster *cluster(struct strike *s) {
    return s->world->clusters[s->side];
}

static void pick_side(struct strike *s) {
    s->side = pick(s, 0, 3) == 0 ? SOURCE : DESTINATION;
}

static int32_t draw_node(struct strike *s) {
    return plan_first_node(&s->world->plan) + (int32_t)pick(s, 0, s->world->plan.nodes[s->side] - 1);
}

static bool pick_node(struct strike *s) {
    pick_side(s);
    s->node = draw_node(s);
    return broker_node_runs(cluster(s), s->node);
}

static bool pick_instance(struct strike *s) {
    s->instance = &s->world->instances[pick(s, 0, s->world->plan.instances - 1)];
    return s->instance->alive;
}

static struct ledger_topic *pick_topic(struct strike *s) {
    struct ledger *l = &s->world->ledger;
    struct ledger_topic *t = &l->topics[pick(s, 0, l->topics_count - 1)];
    snprintf(s->topic, sizeof s->topic, "%s", s->side == SOURCE ? t->name : t->destination_name);
    s->partition = (int32_t)pick(s, 0, t->partitions - 1);
    return t->there ? t : NULL;
}

// A partition that has a leader; now and then one of the group coordinator's.
static bool pick_partition(struct strike *s, struct broker_truth *truth) {
    pick_topic(s);
    if (s->side == DESTINATION && pick(s, 0, 4) == 0) {
        snprintf(s->topic, sizeof s->topic, "__consumer_offsets");
        int32_t count = broker_topic_partitions(cluster(s), s->topic);
        if (count > 0) s->partition = (int32_t)pick(s, 0, count - 1);
    }
    if (!broker_partition_truth(cluster(s), s->topic, s->partition, truth) || truth->leader < 0) return false;
    s->leader = truth->leader;
    return true;
}

static void tell_broker(struct strike *s) {
    trace_tell(&s->world->trace, s->world->now_us, "world", "%s %d: %s", side_names[s->side], (int)s->node,
               fault_name(s->plan->kind));
}

static void tell_partition(struct strike *s) {
    trace_tell(&s->world->trace, s->world->now_us, "world", "%s of %s-%d, led by %d: %s", side_names[s->side], s->topic,
               (int)s->partition, (int)s->leader, fault_name(s->plan->kind));
}

// Brokers ------------------------------------------------------------------------------------------------------------

// True for worlds in which requests may meet forgotten producer states: only ownership protects there.
static bool forgets(const struct world *w) {
    for (int32_t i = 0; i < SIM_TOPICS_MAX; i++)
        if (w->plan.topics[i].last_year) return true;
    return false;
}

static bool begin_stop(struct strike *s) {
    static const enum broker_stop how[] = {[FAULT_BROKER_SHUT_DOWN] = BROKER_SHUT_DOWN,
                                           [FAULT_BROKER_KILLED] = BROKER_KILLED,
                                           [FAULT_BROKER_POWER_LOST] = BROKER_POWER_LOST};
    if (!pick_node(s)) return false;
    // The source keeps what it has committed; a destination may lose its tail as long as states protect its logs.
    bool loses = s->plan->kind == FAULT_BROKER_POWER_LOST && s->side == DESTINATION && !forgets(s->world);
    int32_t lost = (int32_t)pick(s, 0, 4);
    tell_broker(s);
    broker_node_stop(cluster(s), s->node, how[s->plan->kind], loses ? lost : 0);
    return true;
}

static void end_stop(struct strike *s) {
    if (broker_node_runs(cluster(s), s->node)) return;
    trace_tell(&s->world->trace, s->world->now_us, "world", "%s %d starts again", side_names[s->side], (int)s->node);
    broker_node_start(cluster(s), s->node);
}

static bool begin_freeze(struct strike *s) {
    if (!pick_node(s)) return false;
    tell_broker(s);
    broker_node_freeze(cluster(s), s->node, true);
    return true;
}

static void end_freeze(struct strike *s) {
    broker_node_freeze(cluster(s), s->node, false);
}

static bool begin_isolate(struct strike *s) {
    if (!pick_node(s)) return false;
    tell_broker(s);
    for (int32_t i = 0; i < s->world->faults->count; i++) {
        const struct strike *other = &s->world->faults->strikes[i];
        bool lasts = other->lasts && other->plan->kind == FAULT_BROKER_ISOLATED && other->node != s->node;
        if (lasts && s->side == DESTINATION && other->side == DESTINATION) s->world->faults->two_isolated = true;
    }
    broker_node_isolate(cluster(s), s->node, true);
    return true;
}

static void end_isolate(struct strike *s) {
    broker_node_isolate(cluster(s), s->node, false);
}

static bool begin_throttle(struct strike *s) {
    if (!pick_node(s)) return false;
    tell_broker(s);
    // What lies unread for long and is executed then, where the state may be forgotten, is a known limit.
    bool longer = (s->side == SOURCE || !forgets(s->world)) && pick(s, 0, 3) == 0;
    broker_throttle(cluster(s), s->node, (int32_t)(longer ? pick(s, 10000, 100000) : pick(s, 1, 3000)));
    broker_throttle_mutations(cluster(s), (int32_t)(pick(s, 0, 1) == 0 ? pick(s, 100, 10000) : 0));
    return true;
}

static void end_throttle(struct strike *s) {
    broker_throttle(cluster(s), s->node, 0);
    broker_throttle_mutations(cluster(s), 0);
}

// Just before or just after who asked gives up, or any time.
static bool begin_late(struct strike *s) {
    static const int16_t apis[] = {
        API_PRODUCE,          API_PRODUCE,       API_FETCH,      API_FETCH,        API_METADATA,
        API_LIST_OFFSETS,     API_DELETE_RECORDS, API_OFFSET_FOR_LEADER_EPOCH,     API_DESCRIBE_PRODUCERS,
        API_CREATE_TOPICS,    API_CREATE_PARTITIONS, API_DESCRIBE_CONFIGS,         API_FIND_COORDINATOR,
        API_JOIN_GROUP,       API_SYNC_GROUP,    API_HEARTBEAT,  API_OFFSET_COMMIT, API_LEAVE_GROUP,
        API_API_VERSIONS,
    };
    if (!pick_node(s)) return false;
    int16_t api_key = apis[pick(s, 0, (int64_t)(sizeof apis / sizeof *apis) - 1)];
    const int64_t timeouts_us[] = {40 * SECOND, CONNECTION_OPEN_US_MAX, s->world->plan.session_timeout_ms * MS};
    int64_t timeout_us = timeouts_us[pick(s, 0, 2)];
    int64_t us = pick(s, 0, 3) > 0 ? timeout_us + pick(s, -SECOND, SECOND) : pick(s, 1, timeout_us);
    // What is executed so late, where the state may be forgotten, is beyond what time protects from.
    bool executed = pick(s, 0, 1) == 0 && !(api_key == API_PRODUCE && forgets(s->world));
    tell_broker(s);
    broker_be_late(cluster(s), s->node, api_key, us, executed);
    return true;
}

static void end_late(struct strike *s) {
    broker_be_late(cluster(s), s->node, -1, 0, false);
}

static bool begin_forget_sessions(struct strike *s) {
    s->side = SOURCE;
    s->node = draw_node(s);
    tell_broker(s);
    broker_forget_sessions(cluster(s), s->node);
    return true;
}

static bool begin_expire(struct strike *s) {
    s->side = DESTINATION;
    s->node = draw_node(s);
    if (!broker_node_runs(cluster(s), s->node)) return false;
    tell_broker(s);
    broker_expire_producers(cluster(s), s->node);
    return true;
}

// Partitions ---------------------------------------------------------------------------------------------------------

static void hold_followers(struct strike *s, bool held) {
    for (int32_t node = plan_first_node(&s->world->plan); node <= plan_last_node(&s->world->plan, s->side); node++)
        if (node != s->leader && broker_replica_log(cluster(s), s->topic, s->partition, node))
            broker_replica_hold(cluster(s), s->topic, s->partition, node, held);
}

static bool begin_hold(struct strike *s) {
    struct broker_truth truth;
    pick_side(s);
    if (!pick_partition(s, &truth)) return false;
    tell_partition(s);
    hold_followers(s, true);
    return true;
}

static void end_hold(struct strike *s) {
    hold_followers(s, false);
}

static bool move_to(struct strike *s, int32_t node) {
    bool moved = broker_leader_move(cluster(s), s->topic, s->partition, node, false);
    if (moved)
        trace_tell(&s->world->trace, s->world->now_us, "world", "%s of %s-%d: %d leads now", side_names[s->side],
                   s->topic, (int)s->partition, (int)node);
    return moved;
}

static bool move_away(struct strike *s) {
    int32_t nodes = s->world->plan.nodes[s->side];
    int32_t lowest = plan_first_node(&s->world->plan), first = (int32_t)pick(s, 1, nodes);
    for (int32_t i = 0; i < nodes; i++) {
        int32_t node = (first + i) % nodes + lowest;
        if (node != s->leader && broker_replica_log(cluster(s), s->topic, s->partition, node) && move_to(s, node))
            return true;
    }
    return false;
}

static bool begin_move(struct strike *s) {
    struct broker_truth truth;
    pick_side(s);
    return pick_partition(s, &truth) && move_away(s);
}

// A destination that forgets would execute what still waits there of the leader's first term behind a batch that was
// refused in between: one refusal in the middle of a pipeline, as with a damaged batch.
static void end_move(struct strike *s) {
    struct broker_truth truth;
    if (s->side == DESTINATION && forgets(s->world)) return;
    if (broker_partition_truth(cluster(s), s->topic, s->partition, &truth)) move_to(s, s->leader);
}

// What the leader takes meanwhile is only there, and gone when another one leads.
static bool begin_tail(struct strike *s) {
    struct broker_truth truth;
    s->side = DESTINATION;
    if (!pick_partition(s, &truth)) return false;
    tell_partition(s);
    hold_followers(s, true);
    return true;
}

static void end_tail(struct strike *s) {
    struct broker_truth truth;
    if (!broker_partition_truth(cluster(s), s->topic, s->partition, &truth)) return;
    move_away(s);
    hold_followers(s, false);
}

// Network ------------------------------------------------------------------------------------------------------------

static bool begin_reset(struct strike *s) {
    if (!pick_node(s)) return false;
    tell_broker(s);
    network_reset(s->world, s->side, s->node);
    return true;
}

// One instance and one broker, or all of a cluster.
static void cut(struct strike *s, bool on) {
    for (int32_t node = plan_first_node(&s->world->plan); node <= plan_last_node(&s->world->plan, s->side); node++) {
        if (s->node != ALL_NODES && s->node != node) continue;
        if (s->plan->kind != FAULT_PARTITION_IN) network_cut(s->world, s->instance->number, s->side, node, OUT, on);
        if (s->plan->kind != FAULT_PARTITION_OUT) network_cut(s->world, s->instance->number, s->side, node, IN, on);
    }
}

static bool begin_cut(struct strike *s) {
    pick_side(s);
    pick_instance(s);
    if (pick(s, 0, s->world->plan.nodes[s->side]) > 0) s->node = draw_node(s);
    else s->node = ALL_NODES;
    trace_tell(&s->world->trace, s->world->now_us, "world", "%s and %s %d: %s", s->instance->name, side_names[s->side],
               (int)s->node, fault_name(s->plan->kind));
    cut(s, true);
    return true;
}

static void end_cut(struct strike *s) {
    trace_tell(&s->world->trace, s->world->now_us, "world", "%s and %s %d: connected again", s->instance->name,
               side_names[s->side], (int)s->node);
    cut(s, false);
}

static bool begin_trickle(struct strike *s) {
    trace_tell(&s->world->trace, s->world->now_us, "world", "%s", fault_name(s->plan->kind));
    s->world->network.trickles++;
    return true;
}

static void end_trickle(struct strike *s) {
    s->world->network.trickles--;
}

static bool begin_slow(struct strike *s) {
    s->world->network.slow++;
    return true;
}

static void end_slow(struct strike *s) {
    s->world->network.slow--;
}

static bool begin_damage(struct strike *s) {
    // On the way to a destination that forgets nothing helps: what comes behind it is taken in its place.
    s->side = pick(s, 0, 1) || forgets(s->world) ? SOURCE : DESTINATION;
    s->world->network.damage[s->side] += (int32_t)pick(s, 1, 2);
    trace_tell(&s->world->trace, s->world->now_us, "world", "%s: %s", side_names[s->side], fault_name(s->plan->kind));
    return true;
}

// Some of an instance's connections, wherever they lead.
static bool begin_stall(struct strike *s) {
    if (!pick_instance(s)) return false;
    struct list *channels = &s->world->network.channels;
    for (struct link *k = list_first(channels); k; k = list_next(channels, k)) {
        struct channel *ch = CONTAINER_OF(k, struct channel, link);
        if (ch->owner == s->instance && ch->connection && pick(s, 0, 2) == 0) network_stall(ch, true);
    }
    trace_tell(&s->world->trace, s->world->now_us, "world", "%s: %s", s->instance->name, fault_name(s->plan->kind));
    return true;
}

static void end_stall(struct strike *s) {
    struct list *channels = &s->world->network.channels;
    for (struct link *k = list_first(channels); k; k = list_next(channels, k)) {
        struct channel *ch = CONTAINER_OF(k, struct channel, link);
        if (ch->owner == s->instance && ch->stalled) network_stall(ch, false);
    }
}

// Instances ----------------------------------------------------------------------------------------------------------

static bool begin_kill(struct strike *s) {
    if (!pick_instance(s)) return false;
    instance_kill(s->instance, pick(s, 0, 3) == 0);
    return true;
}

static void end_kill(struct strike *s) {
    if (!s->instance->alive) instance_start(s->instance);
}

static bool begin_sleep(struct strike *s) {
    if (!pick_instance(s) || instance_sleeps(s->instance)) return false;
    instance_sleep(s->instance, s->plan->lasts_us + 1);
    return true;
}

// By an hour, or by more than a day forward.
static bool begin_clock(struct strike *s) {
    if (!pick_instance(s)) return false;
    int64_t back_ms = plan_clock_back_ms(&s->world->plan);
    bool back = back_ms > 0 && pick(s, 0, 1) == 0;
    s->instance->wall_ahead_ms = back ? -back_ms : pick(s, 0, 1) == 0 ? SIM_HOUR_MS : 26 * SIM_HOUR_MS;
    trace_tell(&s->world->trace, s->world->now_us, s->instance->name, "%s", fault_name(s->plan->kind));
    return true;
}

static void end_clock(struct strike *s) {
    s->instance->wall_ahead_ms = 0;
}

static bool begin_stopping(struct strike *s) {
    if (!pick_instance(s) || instance_sleeps(s->instance)) return false;
    instance_stop(s->instance);
    return true;
}

// Topics -------------------------------------------------------------------------------------------------------------

static bool begin_grow(struct strike *s) {
    struct ledger_topic *t = pick_topic(s);
    return t && load_grow(s->world, t);
}

static bool begin_create(struct strike *s) {
    return load_create_topic(s->world);
}

static bool begin_delete(struct strike *s) {
    struct ledger_topic *t = pick_topic(s);
    if (t) load_delete_topic(s->world, t);
    return t != NULL;
}

static void end_recreate(struct strike *s) {
    for (int32_t i = 0; i < s->world->ledger.topics_count; i++)
        if (strcmp(s->world->ledger.topics[i].name, s->topic) == 0)
            load_create_again(s->world, &s->world->ledger.topics[i]);
}

static bool begin_delete_records(struct strike *s) {
    struct broker_truth truth;
    s->side = SOURCE;
    if (!pick_topic(s) || !broker_partition_truth(cluster(s), s->topic, s->partition, &truth)) return false;
    int64_t until = pick(s, truth.log->start, truth.log->high_watermark);
    s->leader = truth.leader;
    tell_partition(s);
    broker_delete_records(cluster(s), s->topic, s->partition, until);
    broker_note_log_starts(cluster(s));  // as after retention, which deletes files
    return true;
}

static bool begin_compact(struct strike *s) {
    s->side = pick(s, 0, 1) ? SOURCE : DESTINATION;
    trace_tell(&s->world->trace, s->world->now_us, "world", "%s: %s", side_names[s->side], fault_name(s->plan->kind));
    broker_clean_logs(cluster(s));
    return true;
}

static bool begin_transaction(struct strike *s) {
    s->side = SOURCE;
    struct ledger_topic *t = pick_topic(s);
    if (!t) return false;
    tell_partition(s);
    load_write_transaction(s->world, t, s->partition);
    return true;
}

static bool begin_foreign(struct strike *s) {
    s->side = DESTINATION;
    struct ledger_topic *t = pick_topic(s);
    struct broker_truth truth;
    if (!t || !broker_partition_truth(cluster(s), s->topic, s->partition, &truth) || truth.leader < 0) return false;
    s->leader = truth.leader;
    tell_partition(s);
    load_write_foreign(s->world, t, s->partition);
    return true;
}

// When ---------------------------------------------------------------------------------------------------------------

// clang-format off
static const struct {
    bool (*begin)(struct strike *s);  // false: there was nobody to strike
    void (*end)(struct strike *s);
} doings[FAULT_KINDS] = {
    [FAULT_BROKER_SHUT_DOWN]        = { begin_stop          , end_stop     },
    [FAULT_BROKER_KILLED]           = { begin_stop          , end_stop     },
    [FAULT_BROKER_POWER_LOST]       = { begin_stop          , end_stop     },
    [FAULT_BROKER_FROZEN]           = { begin_freeze        , end_freeze   },
    [FAULT_BROKER_ISOLATED]         = { begin_isolate       , end_isolate  },
    [FAULT_BROKER_THROTTLES]        = { begin_throttle      , end_throttle },
    [FAULT_REPLICA_HELD]            = { begin_hold          , end_hold     },
    [FAULT_SESSIONS_FORGOTTEN]      = { begin_forget_sessions, NULL        },
    [FAULT_LEADER_MOVES]            = { begin_move          , NULL         },
    [FAULT_LEADER_GOES_AND_RETURNS] = { begin_move          , end_move     },
    [FAULT_TAIL_LOST]               = { begin_tail          , end_tail     },
    [FAULT_PRODUCERS_EXPIRE]        = { begin_expire        , NULL         },
    [FAULT_CONNECTIONS_RESET]       = { begin_reset         , NULL         },
    [FAULT_PARTITION_OUT]           = { begin_cut           , end_cut      },
    [FAULT_PARTITION_IN]            = { begin_cut           , end_cut      },
    [FAULT_PARTITION_BOTH]          = { begin_cut           , end_cut      },
    [FAULT_SLOW_LINKS]              = { begin_slow          , end_slow     },
    [FAULT_INSTANCE_KILLED]         = { begin_kill          , end_kill     },
    [FAULT_INSTANCE_SLEEPS]         = { begin_sleep         , NULL         },
    [FAULT_INSTANCE_STOPS]          = { begin_stopping      , end_kill     },
    [FAULT_BATCH_DAMAGED]           = { begin_damage        , NULL         },
    [FAULT_TOPIC_GROWS]             = { begin_grow          , NULL         },
    [FAULT_TOPIC_CREATED]           = { begin_create        , NULL         },
    [FAULT_TOPIC_DELETED]           = { begin_delete        , NULL         },
    [FAULT_TOPIC_RECREATED]         = { begin_delete        , end_recreate },
    [FAULT_SOURCE_DELETES_RECORDS]  = { begin_delete_records, NULL         },
    [FAULT_LOGS_CLEANED]         = { begin_compact       , NULL         },
    [FAULT_SOURCE_TRANSACTION]      = { begin_transaction   , NULL         },
    [FAULT_FOREIGN_RECORD]          = { begin_foreign       , NULL         },
    [FAULT_CONNECTIONS_STALL]       = { begin_stall         , end_stall    },
    [FAULT_ANSWERS_LATE]            = { begin_late          , end_late     },
    [FAULT_LINKS_TRICKLE]           = { begin_trickle       , end_trickle  },
    [FAULT_CLOCK_SET]               = { begin_clock         , end_clock    },
};
// clang-format on

static void strike_ends(struct strike *s) {
    s->lasts = false;
    doings[s->plan->kind].end(s);
}

static void on_timer(struct timer *t, int64_t now_us) {
    struct strike *s = CONTAINER_OF(t, struct strike, timer);
    struct faults *f = s->world->faults;
    ledger_note(s->world);  // who leads afterwards may hear late of what is committed
    if (s->lasts) {
        strike_ends(s);
        return;
    }
    if (!doings[s->plan->kind].begin(s)) return;
    f->struck[s->plan->kind]++;
    if (!doings[s->plan->kind].end) return;
    s->lasts = true;
    timer_set(&s->world->timers, t, now_us + s->plan->lasts_us);
}

struct faults *faults_new(struct world *w) {
    struct faults *f = NEW(struct faults);
    f->world = w;
    for (int32_t i = 0; i < w->plan.faults_count; i++) {
        const struct planned_fault *p = &w->plan.faults[i];
        if (p->off || p->at_us > w->plan.safety_us) continue;
        struct strike *s = &f->strikes[f->count++];
        s->world = w;
        s->plan = p;
        prng_seed(&s->prng, p->pick);
        timer_init(&s->timer, on_timer);
        timer_set(&w->timers, &s->timer, w->now_us + p->at_us);
    }
    return f;
}

void faults_end_all(struct faults *f) {
    for (int32_t i = 0; i < f->count; i++) {
        timer_cancel(&f->world->timers, &f->strikes[i].timer);
        if (f->strikes[i].lasts) strike_ends(&f->strikes[i]);
    }
}

void faults_free(struct faults *f) {
    for (int32_t i = 0; i < f->count; i++) timer_cancel(&f->world->timers, &f->strikes[i].timer);
    memory_free(f);
}

const uint32_t *faults_struck(const struct faults *f) {
    return f->struck;
}

void faults_note_isolated(struct faults *f) {
    f->two_isolated = true;
}

bool faults_two_isolated(const struct faults *f) {
    return f->two_isolated;
}
