/* fixture: a token service and an open source, for tests. */
#ifndef GROOVE_TEST_FIXTURE_H
#define GROOVE_TEST_FIXTURE_H

#include "clock.h"
#include "engine.h"
#include "server.h"
#include "tools.h"

/* Made for each test; `handle` may be closed and replaced, or be NULL at the end. */
extern struct server *server; /* answers token-1, token-2, ... by the number of the request */
extern struct gr_mailbox *box;
extern struct gr_handle *handle;

/* A row of a table of tests: run with the engine's thread, and without. */
#define BOTH(name)                                              \
    {#name, name, begin_threaded, end, NULL},                   \
    {                                                           \
#name " (no thread)", name, begin_threadless, end, NULL \
    }

int begin_threaded(void **state);
int begin_threadless(void **state);
int end(void **state); /* fails where a secret has been left behind */

#define TOKEN(lifetime) "{\"access_token\":\"token-@\",\"expires_in\":" #lifetime "}"

/* Waits for it, doing the I/O where there is no thread. */
#define EVENTUALLY(condition)               \
    do {                                    \
        double until_ = gr_now() + LONG;    \
        while (!(condition)) {              \
            gr_engine_pump();               \
            pause_for(0.0005);              \
            assert_true(gr_now() < until_); \
        }                                   \
    } while (0)

/* A moment for what must not happen. */
void linger(double seconds);

/* As a suspend would, until the engine has woken up. */
void sleep_through(double seconds);

/* Another handle; the second form is of the source that each test starts with. */
struct gr_handle *open_with(const struct gr_options *options);
struct gr_handle *open_again(void);

/* Closes `handle` and goes on with the other. */
void use(struct gr_handle *other);

/* What the token service answers from now on. */
void reply_with(int status, const char *body);

struct gr_op *ask_of(struct gr_handle *of);
struct gr_op *ask_anew(void);

/* The token that the op brings, or the code of its error; releases it. */
const char *result(struct gr_op *op);
const char *token(void);

/* The usable token, "" where there is none. */
const char *peek_of(struct gr_handle *of);
const char *peek(void);

struct gr_info info(void);
bool invalidate(const char *text);
bool adopt(const char *text, double expires_in, double age);

#endif
