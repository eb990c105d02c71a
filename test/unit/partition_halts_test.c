// What a partition halts for, what is said then, and which halts are looked at again: stories between two modelled
// clusters, in virtual time.
#include "unit/flow_story.h"

TEST(what_cannot_be_copied_halts_where_it_stands) {
    static const struct {
        struct model_batch batch;
        const char *word;
    } bad[] = {
        {{.count = 3, .attributes = BATCH_ATTRIBUTE_TRANSACTIONAL, .producer_id = 9}, "transaction"},
        {{.count = 1, .attributes = BATCH_ATTRIBUTE_TRANSACTIONAL | BATCH_ATTRIBUTE_CONTROL, .producer_id = 9},
         "transaction"},
        {{.count = 3, .delta = 5}, "compaction"},
        {{.count = 3, .size = 2 * MiB}, "too large"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        begin_copied(1);
        world_write(w, 0, 3);  // in the same response as what cannot be copied
        int64_t at = from->end;
        struct model_batch b = bad[i].batch;
        b.timestamp = w->s.env.wall_ms;
        model_write(from, &b);
        world_write(w, 0, 3);
        world_run(w, 3 * SECOND);
        EXPECT_HALTED(at, bad[i].word);
        EXPECT_INT(to->end, at);  // and all that precedes it is there
        EXPECT_INT(w->budget.used, MiB * (world_partition(w, 0)->fetch.session != NULL));
        end();
    }
}

TEST(a_reason_that_may_pass_is_looked_at_again) {
    for (int refused = 0; refused < 2; refused++) {
        begin_copied(1);
        world_write(w, 0, 1);
        if (refused) to->message_bytes_max = BATCH_HEADER_SIZE;
        else w->source.damage = 1000;
        world_run(w, 30 * SECOND);
        EXPECT_HALTED(to->end, refused ? "too large" : "damaged");
        world_run(w, HALT_LOOK_AGAIN_US);
        EXPECT_HALTED(to->end, refused ? "too large" : "damaged");  // again
        to->message_bytes_max = MiB;
        w->source.damage = 0;
        world_run(w, HALT_LOOK_AGAIN_US - 60 * SECOND);
        EXPECT_INT(state(), PARTITION_HALTED);
        world_run(w, 60 * SECOND);
        EXPECT_INT(state(), PARTITION_COPY);
        EXPECT(equal() && !world_partition(w, 0)->halt_reason);
        end();
    }
}

TEST(a_refused_batch_gets_another_chance) {
    begin_copied(1);
    int64_t at = from->end;
    w->answer_with = KAFKA_INVALID_TIMESTAMP;
    world_write(w, 0, 1);
    world_run(w, SECOND);
    EXPECT_HALTED(at, "INVALID_TIMESTAMP");
    world_run(w, HALT_LOOK_AGAIN_US);
    EXPECT(state() == PARTITION_COPY && equal());
    end();
}

TEST(an_unreadable_batch_is_looked_at_again) {
    begin_copied(1);
    int64_t at = from->end;
    model_write(from, &(struct model_batch){.count = 3,  // whose records are none, and would have to be written anew
                                            .attributes = BATCH_ATTRIBUTE_LOG_APPEND_TIME,
                                            .timestamp = w->s.env.wall_ms});
    world_run(w, SECOND);
    EXPECT_HALTED(at, "cannot be read");
    int looks = w->s.requests_count[API_DESCRIBE_PRODUCERS];
    world_run(w, HALT_LOOK_AGAIN_US);
    EXPECT_HALTED(at, "cannot be read");
    EXPECT(w->s.requests_count[API_DESCRIBE_PRODUCERS] > looks);
    end();
}

TEST(what_only_a_person_can_decide_stays_halted) {
    begin_copied(1);
    int64_t at = to->end;
    model_write(to, &(struct model_batch){.count = 2, .timestamp = w->s.env.wall_ms, .producer_id = 7});
    world_run(w, 6 * SECOND);
    EXPECT_HALTED(at, "foreign records");
    model_truncate(to, at);
    int64_t looks = w->s.requests_count[API_DESCRIBE_PRODUCERS];
    world_run(w, 2 * HALT_LOOK_AGAIN_US);
    EXPECT_HALTED(at, "foreign records");
    EXPECT_INT(w->s.requests_count[API_DESCRIBE_PRODUCERS], looks);
    end();
}

TEST(a_missing_right_is_named_and_looked_at_again) {
    begin_copied(1);
    int64_t copied = to->end;
    world_write(w, 0, 1);
    w->answer_with = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    world_run(w, SECOND);
    EXPECT_HALTED(copied, "the right WRITE on the topic is missing: Produce was answered TOPIC_AUTHORIZATION_FAILED");
    world_run(w, 300 * SECOND);
    EXPECT(equal());
    end();
}

TEST(a_destination_that_stamps_records_is_noticed_with_the_first_batch) {
    begin_copied(1);
    int64_t copied = to->end;
    w->stamps = true;
    for (int i = 0; i < 30; i++) {
        world_write(w, 0, 1);
        world_run(w, 100 * MS);
    }
    EXPECT_HALTED(copied, "message.timestamp.type of the destination topic is LogAppendTime, must be CreateTime");
    int64_t stamped = to->end - copied;
    EXPECT(stamped > 0 && stamped < (from->end - copied) / 10);  // what was under way
    world_write(w, 0, 1);
    world_run(w, 30 * SECOND);
    EXPECT_INT(to->end, copied + stamped);
    w->stamps = false;
    world_run(w, HALT_LOOK_AGAIN_US);
    EXPECT(state() == PARTITION_COPY && to->end == from->end);
    end();
}

TEST(a_cluster_is_not_mirrored_into_itself) {
    begin(1);
    w->destination.id = w->source.id;
    world_write(w, 0, 5);
    world_start(w);
    world_run(w, 60 * SECOND);
    EXPECT_INT(to->end, 0);
    EXPECT_INT(scripted_count(&w->s, "level=error msg=\"flow not started\""), 1);
    EXPECT_INT(scripted_count(&w->s, "are the same cluster"), 1);
    end();
}

TEST(what_came_from_the_destination_does_not_go_back) {
    begin_copied(1);
    int64_t at = from->end;
    model_write(from, &(struct model_batch){.count = 2, .timestamp = w->s.env.wall_ms,
                                            .producer_id = provenance_producer_id(w->destination.id, w->source.id)});
    world_run(w, SECOND);
    EXPECT_HALTED(at, "loop");
    end();
}

TEST(a_hole_in_the_source_halts) {
    begin_copied(1);
    int64_t at = from->end;
    from->end += 10;
    world_write(w, 0, 3);
    world_run(w, SECOND);
    EXPECT_HALTED(at, "are gone from the source's log");
    end();
}

TEST(a_lost_range_halts) {
    begin_copied(1);
    world_kill(w);
    int64_t at = from->end;
    world_write(w, 0, 20);
    model_delete_below(from, from->end);
    world_write(w, 0, 2);
    world_start(w);
    world_run(w, 20 * SECOND);  // the source's leader may be a deposed one
    EXPECT(world_partition(w, 0)->state != PARTITION_HALTED);
    world_run(w, 20 * SECOND);
    EXPECT_HALTED(at, "lost range");
    end();
}

TEST(a_foreign_last_batch_halts) {
    begin_copied(1);
    world_kill(w);
    int64_t at = to->end;
    model_write(to, &(struct model_batch){.count = 2, .timestamp = w->s.env.wall_ms, .producer_id = 7});
    world_write(w, 0, 20);
    world_start(w);
    EXPECT_HALTED(at, "not written by this flow");
    EXPECT_INT(to->end, at + 2);
    end();
}

// Two sources have a topic of one name, or the source was made anew: somebody has to know where to look.
TEST(records_of_another_source_are_named) {
    begin_copied(1);
    world_kill(w);
    int64_t at = to->end, other = provenance_producer_id("another source", "destination");
    model_write(to, &(struct model_batch){.count = 2, .timestamp = w->s.env.wall_ms, .producer_id = other});
    world_start(w);
    EXPECT_HALTED(at, "mirrored from another cluster");
    end();
}

TEST(a_foreign_batch_in_a_quiet_partition_is_noticed) {
    begin_copied(1);
    int64_t at = to->end;
    model_write(to, &(struct model_batch){.count = 2, .timestamp = w->s.env.wall_ms, .producer_id = 7});
    world_run(w, 6 * SECOND);
    EXPECT_HALTED(at, "foreign records");
    end();
}

static void refuse_growth(struct scripted *script, struct scripted_request *r) {
    const struct create_partitions_request *q = r->body;
    struct create_partitions_response a;
    struct create_partitions_response_topic t;
    message_defaults(&create_partitions_response_message, &a);
    message_defaults(&create_partitions_response_topic_message, &t);
    t.name = q->topics[0].name;
    t.error_code = KAFKA_POLICY_VIOLATION;
    a.results = &t;
    a.results_count = 1;
    scripted_answer(script, r, &a);
}

TEST(partitions_that_a_topic_made_anew_does_not_have_stay_halted) {
    begin_copied(2);
    w->s.serve[API_CREATE_PARTITIONS] = refuse_growth;
    w->destination.topic_id = 2;
    w->destination.partitions = 1;
    world_write(w, 0, 5);
    world_run(w, 130 * SECOND);
    EXPECT_INT(state(), PARTITION_COPY);
    EXPECT_INT(to->end, from->end);
    EXPECT_INT(world_partition(w, 1)->state, PARTITION_HALTED);
    EXPECT(strstr(world_partition(w, 1)->halt_reason, "re-created"));
    w->s.serve[API_CREATE_PARTITIONS] = NULL;
    w->destination.partitions = 2;
    world_run(w, 61 * SECOND);
    EXPECT_INT(world_partition(w, 1)->state, PARTITION_COPY);
    end();
}

TEST(a_source_made_anew_halts) {
    begin_copied(1);
    world_kill(w);
    int64_t records = from->end;
    model_truncate(from, 0);
    while (from->end <= records)
        model_write(from, &(struct model_batch){.count = (int32_t)(from->end % 10 + 1), .timestamp = 1, .fill = 99});
    world_start(w);
    EXPECT_INT(state(), PARTITION_HALTED);
    EXPECT(strstr(world_partition(w, 0)->halt_reason, "diverged"));
    end();
}

TEST(a_source_that_lost_its_tail_halts) {
    begin_copied(1);
    world_kill(w);
    model_truncate(from, 0);
    world_start(w);
    world_run(w, 40 * SECOND);
    EXPECT_INT(state(), PARTITION_HALTED);
    EXPECT(strstr(world_partition(w, 0)->halt_reason, "diverged"));
    end();
}

TEST(a_topic_that_halts_tells_what_was_acknowledged_and_not_what_was_sent) {
    begin_copied(1);
    int64_t at = to->end;
    w->s.serve[API_PRODUCE] = NULL;
    world_write(w, 0, 3);
    world_run(w, 10 * MS);
    EXPECT_INT(world_partition(w, 0)->log_end, from->end);
    w->destination.partitions = 2;
    cluster_refresh(&w->flow->destination);
    world_run(w, 2 * SECOND);
    EXPECT_HALTED(at, "more than the 1 of the source topic");
    end();
}

int main(void) {
    RUN(what_cannot_be_copied_halts_where_it_stands);
    RUN(a_reason_that_may_pass_is_looked_at_again);
    RUN(a_refused_batch_gets_another_chance);
    RUN(an_unreadable_batch_is_looked_at_again);
    RUN(what_only_a_person_can_decide_stays_halted);
    RUN(a_missing_right_is_named_and_looked_at_again);
    RUN(a_destination_that_stamps_records_is_noticed_with_the_first_batch);
    RUN(a_cluster_is_not_mirrored_into_itself);
    RUN(what_came_from_the_destination_does_not_go_back);
    RUN(a_hole_in_the_source_halts);
    RUN(a_lost_range_halts);
    RUN(a_foreign_last_batch_halts);
    RUN(records_of_another_source_are_named);
    RUN(a_foreign_batch_in_a_quiet_partition_is_noticed);
    RUN(partitions_that_a_topic_made_anew_does_not_have_stay_halted);
    RUN(a_source_made_anew_halts);
    RUN(a_source_that_lost_its_tail_halts);
    RUN(a_topic_that_halts_tells_what_was_acknowledged_and_not_what_was_sent);
    return test_result();
}
