// Between cluster.c and metadata.c.
#pragma once
#include "client/cluster.h"

struct broker *cluster_add_broker(struct cluster *c, int32_t node_id, const char *host, size_t host_size,
                                  uint16_t port);
// Any broker with a ready control connection: real ones before bootstrap addresses, those likely to answer soon
// before others, and if `last` is given, the next one in turn. NULL: none is ready.
struct broker *cluster_ready_broker(struct cluster *c, int32_t last);
void cluster_let_go_of_gone(struct cluster *c);  // of brokers not in the newest metadata; their tasks fail

void metadata_init(struct cluster *c);
void metadata_stop(struct cluster *c);
void metadata_free(struct cluster *c);
