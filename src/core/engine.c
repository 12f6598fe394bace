#include "engine.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "port.h"
#include "secret.h"

enum {
    IDLE_POLL_MS = 3600 * 1000,
    SPARE_HANDLES = 16,
    EXIT_WAIT_S = 1,
    STOP_WAIT_S = 2,
    SIGNS = 64
};

/* How long the thread stays away after a caller has driven, seconds: long enough for the next of a row
 * of calls to find the role free, so that none of them pays for a change of threads. */
#define GRACE 0.05

TAILQ_HEAD(exchange_list, gr_exchange);
TAILQ_HEAD(lane_list, gr_lane);

struct class
{
    struct lane_list lanes; /* those with something queued */
    unsigned running, limit;
};

static struct {
    pthread_mutex_t lock;      /* the state lock */
    pthread_mutex_t curl_lock; /* the libcurl lock */
    pthread_cond_t role;       /* the driver's role is free, or an exchange has ended */
    pthread_cond_t parked;     /* the thread has to look again */
    struct class classes[GR_CLASS_COUNT];
    struct gr_timers timers;
    double timer_set; /* what timer_fd is set to */
    double
        transfer; /* where a host polls: when libcurl wants to be called even if nothing happens */
    int wake_fd, timer_fd;
    int host_fd;       /* a set for hosts that poll, made when one first asks for it */
    unsigned users[2]; /* by whether they want a thread */
    bool ready;        /* the descriptors are there */
    bool threaded;     /* there is a thread: what nobody waits for gets done, too */
    bool denied;       /* none can be had */
    bool watched;      /* host_fd holds wake_fd and timer_fd: there is no thread */
    bool look_again;   /* a host's sign has been missed or taken while somebody drove */
    bool driving;      /* somebody is in step() */
    bool asleep;       /* and polls, or is about to: wake it */
    bool caller;       /* a caller does, for as long as what it waits for is not done */
    bool ended;        /* something that may be waited for has ended since step() began */
    unsigned takers;   /* callers that wait for the thread to leave step() to them */
    double park_until; /* the thread leaves the role to callers until then */
    bool stopping;
    bool sweep;      /* a running exchange is marked `ending` */
    unsigned active; /* exchanges queued or running */

    /* the driver's own, under the libcurl lock */
    CURLM *multi;
    bool guarded; /* there was TLS, or a name to resolve */
    struct exchange_list running;
    CURL *spare[SPARE_HANDLES];
    unsigned spares;
    int *sockets;
    size_t socket_count, socket_capacity;
    bool sockets_watched; /* host_fd holds them, too */
} engine = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .curl_lock = PTHREAD_MUTEX_INITIALIZER,
    .wake_fd = -1,
    .timer_fd = -1,
    .host_fd = -1,
    .timer_set = INFINITY,
    .transfer = INFINITY,
};

static struct gr_engine_hooks hooks;

/* This thread is in exit() and has the libcurl lock for good: it may not do I/O any more, and what the
 * host's other exit handlers call must not wait for that lock. */
static _Thread_local bool exiting;

void gr_engine_lock(void)
{
    pthread_mutex_lock(&engine.lock);
}

void gr_engine_unlock(void)
{
    pthread_mutex_unlock(&engine.lock);
}

bool gr_engine_threaded(void)
{
    return engine.threaded;
}

void gr_engine_count(bool wanted, int change)
{
    engine.users[wanted] += (unsigned)change;
}

/* Where nobody drives and there is no thread, it is the host that has to be woken. */
static void wake(void)
{
    if (engine.asleep || (engine.watched && !engine.driving && !engine.stopping))
        gr_port_wake_raise(engine.wake_fd);
    engine.asleep = false;
}

/* Calls a parked thread to the wheel: something is to be done that no caller waits for. */
static void kick(void)
{
    engine.park_until = 0;
    if (engine.threaded && !engine.driving)
        pthread_cond_signal(&engine.parked);
}

void gr_engine_attend(void)
{
    if (engine.threaded && !engine.driving)
        kick();
}

void gr_engine_ended(void)
{
    engine.ended = true;
    if (engine.caller)
        wake();
    pthread_cond_broadcast(&engine.role);
}

/* ---- timers ---- */

void gr_engine_arm(struct gr_timer *timer, double at)
{
    gr_timers_arm(&engine.timers, timer, at);
    if (at < engine.timer_set && engine.ready) {
        engine.timer_set = at;
        gr_port_timer_set(engine.timer_fd, at);
    }
    if (at < engine.park_until)
        kick();
}

void gr_engine_disarm(struct gr_timer *timer)
{
    gr_timers_disarm(&engine.timers, timer);
}

/* Makes the descriptor fire for the earliest timer. It may be set too early, never too late. */
static void set_timer(void)
{
    double first = fmin(gr_timers_first(&engine.timers), engine.transfer);
    bool over =
        engine.timer_set <= gr_now(); /* it has fired, for timers that have been run since */
    if (first < engine.timer_set || (over && first < INFINITY)) {
        engine.timer_set = first;
        gr_port_timer_set(engine.timer_fd, first);
    }
}

/* ---- queues ---- */

void gr_lane_init(struct gr_lane *lane, enum gr_class class)
{
    lane->class = class;
    lane->queued = false;
    TAILQ_INIT(&lane->exchanges);
}

static void lane_join(struct gr_lane *lane)
{
    if (!lane->queued)
        TAILQ_INSERT_TAIL(&engine.classes[lane->class].lanes, lane, link);
    lane->queued = true;
}

static void lane_leave(struct gr_lane *lane)
{
    if (lane->queued)
        TAILQ_REMOVE(&engine.classes[lane->class].lanes, lane, link);
    lane->queued = false;
}

static void dequeue(struct gr_exchange *exchange)
{
    struct gr_lane *lane = exchange->lane;
    exchange->lane = NULL; /* its submitter may go before it ends */
    TAILQ_REMOVE(&lane->exchanges, exchange, link);
    lane_leave(lane);
    if (!TAILQ_EMPTY(&lane->exchanges))
        lane_join(lane); /* behind the other lanes: they take turns */
}

/* The end of an exchange that is in no list any more. */
static void finish(struct gr_exchange *exchange)
{
    gr_engine_disarm(&exchange->deadline);
    exchange->state = GR_EXCHANGE_IDLE;
    engine.active--;
    if (exchange->cancelled)
        gr_error_set(&exchange->error, GR_E_CANCELLED, "cancelled", 0, false,
                     "the call was cancelled");
    if (exchange->orphaned)
        gr_exchange_free(exchange);
    else
        exchange->finished(exchange);
    pthread_cond_broadcast(&engine.role); /* for drain() */
}

static void end_early(struct gr_exchange *exchange)
{
    if (exchange->state == GR_EXCHANGE_QUEUED) {
        dequeue(exchange);
        finish(exchange);
    } else {
        exchange->ending = true;
        engine.sweep = true;
        wake();
    }
}

static void on_deadline(struct gr_timer *timer, double now)
{
    struct gr_exchange *exchange =
        (struct gr_exchange *)((char *)timer - offsetof(struct gr_exchange, deadline));
    (void)now;
    gr_error_set(&exchange->error, GR_E_TIMEOUT, "timeout", 0, true, "no answer within %g s",
                 exchange->timeout);
    end_early(exchange);
}

bool gr_engine_submit(struct gr_exchange *exchange, struct gr_lane *lane)
{
    if (!gr_engine_start())
        return false;
    exchange->lane = lane;
    exchange->class = lane->class;
    exchange->state = GR_EXCHANGE_QUEUED;
    exchange->deadline.fire = on_deadline;
    gr_engine_arm(&exchange->deadline, gr_now() + exchange->timeout);
    TAILQ_INSERT_TAIL(&lane->exchanges, exchange, link);
    lane_join(lane);
    engine.active++;
    wake();
    return true;
}

void gr_engine_abort(struct gr_exchange *exchange)
{
    exchange->orphaned = true;
    end_early(exchange);
}

void gr_engine_cancel(struct gr_exchange *exchange)
{
    exchange->cancelled = true; /* its error is the driver's to write */
    end_early(exchange);
}

/* ---- for hosts that poll ---- */

/* Keeps what host_fd holds right: nothing where a thread sees to it. Whoever drives next does so for the
 * sockets, which are the driver's. State lock. */
static void watch_signs(void)
{
    bool wanted = engine.host_fd >= 0 && engine.ready && !engine.threaded;
    enum gr_watch watch = wanted ? GR_WATCH_SIGNALS : GR_WATCH_NOTHING;
    if (wanted == engine.watched)
        return;
    engine.watched = wanted;
    gr_port_set_put(engine.host_fd, engine.wake_fd, watch);
    gr_port_set_put(engine.host_fd, engine.timer_fd, watch);
    set_timer();
    if (engine.active) { /* there may be sockets */
        engine.look_again = true;
        wake();
    }
}

/* Libcurl lock. */
static void watch_sockets(bool wanted)
{
    if (wanted == engine.sockets_watched)
        return;
    engine.sockets_watched = wanted;
    for (size_t i = 0; i < engine.socket_count; i++)
        gr_port_set_put(engine.host_fd, engine.sockets[i],
                        wanted ? GR_WATCH_CHANGES : GR_WATCH_NOTHING);
}

int gr_engine_fd(void)
{
    if (engine.host_fd < 0)
        engine.host_fd = gr_port_set_new();
    watch_signs();
    return engine.host_fd;
}

/* Makes host_fd not readable, before a step that sees to all there is. Where somebody else drives the
 * signs are taken as well, or the host would spin; that driver hands over to the host. State lock. */
static void take_signs(void)
{
    int fds[SIGNS], count;
    do {
        count = gr_port_set_take(engine.host_fd, fds, SIGNS);
        for (int i = 0; i < count && !engine.driving; i++) {
            if (fds[i] == engine.wake_fd || fds[i] == engine.timer_fd)
                gr_port_wake_clear(fds[i]);
            if (fds[i] == engine.timer_fd)
                engine.timer_set = INFINITY;
        }
    } while (count == SIGNS);
    engine.look_again = true;
}

/* ---- sockets: recorded, so that a forked child can close its copies ---- */

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)arg, (void)purpose;
    if (engine.socket_count == engine.socket_capacity) {
        size_t capacity = engine.socket_capacity ? engine.socket_capacity * 2 : 64;
        int *sockets = realloc(engine.sockets, capacity * sizeof *sockets);
        if (!sockets)
            return CURL_SOCKET_BAD;
        engine.sockets = sockets;
        engine.socket_capacity = capacity;
    }
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    if (engine.sockets_watched && !gr_port_set_put(engine.host_fd, fd, GR_WATCH_CHANGES)) {
        close(fd);
        return CURL_SOCKET_BAD;
    }
    engine.sockets[engine.socket_count++] = fd;
    return fd;
}

static int on_close(void *arg, curl_socket_t fd)
{
    (void)arg;
    for (size_t i = 0; i < engine.socket_count; i++) {
        if (engine.sockets[i] == fd) {
            engine.sockets[i] = engine.sockets[--engine.socket_count];
            break;
        }
    }
    if (engine.sockets_watched)
        gr_port_set_put(engine.host_fd, fd, GR_WATCH_NOTHING);
    return close(fd);
}

/* ---- libcurl handles ---- */

static CURL *take_handle(void)
{
    return engine.spares ? engine.spare[--engine.spares] : curl_easy_init();
}

/* A handle that carried a secret is not kept: it holds a copy of what it sent until it is freed. */
static void drop_handle(struct gr_exchange *exchange)
{
    CURL *easy = exchange->easy;
    bool keep = exchange->class == GR_CLASS_API && engine.spares < SPARE_HANDLES;
    exchange->easy = NULL;
    if (!easy)
        return;
    if (!keep) {
        curl_easy_cleanup(easy);
        return;
    }
    curl_easy_reset(easy);
    engine.spare[engine.spares++] = easy;
}

static bool add_handle(struct gr_exchange *exchange)
{
    if (exchange->prepare && !exchange->prepare(exchange))
        return false;
    CURL *easy = take_handle();
    if (!easy || !engine.multi) {
        gr_error_set(&exchange->error, GR_E_TRANSPORT, "out_of_memory", 0, true, "out of memory");
        curl_easy_cleanup(easy);
        return false;
    }
    exchange->easy = easy;
    if (!gr_exchange_open(exchange, easy))
        return false;
    engine.guarded = engine.guarded || !exchange->plain;
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    if (curl_multi_add_handle(engine.multi, easy) == CURLM_OK)
        return true;
    gr_error_set(&exchange->error, GR_E_TRANSPORT, "transfer_failed", 0, true,
                 "libcurl did not take the request");
    return false;
}

static CURLM *multi_new(void)
{
    CURLM *multi = curl_multi_init();
    if (multi) {
        curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
        curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 64L);
    }
    return multi;
}

/* ---- one step ---- */

/* Takes what may start out of the queues, the lanes of a class in turn. State lock. */
static void pick(struct exchange_list *fresh)
{
    for (int i = 0; i < GR_CLASS_COUNT; i++) {
        struct class *class = &engine.classes[i];
        while (class->running < class->limit && !TAILQ_EMPTY(&class->lanes)) {
            struct gr_exchange *exchange = TAILQ_FIRST(&TAILQ_FIRST(&class->lanes)->exchanges);
            dequeue(exchange);
            exchange->state = GR_EXCHANGE_RUNNING;
            class->running++;
            TAILQ_INSERT_TAIL(fresh, exchange, link);
        }
    }
}

/* Takes those whose end has come out of the running ones. State lock. */
static void sweep(struct exchange_list *gone)
{
    struct gr_exchange *exchange, *next;
    if (!engine.sweep)
        return;
    engine.sweep = false;
    for (exchange = TAILQ_FIRST(&engine.running); exchange; exchange = next) {
        next = TAILQ_NEXT(exchange, link);
        if (!exchange->ending)
            continue;
        TAILQ_REMOVE(&engine.running, exchange, link);
        TAILQ_INSERT_TAIL(gone, exchange, link);
    }
}

static void start_all(struct exchange_list *fresh, struct exchange_list *done)
{
    struct gr_exchange *exchange;
    while ((exchange = TAILQ_FIRST(fresh))) {
        TAILQ_REMOVE(fresh, exchange, link);
        if (add_handle(exchange)) {
            TAILQ_INSERT_TAIL(&engine.running, exchange, link);
        } else {
            drop_handle(exchange);
            TAILQ_INSERT_TAIL(done, exchange, link);
        }
    }
}

static void remove_all(struct exchange_list *gone, struct exchange_list *done)
{
    struct gr_exchange *exchange;
    while ((exchange = TAILQ_FIRST(gone))) {
        TAILQ_REMOVE(gone, exchange, link);
        curl_multi_remove_handle(engine.multi, exchange->easy);
        drop_handle(exchange);
        TAILQ_INSERT_TAIL(done, exchange, link);
    }
}

static void collect(struct exchange_list *done)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(engine.multi, &left))) {
        CURL *easy = message->easy_handle;
        CURLcode code = message->data.result;
        char *owner = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &owner);
        struct gr_exchange *exchange = (struct gr_exchange *)(void *)owner;
        gr_exchange_close(exchange, code);
        curl_multi_remove_handle(engine.multi, easy);
        drop_handle(exchange);
        TAILQ_REMOVE(&engine.running, exchange, link);
        TAILQ_INSERT_TAIL(done, exchange, link);
    }
}

/* Where libcurl may write to a closed TLS connection or start a thread that resolves a name, a caller's
 * thread blocks its signals: SIGPIPE is not the host's to see, and the new thread inherits the mask.
 * Plain connections are written to without SIGPIPE. The engine's own thread has them blocked anyway. */
static void transfer(struct exchange_list *gone, struct exchange_list *done, bool by_caller)
{
    struct gr_signals saved;
    int running;
    bool guard = engine.guarded && by_caller;
    if (guard)
        gr_port_signals_block(&saved);
    remove_all(gone, done);
    curl_multi_perform(engine.multi, &running);
    collect(done);
    if (guard)
        gr_port_signals_restore(&saved);
}

/* State lock. */
static void finish_all(struct exchange_list *done)
{
    struct gr_exchange *exchange;
    while ((exchange = TAILQ_FIRST(done))) {
        TAILQ_REMOVE(done, exchange, link);
        engine.classes[exchange->class].running--;
        finish(exchange);
    }
}

/* When libcurl wants to be called even if nothing happens: time-outs of its own, a name to resolve. */
static double transfer_due(void)
{
    long ms = -1;
    if (!engine.sockets_watched || curl_multi_timeout(engine.multi, &ms) != CURLM_OK || ms < 0)
        return INFINITY;
    return gr_now() + (double)ms / 1000;
}

static bool can_start(void)
{
    for (int i = 0; i < GR_CLASS_COUNT; i++)
        if (engine.classes[i].running < engine.classes[i].limit &&
            !TAILQ_EMPTY(&engine.classes[i].lanes))
            return true;
    return false;
}

/* Everything that can be done without waiting. Returns whether it is time to wait: not before whoever
 * drives has looked whether what ended is what it waits for. */
static bool work(bool by_caller)
{
    struct exchange_list fresh = TAILQ_HEAD_INITIALIZER(fresh);
    struct exchange_list gone = TAILQ_HEAD_INITIALIZER(gone);
    struct exchange_list done = TAILQ_HEAD_INITIALIZER(done);

    gr_engine_lock();
    gr_timers_run(&engine.timers, gr_now());
    sweep(&gone);
    pick(&fresh);
    bool watched = engine.watched;
    gr_engine_unlock();

    watch_sockets(watched);
    if (!engine.multi)
        engine.multi = multi_new();
    start_all(&fresh, &done);
    transfer(&gone, &done, by_caller);
    double due = transfer_due();

    gr_engine_lock();
    engine.transfer = due;
    finish_all(&done);
    bool idle = !engine.ended && !can_start() && !engine.sweep && !engine.stopping;
    set_timer();
    engine.asleep = idle;
    gr_engine_unlock();
    return idle;
}

static void doze(double seconds)
{
    struct curl_waitfd extra[] = {
        {.fd = engine.wake_fd, .events = CURL_WAIT_POLLIN},
        {.fd = engine.timer_fd, .events = CURL_WAIT_POLLIN},
    };
    int ms = seconds < IDLE_POLL_MS / 1000.0 ? (int)ceil(seconds * 1000) : IDLE_POLL_MS;
    curl_multi_poll(engine.multi, extra, 2, ms, NULL);

    gr_engine_lock();
    engine.asleep = false;
    if (extra[0].revents)
        gr_port_wake_clear(engine.wake_fd);
    if (extra[1].revents) {
        gr_port_timer_clear(engine.timer_fd);
        engine.timer_set = INFINITY;
    }
    gr_engine_unlock();
}

/* The body of the engine's loop: works, then waits for more, at most for `seconds`. */
static void step(double seconds, bool by_caller)
{
    pthread_mutex_lock(&engine.curl_lock);
    bool idle = work(by_caller);
    pthread_mutex_unlock(&engine.curl_lock);
    if (idle && engine.multi)
        doze(seconds);
}

/* The step of a host that polls: works and does not wait. Returns whether libcurl could go on at once:
 * it may leave a part of what has arrived unread, of which a socket in host_fd gives no second sign. */
static bool glance(void)
{
    int count = 0;
    pthread_mutex_lock(&engine.curl_lock);
    work(true);
    if (engine.multi && engine.sockets_watched)
        curl_multi_wait(engine.multi, NULL, 0, 0, &count);
    pthread_mutex_unlock(&engine.curl_lock);
    return count > 0;
}

/* ---- who drives ---- */

/* The role is only ever taken and left under the state lock. */
static void drive(double seconds, bool by_caller)
{
    engine.driving = true;
    engine.ended = false;
    gr_engine_unlock();
    step(seconds, by_caller);
    gr_engine_lock();
    engine.driving = false;
}

/* A caller drives, or did a moment ago. Nothing is missed: it handles all there is while it drives, and
 * calls the thread when it leaves work behind. */
static void park(double now)
{
    double until = fmin(engine.park_until, gr_timers_first(&engine.timers));
    if (engine.driving || engine.takers)
        until = now + GRACE;
    gr_port_cond_wait(&engine.parked, &engine.lock, until - now);
}

static void *run(void *arg)
{
    (void)arg;
    gr_engine_lock();
    while (!engine.stopping) {
        double now = gr_now();
        if (engine.driving || engine.takers ||
            (now < engine.park_until && now < gr_timers_first(&engine.timers))) {
            park(now);
            continue;
        }
        drive(INFINITY, false);
        if (engine.takers)
            pthread_cond_broadcast(&engine.role);
    }
    engine.threaded = false;
    pthread_cond_broadcast(&engine.role);
    gr_engine_unlock();
    return NULL;
}

static bool open_descriptors(void)
{
    if (engine.ready)
        return true;
    engine.wake_fd = gr_port_wake_new();
    engine.timer_fd = gr_port_timer_new();
    engine.timer_set = INFINITY;
    engine.ready = engine.wake_fd >= 0 && engine.timer_fd >= 0;
    if (!engine.ready) {
        close(engine.wake_fd);
        close(engine.timer_fd);
    }
    return engine.ready;
}

bool gr_engine_start(void)
{
    if (engine.threaded)
        return true;
    if (!open_descriptors())
        return false;
    set_timer();
    bool wanted = engine.users[true] || !engine.users[false];
    if (wanted && !engine.denied && !engine.stopping) {
        engine.threaded = gr_port_thread(run, NULL);
        engine.denied = !engine.threaded;
    }
    watch_signs();
    return true;
}

/* A caller leaves the role: to the thread, if there is something left to do soon, or to the host, which
 * has to look once, as what woke this caller at last is not done. */
static void leave_role(void)
{
    double now = gr_now();
    engine.park_until = now + GRACE;
    if (engine.active || gr_timers_first(&engine.timers) < engine.park_until)
        kick();
    if (engine.watched)
        set_timer();
    if (engine.watched && (engine.active || engine.look_again))
        wake();
    engine.look_again = false;
}

static void drive_until(const bool *done, double until)
{
    engine.caller = true;
    while (!*done && !engine.stopping && gr_now() < until)
        drive(until - gr_now(), true);
    engine.caller = false;
    pthread_cond_broadcast(&engine.role);
}

/* The thread drives, for this caller alone: it takes over, which spares each later call of a row two
 * changes of threads. */
static void take_role(double seconds)
{
    engine.takers++;
    wake();
    gr_port_cond_wait(&engine.role, &engine.lock, seconds);
    engine.takers--;
}

void gr_engine_wait(pthread_cond_t *cond, const bool *done, double until)
{
    if (*done || exiting)
        return;
    while (!*done && gr_now() < until) {
        double left = until - gr_now();
        if (engine.stopping || !gr_engine_start())
            gr_port_cond_wait(&engine.role, &engine.lock, fmin(left, 1));
        else if (!engine.driving)
            drive_until(done, until);
        else if (!engine.threaded)
            gr_port_cond_wait(&engine.role, &engine.lock, fmin(left, 1));
        else if (engine.active <= 1 && !engine.takers && engine.asleep)
            take_role(left);
        else
            gr_port_cond_wait(cond, &engine.lock, left);
    }
    if (!engine.driving)
        leave_role();
}

/* Nobody drives. Whatever it leaves behind that can go on at once calls the host again. */
static void pump(void)
{
    engine.driving = true;
    engine.look_again = false;
    gr_engine_unlock();
    bool more = glance();
    gr_engine_lock();
    engine.driving = engine.asleep = false;
    if (more || engine.look_again || engine.sweep || can_start())
        wake();
    if (engine.threaded)
        kick(); /* it has been started meanwhile */
    pthread_cond_broadcast(&engine.role);
}

void gr_engine_pump(void)
{
    gr_engine_lock();
    if (!engine.threaded && !engine.ready && engine.timers.count)
        gr_engine_start(); /* after a fork, with calls still to be answered */
    if (engine.watched && !engine.stopping && !exiting)
        take_signs();
    if (!engine.threaded && !engine.driving && !engine.stopping && !exiting && engine.ready)
        pump();
    gr_engine_unlock();
}

/* ---- the end ---- */

/* State lock; nobody drives. The handles are left to the caller. */
static void cancel_list(struct exchange_list *list, const char *code, const char *message)
{
    struct gr_exchange *exchange;
    while ((exchange = TAILQ_FIRST(list))) {
        TAILQ_REMOVE(list, exchange, link);
        gr_error_set(&exchange->error, GR_E_CANCELLED, code, 0, true, "%s", message);
        finish(exchange);
    }
}

static void cancel_all(const char *code, const char *message)
{
    struct exchange_list all = TAILQ_HEAD_INITIALIZER(all);
    TAILQ_CONCAT(&all, &engine.running, link);
    for (int i = 0; i < GR_CLASS_COUNT; i++) {
        struct gr_lane *lane;
        engine.classes[i].running = 0;
        while ((lane = TAILQ_FIRST(&engine.classes[i].lanes))) {
            TAILQ_CONCAT(&all, &lane->exchanges, link);
            lane_leave(lane);
        }
    }
    cancel_list(&all, code, message);
}

/* Nobody drives. Closing a TLS connection writes to it. */
static void clean_up(void)
{
    struct gr_exchange *exchange;
    struct gr_signals saved;
    pthread_mutex_lock(&engine.curl_lock);
    gr_port_signals_block(&saved);
    TAILQ_FOREACH (exchange, &engine.running, link) {
        curl_multi_remove_handle(engine.multi, exchange->easy);
        drop_handle(exchange);
    }
    while (engine.spares)
        curl_easy_cleanup(engine.spare[--engine.spares]);
    curl_multi_cleanup(engine.multi);
    engine.multi = NULL;
    gr_port_signals_restore(&saved);
    pthread_mutex_unlock(&engine.curl_lock);
}

/* Whether nobody drives any more. Keeps callers from it until the caller of this resets `stopping`. */
static bool stop(void)
{
    double until = gr_now() + STOP_WAIT_S;
    engine.stopping = true;
    wake();
    pthread_cond_signal(&engine.parked);
    pthread_cond_broadcast(&engine.role);
    while ((engine.threaded || engine.driving) && gr_now() < until)
        gr_port_cond_wait(&engine.role, &engine.lock, until - gr_now());
    return !engine.threaded && !engine.driving;
}

static void drain(double seconds)
{
    double until = gr_now() + seconds;
    const bool never = false;
    while (engine.active && gr_now() < until)
        gr_engine_wait(&engine.role, &never, fmin(until, gr_now() + 0.1));
}

bool gr_engine_shutdown(double seconds)
{
    if (exiting)
        return false;
    gr_engine_lock();
    drain(seconds);
    while (engine.stopping) /* somebody else shuts it down, too */
        gr_port_cond_wait(&engine.role, &engine.lock, 1);
    bool clean = engine.active == 0;
    bool stopped = stop();
    if (stopped) {
        gr_engine_unlock();
        clean_up();
        gr_engine_lock();
        cancel_all("shutdown", "the engine was shut down");
        hooks.stopped();
    }
    engine.stopping = false;
    pthread_cond_broadcast(&engine.role);
    gr_engine_unlock();
    return clean && stopped;
}

/* ---- fork and exit ---- */

static void before_fork(void)
{
    if (!exiting)
        pthread_mutex_lock(&engine.curl_lock);
    gr_engine_lock();
    gr_secret_before_fork();
}

static void unlock_after_fork(void)
{
    gr_engine_unlock();
    if (!exiting)
        pthread_mutex_unlock(&engine.curl_lock);
}

static void in_parent(void)
{
    gr_secret_after_fork(false);
    unlock_after_fork();
}

/* The libcurl handles are the parent's twins: using or freeing one would write to a connection that the
 * parent is using. They stay where they are, out of reach but referenced. */
static void leave_handles(void)
{
    static CURLM *left_behind;
    struct gr_exchange *exchange;
    left_behind = engine.multi;
    (void)left_behind;
    engine.multi = NULL;
    engine.spares = 0;
    TAILQ_FOREACH (exchange, &engine.running, link)
        exchange->easy = NULL;
    for (size_t i = 0; i < engine.socket_count; i++)
        close(engine.sockets[i]);
    engine.socket_count = 0;
}

static void in_child(void)
{
    gr_secret_after_fork(true);
    leave_handles();
    if (engine.ready) {
        close(engine.wake_fd);
        close(engine.timer_fd);
    }
    if (engine.host_fd >= 0)
        close(engine.host_fd); /* a copy: what it holds is the parent's */
    engine.host_fd = -1;
    engine.ready = engine.threaded = engine.driving = engine.caller = false;
    engine.asleep = engine.stopping = engine.watched = engine.sockets_watched = false;
    engine.timer_set = engine.transfer = INFINITY;
    engine.takers = 0;
    engine.park_until = 0;
    gr_port_cond_init(&engine.role);
    gr_port_cond_init(&engine.parked);
    hooks.forked();
    cancel_all("forked", "the process was forked during the request");
    unlock_after_fork();
}

static void at_exit(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += EXIT_WAIT_S;
    exiting = pthread_mutex_timedlock(&engine.curl_lock, &until) == 0;
}

/* ---- once ---- */

static void zeroing_free(void *memory)
{
    if (memory)
        gr_zero(memory, malloc_usable_size(memory));
    free(memory);
}

static void *zeroing_realloc(void *memory, size_t size)
{
    size_t old = memory ? malloc_usable_size(memory) : 0;
    if (size <= old && size > old / 2)
        return memory;
    void *fresh = malloc(size);
    if (!fresh)
        return NULL;
    memcpy(fresh, memory ? memory : "", old < size ? old : size);
    zeroing_free(memory);
    return fresh;
}

static void init(void)
{
    static const unsigned limits[GR_CLASS_COUNT] = {[GR_CLASS_TOKEN] = 32, [GR_CLASS_API] = 64};
    for (int i = 0; i < GR_CLASS_COUNT; i++) {
        TAILQ_INIT(&engine.classes[i].lanes);
        engine.classes[i].limit = limits[i];
    }
    TAILQ_INIT(&engine.running);
    gr_port_cond_init(&engine.role);
    gr_port_cond_init(&engine.parked);
    gr_port_pin();
    /* Where the host has initialised libcurl before, its allocator stays; that cannot be told from here. */
    curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, zeroing_free, zeroing_realloc, strdup,
                         calloc);
    pthread_atfork(before_fork, in_parent, in_child);
    atexit(at_exit);
}

void gr_engine_init(const struct gr_engine_hooks *given)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    hooks = *given;
    pthread_once(&once, init);
}
