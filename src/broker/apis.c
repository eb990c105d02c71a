// Who answers what: every API of the model.
#include "broker/handlers.h"
#include "broker/request.h"

// clang-format off
const struct broker_api broker_api_table[] = {
//    key                                  offered_min  handler
    { API_PRODUCE,                           0, handle_produce },  // librdkafka wants to see 0 (KAFKA-18659)
    { API_FETCH,                            -1, handle_fetch },
    { API_LIST_OFFSETS,                     -1, handle_list_offsets },
    { API_METADATA,                         -1, handle_metadata },
    { API_OFFSET_COMMIT,                    -1, handle_offset_commit },
    { API_OFFSET_FETCH,                     -1, handle_offset_fetch },
    { API_FIND_COORDINATOR,                 -1, handle_find_coordinator },
    { API_JOIN_GROUP,                       -1, handle_join_group },
    { API_HEARTBEAT,                        -1, handle_heartbeat },
    { API_LEAVE_GROUP,                      -1, handle_leave_group },
    { API_SYNC_GROUP,                       -1, handle_sync_group },
    { API_DESCRIBE_GROUPS,                  -1, handle_describe_groups },
    { API_LIST_GROUPS,                      -1, handle_list_groups },
    { API_API_VERSIONS,                     -1, handle_api_versions },
    { API_CREATE_TOPICS,                    -1, handle_create_topics },
    { API_DELETE_TOPICS,                    -1, handle_delete_topics },
    { API_DELETE_RECORDS,                   -1, handle_delete_records },
    { API_INIT_PRODUCER_ID,                 -1, handle_init_producer_id },
    { API_OFFSET_FOR_LEADER_EPOCH,          -1, handle_offset_for_leader_epoch },
    { API_ADD_PARTITIONS_TO_TXN,            -1, handle_add_partitions_to_txn },
    { API_ADD_OFFSETS_TO_TXN,               -1, handle_add_offsets_to_txn },
    { API_END_TXN,                          -1, handle_end_txn },
    { API_WRITE_TXN_MARKERS,                -1, handle_write_txn_markers },
    { API_TXN_OFFSET_COMMIT,                -1, handle_txn_offset_commit },
    { API_DESCRIBE_ACLS,                    -1, handle_describe_acls },
    { API_CREATE_ACLS,                      -1, handle_create_acls },
    { API_DELETE_ACLS,                      -1, handle_delete_acls },
    { API_DESCRIBE_CONFIGS,                 -1, handle_describe_configs },
    { API_ALTER_CONFIGS,                    -1, handle_alter_configs },
    { API_DESCRIBE_LOG_DIRS,                -1, handle_describe_log_dirs },
    { API_CREATE_PARTITIONS,                -1, handle_create_partitions },
    { API_DELETE_GROUPS,                    -1, handle_delete_groups },
    { API_ELECT_LEADERS,                    -1, handle_elect_leaders },
    { API_INCREMENTAL_ALTER_CONFIGS,        -1, handle_incremental_alter_configs },
    { API_LIST_PARTITION_REASSIGNMENTS,     -1, handle_list_partition_reassignments },
    { API_OFFSET_DELETE,                    -1, handle_offset_delete },
    { API_DESCRIBE_CLIENT_QUOTAS,           -1, handle_describe_client_quotas },
    { API_ALTER_CLIENT_QUOTAS,              -1, handle_alter_client_quotas },
    { API_DESCRIBE_USER_SCRAM_CREDENTIALS,  -1, handle_describe_user_scram_credentials },
    { API_ALTER_USER_SCRAM_CREDENTIALS,     -1, handle_alter_user_scram_credentials },
    { API_DESCRIBE_CLUSTER,                 -1, handle_describe_cluster },
    { API_DESCRIBE_PRODUCERS,               -1, handle_describe_producers },
    { API_DESCRIBE_TRANSACTIONS,            -1, handle_describe_transactions },
    { API_LIST_TRANSACTIONS,                -1, handle_list_transactions },
    { API_CONSUMER_GROUP_HEARTBEAT,         -1, handle_consumer_group_heartbeat },
    { API_CONSUMER_GROUP_DESCRIBE,          -1, handle_consumer_group_describe },
    { API_LIST_CONFIG_RESOURCES,            -1, handle_list_config_resources },
    { API_DESCRIBE_TOPIC_PARTITIONS,        -1, handle_describe_topic_partitions },
};
// clang-format on
const size_t broker_api_table_count = sizeof broker_api_table / sizeof *broker_api_table;

const struct broker_api *broker_api_find(int16_t key) {
    size_t low = 0, high = broker_api_table_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (broker_api_table[middle].key == key) return &broker_api_table[middle];
        if (broker_api_table[middle].key < key) low = middle + 1;
        else high = middle;
    }
    return NULL;
}
