// The planned faults, at their time: whom they strike, and what is undone when they are over.
#pragma once
#include "base/timer.h"
#include "sim/plan.h"

struct world;
struct faults;

struct faults *faults_new(struct world *w);
void faults_free(struct faults *f);

void faults_end_all(struct faults *f);  // none strikes any more, and all that last are over

// How often each kind has struck somebody.
const uint32_t *faults_struck(const struct faults *f);

// Whether two brokers of the destination have ever been isolated from their controller at the same time.
bool faults_two_isolated(const struct faults *f);
void faults_note_isolated(struct faults *f);  // a story has isolated two
