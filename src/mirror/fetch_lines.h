// The fetch sessions of a flow: to each source broker as many as the way there is worth (client/line.h), and each
// partition in one of them.
#pragma once
#include "mirror/flow.h"

void fetch_lines_init(struct flow *f);
void fetch_lines_stop(struct flow *f);
void fetch_lines_free(struct flow *f);
void fetch_lines_on_metadata(struct flow *f);  // lets go of brokers that are gone

void fetch_lines_leave(struct partition *p);  // is in no session now, and will not soon be; fine when in no line
