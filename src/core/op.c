#include "op.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "port.h"

enum { EVENTS = 64 };

TAILQ_HEAD(op_list, gr_op);

struct gr_mailbox {
    unsigned refs;
    pthread_cond_t changed;
    int fd;      /* a set: wake_fd, and the engine's descriptor for hosts */
    int wake_fd; /* readable while raised; both are made when a host first asks */
    bool raised;
    bool abandoned; /* its owner has gone: nobody will fetch */
    struct gr_lane lane;
    struct op_list finished;
    struct gr_event *events; /* a ring, made at the first event */
    unsigned first, count, dropped;
    TAILQ_ENTRY(gr_mailbox) link;
};

/* All of this is under the engine's state lock. */
static TAILQ_HEAD(, gr_mailbox) boxes = TAILQ_HEAD_INITIALIZER(boxes);
static struct op_list pending = TAILQ_HEAD_INITIALIZER(pending);

/* ---- mailboxes ---- */

/* A host may have closed the set, against the rule, and the number may be a file of its own by now. */
static bool has_set(const struct gr_mailbox *box)
{
    return box->fd >= 0 && gr_port_set_holds(box->fd, box->wake_fd);
}

static void close_set(struct gr_mailbox *box)
{
    if (box->fd < 0)
        return;
    if (has_set(box))
        close(box->fd);
    close(box->wake_fd);
    box->fd = box->wake_fd = -1;
}

struct gr_mailbox *gr_mailbox_new(void)
{
    struct gr_mailbox *box = calloc(1, sizeof *box);
    if (!box)
        return NULL;
    box->refs = 1;
    box->fd = box->wake_fd = -1;
    gr_port_cond_init(&box->changed);
    gr_lane_init(&box->lane, GR_CLASS_API);
    TAILQ_INIT(&box->finished);
    gr_engine_lock();
    TAILQ_INSERT_TAIL(&boxes, box, link);
    gr_engine_unlock();
    return box;
}

void gr_mailbox_ref(struct gr_mailbox *box)
{
    box->refs++;
}

void gr_mailbox_unref(struct gr_mailbox *box)
{
    if (--box->refs > 0)
        return;
    TAILQ_REMOVE(&boxes, box, link);
    close_set(box);
    pthread_cond_destroy(&box->changed);
    free(box->events);
    free(box);
}

static void op_unref(struct gr_op *op);
static void take_from_box(struct gr_op *op);

void gr_mailbox_release(struct gr_mailbox *box)
{
    struct gr_op *op;
    gr_engine_lock();
    while ((op = TAILQ_FIRST(&box->finished))) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it has left the list when it is freed */
        take_from_box(op);
        op_unref(op);
    }
    box->abandoned = true;
    gr_mailbox_unref(box);
    gr_engine_unlock();
}

static void raise_box(struct gr_mailbox *box)
{
    if (!box->raised && box->fd >= 0)
        gr_port_wake_raise(box->wake_fd);
    box->raised = true;
}

/* A set that is readable when there is mail, and where there is no thread also when the engine has
 * something to do. -1: no descriptors left. */
static int new_set(struct gr_mailbox *box)
{
    int fd = gr_port_set_new(), engine_fd = gr_engine_fd(), wake_fd = gr_port_wake_new();
    if (fd >= 0 && engine_fd >= 0 && wake_fd >= 0 &&
        gr_port_set_put(fd, engine_fd, GR_WATCH_READABLE) &&
        gr_port_set_put(fd, wake_fd, GR_WATCH_READABLE)) {
        box->wake_fd = wake_fd;
        if (box->raised)
            gr_port_wake_raise(wake_fd);
        return fd;
    }
    if (fd >= 0)
        close(fd);
    if (wake_fd >= 0)
        close(wake_fd);
    return -1;
}

int gr_mailbox_fd(struct gr_mailbox *box)
{
    gr_engine_lock();
    if (!has_set(box)) {
        close_set(box);
        box->fd = new_set(box);
    }
    int fd = box->fd;
    gr_engine_unlock();
    return fd;
}

void gr_mailbox_wake(struct gr_mailbox *box)
{
    gr_engine_lock();
    raise_box(box);
    gr_engine_unlock();
}

static void lower_box(struct gr_mailbox *box)
{
    if (box->raised && box->fd >= 0)
        gr_port_wake_clear(box->wake_fd);
    box->raised = false;
}

static enum gr_mail fetch(struct gr_mailbox *box, struct gr_op **op, struct gr_event *event)
{
    if (box->count) {
        *event = box->events[box->first];
        event->dropped = box->dropped;
        box->dropped = 0;
        box->first = (box->first + 1) % EVENTS;
        box->count--;
        return GR_MAIL_EVENT;
    }
    *op = TAILQ_FIRST(&box->finished);
    if (*op) {
        take_from_box(*op);
        return GR_MAIL_OP; /* the list's reference becomes the caller's */
    }
    lower_box(box);
    return GR_MAIL_NONE;
}

enum gr_mail gr_mailbox_next(struct gr_mailbox *box, struct gr_op **op, struct gr_event *event)
{
    gr_engine_lock();
    enum gr_mail mail = fetch(box, op, event);
    gr_engine_unlock();
    return mail;
}

void gr_mailbox_post(struct gr_mailbox *box, const struct gr_event *event)
{
    if (box->abandoned)
        return;
    if (!box->events)
        box->events = calloc(EVENTS, sizeof *box->events);
    if (!box->events || box->count == EVENTS) {
        box->dropped++;
        if (!box->events)
            return;
        box->first = (box->first + 1) % EVENTS;
        box->count--;
    }
    box->events[(box->first + box->count++) % EVENTS] = *event;
    raise_box(box);
}

/* ---- ops: under the state lock ---- */

static void op_unref(struct gr_op *op)
{
    if (--op->refs > 0)
        return;
    gr_exchange_free(op->exchange);
    gr_secret_free(op->token);
    gr_mailbox_unref(op->box);
    free(op);
}

static void deliver(struct gr_op *op)
{
    if (op->box->abandoned)
        return;
    op->refs++;
    op->mailed = true;
    TAILQ_INSERT_TAIL(&op->box->finished, op, link);
    raise_box(op->box);
}

static void take_from_box(struct gr_op *op)
{
    TAILQ_REMOVE(&op->box->finished, op, link);
    op->mailed = false;
}

void gr_op_finish(struct gr_op *op, const struct gr_error *error)
{
    gr_engine_leave(&op->deadline);
    TAILQ_REMOVE(&pending, op, link);
    if (error)
        op->error = *error;
    op->done = true;
    if (op->watched)
        deliver(op);
    if (op->awaited) {
        pthread_cond_broadcast(&op->box->changed);
        gr_engine_ended();
    }
    op_unref(op);
}

/* Ends it from this side: what it waited for hears no more of it. */
static void give_up(struct gr_op *op, const struct gr_error *error)
{
    op->forget(op);
    gr_op_finish(op, error);
}

static void on_deadline(struct gr_timer *timer, double now)
{
    struct gr_op *op = (struct gr_op *)((char *)timer - offsetof(struct gr_op, deadline));
    struct gr_error error;
    (void)now;
    gr_error_set(&error, GR_E_TIMEOUT, "timeout", 0, true, "no token within %g s", op->timeout);
    give_up(op, &error);
}

void gr_op_no_resources(struct gr_error *error)
{
    gr_error_set(error, GR_E_TRANSPORT, "out_of_resources", 0, true,
                 "no memory or no descriptors left");
}

struct gr_op *gr_op_new(struct gr_mailbox *box, double timeout, void (*forget)(struct gr_op *))
{
    struct gr_op *op = calloc(1, sizeof *op);
    if (!op || !gr_engine_join()) {
        free(op);
        return NULL;
    }
    op->refs = 2; /* the caller's, and that of being pending */
    op->box = box;
    op->timeout = timeout;
    op->forget = forget;
    op->deadline.fire = on_deadline;
    box->refs++;
    TAILQ_INSERT_TAIL(&pending, op, link);
    if (timeout < INFINITY)
        gr_engine_arm(&op->deadline, gr_now() + timeout);
    return op;
}

/* ---- pauses ---- */

static void forget_nothing(struct gr_op *op)
{
    (void)op;
}

static void on_pause_over(struct gr_timer *timer, double now)
{
    struct gr_op *op = (struct gr_op *)((char *)timer - offsetof(struct gr_op, deadline));
    (void)now;
    gr_op_finish(op, NULL);
}

struct gr_op *gr_op_sleep(struct gr_mailbox *box, double seconds)
{
    gr_engine_lock();
    struct gr_error error;
    struct gr_op *op = gr_op_new(box, seconds, forget_nothing);
    if (op && gr_engine_start()) {
        op->deadline.fire = on_pause_over;
    } else if (op) {
        gr_op_no_resources(&error);
        gr_op_finish(op, &error);
    }
    gr_engine_unlock();
    return op; /* NOLINT(clang-analyzer-unix.Malloc): its second reference is the caller's */
}

/* ---- requests ---- */

static void on_answer(struct gr_exchange *exchange)
{
    struct gr_op *op = exchange->owner;
    gr_op_finish(op, &exchange->error);
}

static void forget_exchange(struct gr_op *op)
{
    struct gr_exchange *exchange = op->exchange;
    op->exchange = NULL;
    gr_engine_abort(exchange);
}

static struct gr_op *submit(struct gr_mailbox *box, struct gr_exchange *exchange)
{
    struct gr_error error;
    struct gr_op *op =
        gr_op_new(box, INFINITY, forget_exchange); /* the exchange has the deadline */
    if (!op)
        return NULL;
    op->exchange = exchange;
    exchange->finished = on_answer;
    exchange->owner = op;
    if (!gr_engine_submit(exchange, &box->lane)) {
        gr_op_no_resources(&error);
        gr_op_finish(op, &error);
    }
    return op; /* NOLINT(clang-analyzer-unix.Malloc): its second reference is the caller's */
}

struct gr_op *gr_op_request(struct gr_mailbox *box, const struct gr_request *request)
{
    struct gr_exchange *exchange = gr_exchange_new(request);
    if (!exchange)
        return NULL;
    gr_engine_lock();
    struct gr_op *op = submit(box, exchange);
    gr_engine_unlock();
    if (!op)
        gr_exchange_free(exchange);
    return op;
}

/* ---- what anybody may do with one ---- */

void gr_op_release(struct gr_op *op)
{
    struct gr_exchange *answer = NULL;
    gr_engine_lock();
    if (op->refs == 1) {
        answer = op->exchange;
        op->exchange = NULL;
    }
    op_unref(op);
    gr_engine_unlock();
    gr_exchange_free(answer); /* zeroing 16 MiB takes a while: not under the lock */
}

/* The host's exit handlers may wait for what nobody will bring forward any more. */
static void end_at_exit(struct gr_op *op)
{
    struct gr_error error;
    if (op->done || !gr_engine_over())
        return;
    gr_error_set(&error, GR_E_CANCELLED, "exit", 0, false, "the program is ending");
    give_up(op, &error); /* its second reference is the caller's */
}

bool gr_op_done(struct gr_op *op)
{
    gr_engine_lock();
    end_at_exit(op);
    bool done = op->done; /* NOLINT(clang-analyzer-unix.Malloc): see there */
    if (!done)
        gr_engine_attend(); /* it is asked about, not waited for */
    gr_engine_unlock();
    return done;
}

bool gr_op_wait(struct gr_op *op, double seconds)
{
    gr_engine_lock();
    end_at_exit(op);
    op->awaited = true; /* NOLINT(clang-analyzer-unix.Malloc): see there */
    gr_engine_wait(&op->box->changed, &op->done, gr_now() + seconds);
    bool done = op->done;
    gr_engine_unlock();
    return done;
}

bool gr_op_cancel(struct gr_op *op)
{
    struct gr_error error;
    gr_engine_lock();
    bool running = !op->done;
    if (running) {
        gr_error_set(&error, GR_E_CANCELLED, "cancelled", 0, false, "the call was cancelled");
        give_up(op, &error);
    }
    gr_engine_unlock();
    return running;
}

void gr_op_watch(struct gr_op *op)
{
    gr_engine_lock();
    if (!op->done)
        gr_engine_attend();
    else if (!op->watched)
        deliver(op);
    op->watched = true;
    gr_engine_unlock();
}

struct gr_exchange *gr_op_take(struct gr_op *op)
{
    gr_engine_lock();
    struct gr_exchange *answer = op->done ? op->exchange : NULL;
    if (op->done)
        op->exchange = NULL;
    if (op->mailed) {
        take_from_box(op);
        op_unref(op);
    }
    gr_engine_unlock();
    return answer;
}

/* ---- the engine's hooks ---- */

void gr_op_stopped(void)
{
    struct gr_op *op;
    struct gr_error error;
    gr_error_set(&error, GR_E_CANCELLED, "shutdown", 0, true, "the engine was shut down");
    while ((op = TAILQ_FIRST(&pending)))
        give_up(op, &error);
}

void gr_op_forked(void)
{
    struct gr_mailbox *box;
    TAILQ_FOREACH (box, &boxes, link) {
        gr_port_cond_init(&box->changed);
        box->raised =
            box->raised || !TAILQ_EMPTY(&pending); /* a host sets the engine going again */
        if (!has_set(box)) {
            close_set(box);
            continue;
        }
        close(box->wake_fd);
        box->wake_fd = -1;
        int fresh = new_set(box);
        if (fresh >= 0)
            gr_port_replace(box->fd, fresh);
    }
}
