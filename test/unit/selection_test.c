// Which topics a flow mirrors: whole-name matches, exclusions, internal topics, cycles, and patterns that never end.
#include "mirror/selection.h"

#include "base/pattern.h"
#include "unit/test.h"

#define COUNT(a) (sizeof a / sizeof a[0])

static const char *const everything[] = {".*"};
static const char *const default_exclude[] = {".*[\\-\\.]internal", ".*\\.replica", "__.*"};

static struct selection_rules rules_a_to_b(void) {
    return (struct selection_rules){
        .topics = everything,
        .topics_count = 1,
        .exclude = default_exclude,
        .exclude_count = COUNT(default_exclude),
        .heartbeats = true,
        .target_alias = "B",
        .naming = {REPLICATION_POLICY_DEFAULT, "A", ".", true},
    };
}

static enum selection_verdict verdict(const struct selection_rules *rules, const char *topic) {
    struct selection *s;
    struct error e = selection_create(rules, &s);
    if (error_is(&e)) return (enum selection_verdict) - 1;
    enum selection_verdict v = selection_judge(s, topic);
    selection_free(s);
    return v;
}

static enum pattern_result match(const char *pattern, const char *text) {
    struct pattern *p;
    struct error e = pattern_compile(&pattern, 1, &p);
    if (error_is(&e)) return (enum pattern_result) - 1;
    enum pattern_result result = pattern_match(p, text);
    pattern_free(p);
    return result;
}

static struct error compile_error(const char *pattern) {
    struct pattern *p;
    struct error e = pattern_compile(&pattern, 1, &p);
    pattern_free(p);
    return e;
}

TEST(defaults_mirror_all_but_internal_and_replicas) {
    struct selection_rules r = rules_a_to_b();
    EXPECT_INT(verdict(&r, "orders"), SELECTION_MIRROR);
    EXPECT_INT(verdict(&r, "C.orders"), SELECTION_MIRROR);
    EXPECT_INT(verdict(&r, "orders.replica"), SELECTION_EXCLUDED);
    EXPECT_INT(verdict(&r, "__consumer_offsets"), SELECTION_INTERNAL);
    EXPECT_INT(verdict(&r, "connect-internal"), SELECTION_INTERNAL);
}

static uint64_t digest(const struct selection_rules *rules) {
    struct selection *s;
    struct error e = selection_create(rules, &s);
    if (error_is(&e)) return 0;
    uint64_t found = selection_digest(s);
    selection_free(s);
    return found;
}

TEST(rules_have_one_digest_in_whatever_order) {
    static const char *const two[] = {"orders", "payments"}, *const turned[] = {"payments", "orders"};
    struct selection_rules a = rules_a_to_b(), b = a;
    EXPECT(digest(&a) == digest(&b));
    a.topics = two, b.topics = turned;
    a.topics_count = b.topics_count = 2;
    EXPECT(digest(&a) == digest(&b));
    b.topics_count = 1;
    EXPECT(digest(&a) != digest(&b));
    b = a, b.exclude_count = 1;
    EXPECT(digest(&a) != digest(&b));
    b = a, b.topics = a.exclude, b.exclude = a.topics, b.topics_count = 3, b.exclude_count = 2;
    EXPECT(digest(&a) != digest(&b));
    b = a, b.heartbeats = false;
    EXPECT(digest(&a) != digest(&b));
    b = a, b.naming.policy = REPLICATION_POLICY_IDENTITY;
    EXPECT(digest(&a) != digest(&b));
    b = a, b.naming.separator = "_";
    EXPECT(digest(&a) != digest(&b));
}

TEST(internal_topics_stay_even_when_listed) {
    struct selection_rules r = rules_a_to_b();
    r.exclude_count = 0;
    EXPECT_INT(verdict(&r, "mm2-offsets.A.internal"), SELECTION_INTERNAL);
    EXPECT_INT(verdict(&r, "orders.replica"), SELECTION_MIRROR);
}

TEST(a_topic_of_the_target_does_not_go_back) {
    struct selection_rules r = rules_a_to_b();
    EXPECT_INT(verdict(&r, "B.orders"), SELECTION_CYCLE);
    EXPECT_INT(verdict(&r, "C.B.orders"), SELECTION_CYCLE);
    EXPECT_INT(verdict(&r, "B.heartbeats"), SELECTION_CYCLE);
    EXPECT_INT(verdict(&r, "BB.orders"), SELECTION_MIRROR);
    EXPECT_INT(verdict(&r, "B."), SELECTION_MIRROR);
    r.naming.policy = REPLICATION_POLICY_IDENTITY;
    EXPECT_INT(verdict(&r, "B.orders"), SELECTION_MIRROR);
}

TEST(whole_names_must_match) {
    static const char *const topics[] = {"orders", "pay.*s"};
    struct selection_rules r = rules_a_to_b();
    r.topics = topics;
    r.topics_count = COUNT(topics);
    EXPECT_INT(verdict(&r, "orders"), SELECTION_MIRROR);
    EXPECT_INT(verdict(&r, "payments"), SELECTION_MIRROR);
    EXPECT_INT(verdict(&r, "orders2"), SELECTION_NOT_LISTED);
    EXPECT_INT(verdict(&r, "my-orders"), SELECTION_NOT_LISTED);
    EXPECT_INT(verdict(&r, "payments2"), SELECTION_NOT_LISTED);
}

TEST(an_empty_list_matches_nothing_but_heartbeats) {
    struct selection_rules r = rules_a_to_b();
    r.topics_count = 0;
    EXPECT_INT(verdict(&r, "orders"), SELECTION_NOT_LISTED);
    EXPECT_INT(verdict(&r, "heartbeats"), SELECTION_MIRROR);
    r.heartbeats = false;
    EXPECT_INT(verdict(&r, "heartbeats"), SELECTION_NOT_LISTED);
}

TEST(patterns_mean_what_they_mean_in_java) {
    EXPECT_INT(match("a|ab", "ab"), PATTERN_MATCHES);  // matches() tries the other branch for the whole name
    EXPECT_INT(match("a", "ab"), PATTERN_DIFFERS);
    EXPECT_INT(match("a$", "a\n"), PATTERN_DIFFERS);
    EXPECT_INT(match("(?!__).*", "__x"), PATTERN_DIFFERS);
    EXPECT_INT(match("\\Q[x\\E.*", "[xy"), PATTERN_MATCHES);
    EXPECT_INT(match("\\Q[[\\E", "[["), PATTERN_MATCHES);
    EXPECT_INT(match("\\Q[[", "[["), PATTERN_MATCHES);
    EXPECT_INT(match("[\\[x]", "["), PATTERN_MATCHES);
    static const char *const parts[] = {"(?i)a", "b"};
    struct pattern *p;
    struct error e = pattern_compile(parts, 2, &p);
    EXPECT(!error_is(&e));
    EXPECT_INT(pattern_match(p, "B"), PATTERN_MATCHES);
    pattern_free(p);
}

TEST(what_java_reads_differently_is_refused) {
    struct error e = compile_error("x[a-z&&[^b]]");
    EXPECT(strstr(e.detail, "character class at position 5"));
    e = compile_error("[a[bc]]");
    EXPECT(strstr(e.detail, "character class at position 2"));
}

TEST(a_broken_pattern_is_refused_with_its_position) {
    struct error e = compile_error("orders(");
    EXPECT_INT(e.kind, ERROR_CONFIG);
    EXPECT_TEXT(e.detail, "missing closing parenthesis at position 7");
}

TEST(a_catastrophic_pattern_gives_up) {
    char name[TOPIC_NAME_SIZE_MAX + 1];
    memset(name, 'a', TOPIC_NAME_SIZE_MAX);
    name[TOPIC_NAME_SIZE_MAX - 1] = 'b';
    name[TOPIC_NAME_SIZE_MAX] = '\0';
    static const char *const catastrophic[] = {"(a|a)+(a|aa)+"};
    EXPECT_INT(match(catastrophic[0], name), PATTERN_GAVE_UP);
    struct selection_rules r = rules_a_to_b();
    r.exclude = catastrophic;
    r.exclude_count = 1;
    EXPECT_INT(verdict(&r, name), SELECTION_GAVE_UP);
    EXPECT_INT(verdict(&r, "orders"), SELECTION_MIRROR);
}

int main(void) {
    RUN(defaults_mirror_all_but_internal_and_replicas);
    RUN(rules_have_one_digest_in_whatever_order);
    RUN(internal_topics_stay_even_when_listed);
    RUN(a_topic_of_the_target_does_not_go_back);
    RUN(whole_names_must_match);
    RUN(an_empty_list_matches_nothing_but_heartbeats);
    RUN(patterns_mean_what_they_mean_in_java);
    RUN(what_java_reads_differently_is_refused);
    RUN(a_broken_pattern_is_refused_with_its_position);
    RUN(a_catastrophic_pattern_gives_up);
    return test_result();
}
