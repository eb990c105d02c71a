// What a flow is configured with, and under which name it goes to the group.
#include "app/flow_setup.h"

#include "base/memory.h"
#include "unit/folder.h"
#include "unit/test.h"

#include <assert.h>
#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

static const char base[] = "clusters = a, b\n"
                           "a.bootstrap.servers = one:9092\n"
                           "b.bootstrap.servers = two:9092\n"
                           "a->b.enabled = true\n";

static void nowhere(void *context, enum log_level level, const char *line, size_t size) {
    (void)context, (void)level, (void)line, (void)size;
}

static void set_up(struct flow_setup *s, const char *more) {
    const struct logger log = {LOG_INFO, nowhere, NULL};
    char text[400];
    struct problems problems;
    struct loaded_settings *l = NEW(struct loaded_settings);
    int size = snprintf(text, sizeof text, "%s%s", base, more);
    problems_init(&problems, "mirror.properties");
    bool fine = settings_parse((struct bytes){(const uint8_t *)text, (size_t)size}, &l->settings, &problems);
    assert(fine);
    problems_free(&problems);
    struct error e = flow_setup_init(s, l, &l->settings->flows[0], &log);
    assert(!error_is(&e));
}

// The lock is the kernel's word for it that a predecessor has ended only of who used the same file: not of a process of
// another user, container or host with the same name.
TEST(who_is_taken_for_a_dead_predecessor_had_our_lock_file) {
    char ours[] = "/tmp/odraz-setup-test-XXXXXX", theirs[] = "/tmp/odraz-setup-test-XXXXXX";
    struct flow_setup first, other, again;
    EXPECT(mkdtemp(ours) && mkdtemp(theirs));
    setenv("TMPDIR", ours, 1);
    set_up(&first, "");
    setenv("TMPDIR", theirs, 1);
    set_up(&other, "");
    char id[INSTANCE_ID_MAX];
    snprintf(id, sizeof id, "%s", first.instance_id);
    bool dead = first.config.predecessor_dead && other.config.predecessor_dead;
    bool different = strcmp(id, other.instance_id) != 0;
    flow_setup_free(&first);
    flow_setup_free(&other);
    setenv("TMPDIR", ours, 1);
    set_up(&again, "");
    bool same = strcmp(id, again.instance_id) == 0;
    flow_setup_free(&again);
    remove_folder(ours);
    remove_folder(theirs);
    EXPECT(dead);
    EXPECT(different);
    EXPECT(same);
}

TEST(of_an_id_set_by_hand_nobody_knows_whose_it_was) {
    struct flow_setup s;
    set_up(&s, "instance.id = one\n");
    bool alive = !s.config.predecessor_dead && strcmp(s.config.instance_id, "one") == 0;
    flow_setup_free(&s);
    setenv("TMPDIR", "/nowhere", 1);
    set_up(&s, "");
    bool dynamic = !s.config.predecessor_dead && !s.config.instance_id;
    flow_setup_free(&s);
    EXPECT(alive);
    EXPECT(dynamic);
}

int main(void) {
    RUN(who_is_taken_for_a_dead_predecessor_had_our_lock_file);
    RUN(of_an_id_set_by_hand_nobody_knows_whose_it_was);
    return test_result();
}
