/* lack: what the programs test_starve_*.c have in common: what is being tried, how it may end, and that all is
 * well as soon as nothing is missing any more. */
#ifndef GROOVE_TEST_LACK_H
#define GROOVE_TEST_LACK_H

#include "engine.h"
#include "faults.h"
#include "server.h"
#include "tools.h"

#define SECRET     "marker-of-a-secret"
#define LONG_AFTER 4000 /* seconds after which nobody waits for another attempt any more */

/* What is being tried, for who reads of a failure or a crash. */
struct attempt {
    const char *what;
    enum fault fault;
    unsigned long first, count;
    double brief; /* seconds for a request; LONG: it has to end before */
};

extern struct attempt trying;
extern bool threaded; /* whether there is to be a thread */
extern bool in_child; /* this is a forked process: no test runner of cmocka's is here */
extern struct server *tokens, *api;
extern const struct reply a_token;

/* What there is to work with, fixture.c's; NULL where it could not be made. */
extern struct gr_mailbox *box;
extern struct gr_handle *handle;

void require(bool so, int line, const char *condition);
#define REQUIRE(condition) require(condition, __LINE__, #condition)

/* Prints what was tried when the process is killed. */
void tell_of_signals(void);

/* An error that may be told while something is missing, and shows no secret. No assertion. */
bool is_known(const struct gr_error *error);
void check_error(const struct gr_error *error);
/* Waits for its one end. Whether it went well; false of NULL, too. */
bool ends(struct gr_op *op);

/* Options of a source at the service; opens as `handle`. */
struct gr_options options(void);
void open_as(struct gr_options *made);

struct gr_op *acquire(void);
struct gr_op *call(void);

/* Nothing is missing any more: the same source and the same mailbox serve. */
void recover(void);

/* ThreadSanitizer takes a forked process's threads for its parent's, which it thinks go on there, if they have
 * the same place in memory. What is tried in processes is left out with it. */
#if defined(__SANITIZE_THREAD__)
#define FORKS 0
#else
#define FORKS 1
#endif

/* The exit status of a process that runs `body` and exits, with its exit handlers. */
int run_in_child(int (*body)(void));
enum { PASSED, FAILED, NOTHING_FAILED };
/* With a thread and without. */
void run_both(int (*body)(void));

/* A function that was never made to fail would be one of which nothing is known. */
void check_totals(enum fault first, enum fault end);

/* GROOVE_TEST_ALL=1: every call is tried. */
bool tries_all(void);

int begin_services(void **state);
int end_services(void **state);

#endif
