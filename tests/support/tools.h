/* tools: what several tests need. */
#ifndef GROOVE_TEST_TOOLS_H
#define GROOVE_TEST_TOOLS_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "op.h"
#include "sanitized.h"
#include "source.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* Seconds that stand for "for ever": a test that has to wait that long has failed. */
#define LONG 10.0

/* Numbers that look random and are the same at each run. */
uint64_t random_bits(uint64_t *state);

void pause_for(double seconds);

/* A request with the defaults of the library, to that URL. */
struct gr_request request_to(const char *method, const char *url);

/* The options of a source with an id and a secret, at that URL. */
struct gr_options options_for(const char *token_url);

/* Waits for it, and gives it back. Returns its error's code, "" for none, "running" if it did not end. */
const char *outcome(struct gr_op *op);

/* fork(); with AddressSanitizer, whose memory a child finds locked where a thread begins or ends at that moment, not
 * before those of the tests' servers have settled. */
int settled_fork(void);

/* A child that is expected to end by itself: its exit status; -1 if it did not within LONG, or was
 * killed by a signal. */
int await_child(int pid);

/* Ends everything and starts anew without, or with, a thread: what options_for gives says so, too. */
void use_thread(bool threaded);

#endif
