// Every limit of the program in one place: each queue, buffer and loop names one of these.
#pragma once

#define KiB 1024
#define MiB (1024 * 1024)

// wire
#define FRAME_SIZE_MAX (128 * MiB)           // a larger length prefix is damage or another protocol (an HTTP server)
#define REQUEST_SIZE_MAX (100 * MiB)         // the broker's default socket.request.max.bytes
#define DECODE_ARENA_MAX (64 * MiB)          // decoded form of one response
#define CLIENT_ID_SIZE_MAX 249
#define RECORDS_SIZE_MAX (256 * MiB)         // of one batch, decompressed; compression is not bounded by itself

// client
#define REQUESTS_IN_FLIGHT_MAX 64            // of one connection
#define CONNECTION_OUTPUT_MAX (8 * MiB)      // encoded, not yet written, without payloads
#define CONNECTION_WANTED_MAX (512 * KiB)    // bytes that are waited for before a response goes on being received
#define BROKERS_MAX 4096                     // of one cluster
#define TOPICS_MAX 100000                    // of one cluster
#define PARTITIONS_OF_TOPIC_MAX 100000
#define FRAME_POOL_KEPT_MAX (32 * MiB)       // receive buffers kept for reuse
#define REQUEST_PAYLOADS_MAX 4096            // records fields in one request
#define QUERY_PARTITIONS_MAX 1000            // of one ListOffsets or DeleteRecords
#define QUERY_BATCHES_MAX 32                 // of one fetch for single batches
#ifndef QUERY_FETCH_BYTES_MAX                // the simulator's is small
#define QUERY_FETCH_BYTES_MAX (4 * MiB)      // of one of them
#endif
#define POSITION_PARTITIONS_MAX 500          // of one round of position questions
#define FETCH_REQUEST_SCRATCH_MAX (64 * MiB) // a request's parts while it is made: 100 bytes for a partition
#define FETCH_PARTITION_BYTES_MIN (64 * KiB) // a partition's share of a fetch
#define FETCH_PARTITION_BYTES_LONG (512 * KiB) // the same over a long line, where bytes that come in vain are dear
#ifndef FETCH_PARTITIONS_FEW                 // the simulator's is small, too
#define FETCH_PARTITIONS_FEW 16              // that have something; beyond it a fetch asks for more,
#endif
#define FETCH_FIRST_BATCH_BYTES (16 * KiB)   // where first batches go alone, and many wait; batch.size of Kafka
#define FETCH_BYTES_EACH (64 * KiB)          // so much for each partition of the session,
#define FETCH_BYTES_MANY_MAX (8 * MiB)       // up to this
#define PRODUCE_BYTES_MAX MiB                // payloads of one Produce request, except a single larger batch
#define PRODUCE_REQUEST_SCRATCH_MAX MiB      // the same of a Produce request
#define JOIN_PART_MAX (4 * KiB)              // a larger batch is not joined to others: forwarding it costs less
#ifndef JOINED_SIZE_MAX                      // the simulator's is small, too
#define JOINED_SIZE_MAX (64 * KiB)           // of a joined batch
#endif
#define PRODUCE_SMALL_MAX (32 * KiB)         // a request with less waits for answers to those before it,
#define PRODUCE_SMALL_DEPTH 2                // when so many are under way,
#define PRODUCE_SMALL_PACE_US 3000           // but no longer than this after the last of them: the line may be long
#define APPENDER_DEPTH_MAX 16                // Produce requests without an answer, of one connection
#define ANSWER_ALONE_US 500000               // an answer for which was waited so long waits for no other
#define APPENDER_SILENT_US 1000000           // without an answer, until what waits for one leaves room for others
#define THROTTLE_US_MAX 600000000            // that is obeyed; a broker that says more is asked again by then
#define THROTTLE_LOOK_US 1000000             // until who waits for it looks whether the connection is still the same
#define THROTTLE_SAID_US_MIN 1000000         // that is worth a line of the log,
#define THROTTLE_SAID_INTERVAL_US 60000000   // and until the next one
#define APPEND_LANES 2                       // pipelines to one broker, which handles one request of each at a time
#ifndef APPEND_LANE_PARTITIONS               // the simulator's is small, too
#define APPEND_LANE_PARTITIONS 128           // in one of them, then as many in the next: enough to fill its requests,
#define APPEND_LANE_BYTES (128 * KiB)        // or, where all are fewer, so many as have this together, a batch of each
#endif
#define FETCH_SESSIONS_MAX 64                // of one source broker
#define FETCH_SILENT_US 1000000              // without a byte of what is due, until it leaves room for others
#define FETCH_SHORT_WAIT_MS 20               // long poll of a session that a partition has just left: it may come back
#define CONNECTION_OPEN_US_MAX 10000000      // to connect and to learn the API versions
#define LINK_HELD_US 1000000                 // a connection that is lost sooner was no success
#define CONNECTION_LASTED_US 60000000        // that a broker then closes: it may have been idle, or it is restarted
#define METADATA_TROUBLE_PART 8              // of the time a trouble lasts may pass until metadata are asked for again
#define METADATA_TROUBLE_US_MAX 60000000     // but not more; and who was well for twice as long is in trouble anew
#define METADATA_OLDER_US 60000000           // after which leader epochs that went back, and stay so, are believed
#define METADATA_ANSWER_US 3000000           // for an answer, until another broker is asked

// the way to a broker (line.h)
#define FETCH_BYTES_SHORT (4 * MiB)          // of one fetch, where the round trip is short; half costs its broker more
#define FETCH_BYTES_LARGE (6 * MiB)          // the same where batches are large: more is no faster, and three are held
#define FETCH_ROOM_SHORT (10 * MiB)          // in flight, where the round trip is short: more would only get cold,
#define FETCH_ROOM_FETCHES 2                 // but always this many fetches: one comes while the other is sent on
#define FETCH_NO_ROOM_US 1000000             // without room for what is worth asking, until less is asked for
#define FETCH_BYTES_MAX (8 * MiB)            // of one fetch, as we choose it
#ifndef LINE_LONG_US                         // the simulator's are small: what takes minutes happens often there
#define FETCH_SESSIONS_SHORT 2               // where nothing says that more are worth it
#define FETCH_BYTES_FIRST (256 * KiB)        // of a session's first fetches over a long line
#define FETCH_BYTES_MIN (64 * KiB)           // of any
#define LINE_LONG_US 2000                    // round trip from which on connections limit, and not brokers or disks
#define LINE_INTERVAL_US_MIN 200000          // between two looks
#define LINE_QUIET_US 30000000               // without backlog, until sessions are let go
#define LINE_TRY_PAUSE_US_MIN 10000000       // after another number was taken back; doubled each time
#define LINE_TRY_PAUSE_US_MAX 600000000
#define LINE_TRY_FEWER_LATER_US 50000000     // and so much later where there is no room for more: only fewer are left
#endif
#define LINE_BEHIND_PROXY_US 30000           // from which on it is long even if the way to the peer is short
#define LINE_INTERVAL_US_MAX 2000000
#define LINE_QUIET_BYTES KiB                 // of a session between two looks: no more than empty answers
#define LINE_INTERVAL_ROUND_TRIPS 6          // a connection opens in two, and needs about four to its full window
#define LINE_PATIENT_INTERVALS 8             // TCP needs seconds to win back after a loss what it had under way
#define LINE_FEWER_PART 0.95                 // of what more sessions brought: so much makes fewer worth it
#define LINE_MUCH_LESS_PART 0.7              // of it, as soon as that shows: they are not
#define LINE_MEASURE_US_MAX 10000000         // for fetches to end, where so few bytes come that they say little
#define LINE_WINDOW_US 60000000              // of the shortest round trip
#define LINE_GROWTH_PART 0.1                 // of the growth that more sessions could bring: less is not worth them
#define LINE_FETCH_ROUND_TRIPS 16            // that a response should take: the one before it is then a small part
#define LINE_FETCH_US_MAX 5000000            // that a response should take at most

// names, patterns and settings
#define TOPIC_NAME_SIZE_MAX 249              // Topic.MAX_NAME_LENGTH
#define PATTERN_SIZE_MAX (64 * KiB)          // one list of regular expressions
#define PATTERN_MATCH_LIMIT 100000           // steps of PCRE2 for one name; ordinary patterns need some hundreds
#define PATTERN_HEAP_KIB_MAX 1024            // what PCRE2 may take for one match
#define PROPERTIES_SIZE_MAX (1 * MiB)        // of the settings file
#define PROBLEMS_SIZE_MAX (256 * KiB)        // what can be said about it; more is cut
#define PROBLEM_LINE_MAX 1024                // one of them
#define SETTINGS_TEXT_SIZE_MAX (1 * MiB)     // generated help and documentation
#define CLUSTERS_MAX 64
#define ALIAS_SIZE_MAX 100                   // leaves room for the topic in a remote topic's name
#define KEY_SIZE_MAX 512                     // of a key we look up ourselves: two aliases and a name

// io
#define LOOP_CONNECTIONS_MAX 16384           // of one loop; the process's limit of open files comes before it
#define LOOP_WATCHES_MAX 4                   // descriptors beside the connections
#define LOOP_EVENTS_MAX 128                  // taken at once
#define LOOP_CHANNELS_PER_TURN 64            // moved before events and timers are looked at again
#define LOOP_WAIT_MS_MAX 1000                // epoll's clock stands still in a suspended host; ours does not
#define CHANNEL_BYTES_PER_TURN (2 * MiB)     // each way, so that a fast broker does not starve the others
#define CHANNEL_RANGES_MAX 128               // of one sendmsg()
#define CONNECT_ADDRESS_US_MAX 2000000       // for an address that is not a name's last,
#define CONNECT_ADDRESSES_MIN 2              // and no more than lets so many have their turn before the time-out
#define ADDRESSES_OF_HOST_MAX 16
#define RESOLVE_NAMES_MAX 1024               // names to look up, and found ones that are kept
#define RESOLVE_WANTED_US 15000000           // a name that nobody asked for since is not looked up any more
#define RESOLVE_DOUBT_US 1000000             // addresses that lead nowhere are taken for right no longer than this
#define RESOLVE_KEPT_US 10000000             // addresses, for whoever's time-out was shorter than their look-up
#define ACCEPT_PAUSE_US 100000               // after a connection that there was no descriptor for
#define KEEPALIVE_IDLE_S 60                  // firewalls forget a silent connection after some minutes
#define KEEPALIVE_INTERVAL_S 10
#define INSTANCES_OF_HOST_MAX 64             // of one flow, without instance.id
#define PATH_SIZE_MAX 4096
#define STATUS_SIZE_MAX 512                  // of the terminal's status line
#define TERMINAL_LINE_MAX (2 * KiB)          // a log line and its time; more is cut
#define OUTPUT_WAIT_MS_MAX 1000              // for a reader of our log who is slow, until lines are lost
#define STATUS_LOG_INTERVAL_US_MIN 10000000  // between status lines in a log

// ownership
#define SLICES_MAX 1024                      // of one flow; a multiple of 64
#define SLICES_WEIGHT_MAX 65535
#define SLICES_SOURCE_MAX 63                 // characters of a source cluster's id; Kafka makes 22
#define GROUP_MEMBERS_MAX 256                // instances that share one flow
#define GROUP_METADATA_MAX (64 * KiB)        // what one member says when it joins
#define GROUP_ASSIGNMENTS_MAX (4 * MiB)      // what a leader says to all of them
#define GROUP_MEMBER_ID_MAX 512              // the broker makes it from client.id or group.instance.id and a UUID

// mirror
#define PARTITION_BACKOFF_US_MIN 50000
#define PARTITION_BACKOFF_US_MAX 1000000
#define PARTITION_LOCATE_US_MIN 200000       // between looks for missing leaders; doubled each time
#define PARTITION_LOCATE_US_MAX 3000000
#ifndef PARTITION_IN_FLIGHT_MAX              // the simulator's is small: what happens at a limit happens often there
#define PARTITION_IN_FLIGHT_MAX (4 * MiB)    // past this a partition is not fetched
#endif
#define PARTITION_QUEUED_MAX MiB             // nor past this of it that no request took yet: it would only get cold
#define RESYNC_PATIENT_PART 8                // of the time that something is waited for may pass until it is looked for
#define HALT_LOOK_AGAIN_US 300000000         // at a reason to halt that may go away by itself
#define DAMAGED_TRIES_MAX 5                  // fetches of a batch that arrives damaged
#define REPLICATION_WAIT_US_MAX 30000000     // for the high watermark to reach what is acknowledged
#define LOSS_LOOK_US 5000000                 // between looks whether what the source has deleted is gone
#define LEASE_LOOK_US 100000                 // between looks for a lease
#define LEASE_KEPT_US 60000000               // it is renewed after it was needed
#define GHOST_WAIT_US 10000000               // for requests of dead connections to be executed or gone (rule 14)
#ifndef SPLICE_EXTRA_MAX                     // the simulator's is small
#define SPLICE_EXTRA_MAX (16 * KiB)          // asked of the source beyond a batch's size, at first: it may be joined
#endif
#define FILL_PARTITIONS_MAX 32               // of a flow, at a time: what they have under way no budget counts
#ifndef FILL_DELETE_OFFSETS                  // the simulator's is small
#define FILL_DELETE_OFFSETS 20000000         // are filled, and then deleted, before more are: some 17 MB
#endif
#define FILL_LOOK_US 1000000                 // between looks whether one more may
#define WATCH_INTERVAL_US 250000             // between looks at the high watermark of what is not yet replicated
#define WATCH_IDLE_INTERVAL_US 5000000       // and of everything else
#ifndef WATCH_IDLE_PARTITIONS_MAX            // the simulator's is small
#define WATCH_IDLE_PARTITIONS_MAX 1000       // of that, at a time
#endif

// topics
#define TOPICS_PER_REQUEST_MAX 100           // of one DescribeConfigs, CreateTopics or CreatePartitions
#define PARTITIONS_PER_REQUEST_MAX 2000      // created by one request for many topics
#define PARTITIONS_AT_ONCE_MAX 9000          // of one topic; for one request a KRaft controller writes 10,000 records
#define TOPIC_SETTINGS_MAX 128               // of one topic; Kafka 4.3 has about 40
#define TOPIC_TRIES_MAX 8                    // of CreateTopics, each without the setting refused before
#define TOPIC_BACKOFF_US_MIN 100000
#define TOPIC_BACKOFF_US_MAX 30000000
#define TOPIC_AWAIT_INTERVAL_US 250000       // between looks at metadata that will change soon
#define TOPIC_DOUBT_US 2000000               // after which metadata must still say what was not believed
#define TOPIC_DOUBT_ALONE_US 30000000        // the same when no other broker can be asked
#define TOPIC_RECHECK_US_MIN 5000000         // till what was believed is looked at again; doubles up to the refresh
#define TOPIC_VISIBLE_US_MAX 30000000        // for a created topic or partition to be in the metadata
#define TOPIC_LEADERS_US_MAX 10000000        // for new partitions to have leaders

// broker (the model)
#define BROKER_NODES_MAX 9
#define BROKER_DATA_MIB_MAX (1 << 30)         // of its command line
#define BROKER_SETTINGS_MAX 64               // of its command line
#define BROKER_SETTINGS_OF_RESOURCE_MAX 1000  // unknown ones of brokers count: those are for plug-ins
#define BROKER_REPLICAS_MAX 5                // of a partition
#define BROKER_RECORDS_PER_REQUEST_MAX 10000 // that the controller writes: one for each topic, setting and partition
#define BROKER_CONNECTIONS_MAX 4096          // of one node; each has one request in the node's queue
#define BROKER_CONNECTION_AHEAD_MAX (256 * KiB) // requests read and not begun; one may pass it
#define BROKER_DECODE_MAX (8 * MiB)          // decoded form of one request: some 100,000 partitions
#define BROKER_ARENA_MAX (256 * MiB)         // and what its answer needs: its elements are at most some times larger
#define BROKER_ANSWER_ARENA_MAX (128 * MiB)   // past it nothing is added to the answer, and the broker hangs up
#define BROKER_CONNECTION_OUTPUT_MAX (256 * MiB) // one answer
#define BROKER_REPLICA_FETCH_BYTES_MAX MiB    // of a partition in one fetch; replica.fetch.max.bytes
#define BROKER_REQUESTS_SPARE_MAX 64         // kept for reuse, with their memory
#define BROKER_BUFFER_KEPT_MAX (64 * KiB)    // of a spare request or an idle connection
#define BROKER_FETCH_SESSIONS_MAX 1000       // max.incremental.fetch.session.cache.slots
#define LOG_SNAPSHOTS_MAX 4                  // of producer states, of one log
#define BROKER_FETCH_BYTES_MAX (55 * MiB)    // fetch.max.bytes of a broker
#define BROKER_FROZEN_LOOK_US 100000         // between looks whether a frozen node's requests may time out
#define COORDINATOR_RECORDS_MAX (16 * MiB)   // records of one batch of an internal topic, decompressed
