#include "engine.h"

#include <math.h>
#include <stddef.h>
#include <unistd.h>

#include "clock.h"
#include "engine_state.h"
#include "port.h"

/* How long the thread stays away after a caller has driven, seconds: long enough for the next of a row
 * of calls to find the role free, so that none of them pays for a change of threads. */
#define GRACE 0.05

#define DENIED 10.0 /* seconds until a thread that the system has not given is asked for again */
#define SOON   0.1  /* seconds until who could not get descriptors looks again */

struct gr_engine gr_engine = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .curl_lock = PTHREAD_MUTEX_INITIALIZER,
    .curl_door = PTHREAD_MUTEX_INITIALIZER,
    .wake_fd = -1,
    .timer_fd = -1,
    .host_fd = -1,
    .timer_set = INFINITY,
    .transfer = INFINITY,
};

void gr_engine_lock(void)
{
    pthread_mutex_lock(&gr_engine.lock);
}

void gr_engine_unlock(void)
{
    pthread_mutex_unlock(&gr_engine.lock);
}

void gr_engine_lock_curl(void)
{
    pthread_mutex_lock(&gr_engine.curl_door);
    pthread_mutex_lock(&gr_engine.curl_lock);
    pthread_mutex_unlock(&gr_engine.curl_door);
}

void gr_engine_unlock_curl(void)
{
    pthread_mutex_unlock(&gr_engine.curl_lock);
}

bool gr_engine_threaded(void)
{
    return gr_engine.threaded;
}

void gr_engine_count(bool wanted, int change)
{
    gr_engine.users[wanted] += (unsigned)change;
}

/* Where nobody drives and there is no thread, it is the host that has to be woken. */
void gr_engine_wake(void)
{
    if (gr_engine.asleep || (gr_engine.watched && !gr_engine.driving && !gr_engine.stopping))
        gr_port_wake_raise(gr_engine.wake_fd);
    gr_engine.asleep = false;
}

/* Calls a parked thread to the wheel: something is to be done that no caller waits for. */
static void kick(void)
{
    gr_engine.park_until = 0;
    if (gr_engine.threaded && !gr_engine.driving)
        pthread_cond_signal(&gr_engine.parked);
}

void gr_engine_attend(void)
{
    if (gr_engine.threaded && !gr_engine.driving)
        kick();
}

void gr_engine_ended(void)
{
    gr_engine.ended = true;
    if (gr_engine.caller)
        gr_engine_wake();
    pthread_cond_broadcast(&gr_engine.role);
}

/* ---- timers ---- */

bool gr_engine_join(void)
{
    return gr_timers_join(&gr_engine.timers);
}

void gr_engine_leave(struct gr_timer *timer)
{
    gr_timers_leave(&gr_engine.timers, timer);
}

/* Where it cannot be set, who drives does not sleep long, and a host looks again at once. */
static void set_timer(double at)
{
    gr_engine.untimed = !gr_port_timer_set(gr_engine.timer_fd, at);
    gr_engine.timer_set = gr_engine.untimed ? INFINITY : at;
    if (gr_engine.untimed && (!gr_engine.driving || gr_engine.asleep))
        gr_port_wake_raise(gr_engine.wake_fd);
}

void gr_engine_arm(struct gr_timer *timer, double at)
{
    gr_timers_arm(&gr_engine.timers, timer, at);
    if (at < gr_engine.timer_set && gr_engine.ready)
        set_timer(at);
    if (at < gr_engine.park_until)
        kick();
}

void gr_engine_disarm(struct gr_timer *timer)
{
    gr_timers_disarm(&gr_engine.timers, timer);
}

/* Makes the descriptor fire for the earliest timer. It may be set too early, never too late. */
void gr_engine_set_timer(void)
{
    double first = fmin(gr_timers_first(&gr_engine.timers), gr_engine.transfer);
    bool over =
        gr_engine.timer_set <= gr_now(); /* it has fired, for timers that have been run since */
    if (first < gr_engine.timer_set || (over && first < INFINITY))
        set_timer(first);
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
        TAILQ_INSERT_TAIL(&gr_engine.classes[lane->class].lanes, lane, link);
    lane->queued = true;
}

void gr_engine_leave_lane(struct gr_lane *lane)
{
    if (lane->queued)
        TAILQ_REMOVE(&gr_engine.classes[lane->class].lanes, lane, link);
    lane->queued = false;
}

void gr_engine_dequeue(struct gr_exchange *exchange)
{
    struct gr_lane *lane = exchange->lane;
    exchange->lane = NULL; /* its submitter may go before it ends */
    TAILQ_REMOVE(&lane->exchanges, exchange, link);
    gr_engine_leave_lane(lane);
    if (!TAILQ_EMPTY(&lane->exchanges))
        lane_join(lane); /* behind the other lanes: they take turns */
}

/* The end of an exchange that is in no list any more. */
void gr_engine_finish(struct gr_exchange *exchange)
{
    gr_engine_leave(&exchange->deadline);
    exchange->state = GR_EXCHANGE_IDLE;
    gr_engine.active--;
    if (exchange->cancelled)
        gr_error_set(&exchange->error, GR_E_CANCELLED, "cancelled", 0, false,
                     "the call was cancelled");
    if (exchange->orphaned)
        gr_exchange_free(exchange);
    else
        exchange->finished(exchange);
    pthread_cond_broadcast(&gr_engine.role); /* for drain() */
}

static void end_early(struct gr_exchange *exchange)
{
    if (exchange->state == GR_EXCHANGE_QUEUED) {
        gr_engine_dequeue(exchange);
        gr_engine_finish(exchange);
    } else {
        exchange->ending = true;
        gr_engine.sweep = true;
        gr_engine_wake();
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
    if (!gr_engine_start() || !gr_engine_join())
        return false;
    exchange->lane = lane;
    exchange->class = lane->class;
    exchange->state = GR_EXCHANGE_QUEUED;
    exchange->deadline.fire = on_deadline;
    gr_engine_arm(&exchange->deadline, gr_now() + exchange->timeout);
    TAILQ_INSERT_TAIL(&lane->exchanges, exchange, link);
    lane_join(lane);
    gr_engine.active++;
    gr_engine_wake();
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

/* ---- who drives ---- */

/* The role is only ever taken and left under the state lock. */
static void drive(double seconds, bool by_caller)
{
    gr_engine.driving = true;
    gr_engine.ended = false;
    gr_engine_unlock();
    gr_engine_step(seconds, by_caller);
    gr_engine_lock();
    gr_engine.driving = false;
}

/* A caller drives, or did a moment ago. Nothing is missed: it handles all there is while it drives, and
 * calls the thread when it leaves work behind. */
static void park(double now)
{
    double until = fmin(gr_engine.park_until, gr_timers_first(&gr_engine.timers));
    if (gr_engine.driving || gr_engine.takers)
        until = now + GRACE;
    gr_port_cond_wait(&gr_engine.parked, &gr_engine.lock, until - now);
}

static void *run(void *arg)
{
    (void)arg;
    gr_engine_lock();
    while (!gr_engine.stopping) {
        double now = gr_now();
        if (gr_engine.driving || gr_engine.takers ||
            (now < gr_engine.park_until && now < gr_timers_first(&gr_engine.timers))) {
            park(now);
            continue;
        }
        drive(INFINITY, false);
        if (gr_engine.takers)
            pthread_cond_broadcast(&gr_engine.role);
    }
    gr_engine.threaded = false;
    pthread_cond_broadcast(&gr_engine.role);
    gr_engine_unlock();
    return NULL;
}

static bool open_descriptors(void)
{
    if (gr_engine.ready)
        return true;
    int wake_fd = gr_port_wake_new();
    int timer_fd = wake_fd >= 0 ? gr_port_timer_new() : -1;
    if (timer_fd < 0) {
        if (wake_fd >= 0)
            close(wake_fd);
        return false;
    }
    gr_engine.wake_fd = wake_fd;
    gr_engine.timer_fd = timer_fd;
    gr_engine.timer_set = INFINITY;
    gr_engine.ready = true;
    return true;
}

/* One that has been denied may be had later, where it was for want of memory. */
static void start_thread(void)
{
    bool wanted = gr_engine.users[true] || !gr_engine.users[false];
    if (!wanted || gr_engine.stopping || gr_now() < gr_engine.denied_until)
        return;
    gr_engine.threaded = gr_port_thread(run, NULL);
    if (!gr_engine.threaded)
        gr_engine.denied_until = gr_now() + DENIED;
}

bool gr_engine_start(void)
{
    if (gr_engine.threaded)
        return true;
    if (!gr_engine_guard_process() || !open_descriptors())
        return false;
    gr_engine_set_timer();
    start_thread();
    return gr_engine_watch_signs();
}

/* As above; where there is nothing to wake anybody, deadlines pass all the same. */
static bool start_or_tick(void)
{
    bool started = gr_engine_start();
    if (!started && !gr_engine.driving) /* who drives runs them */
        gr_timers_run(&gr_engine.timers, gr_now());
    return started;
}

/* A caller leaves the role: to the thread, if there is something left to do soon, or to the host, which
 * has to look once, as what woke this caller at last is not done. */
static void leave_role(void)
{
    double now = gr_now();
    gr_engine.park_until = now + GRACE;
    if (gr_engine.active || gr_timers_first(&gr_engine.timers) < gr_engine.park_until)
        kick();
    if (gr_engine.watched)
        gr_engine_set_timer();
    if (gr_engine.watched && (gr_engine.active || gr_engine.look_again))
        gr_engine_wake();
    gr_engine.look_again = false;
}

static void drive_until(const bool *done, double until)
{
    gr_engine.caller = true;
    for (double left; !*done && !gr_engine.stopping && (left = until - gr_now()) > 0;)
        drive(left, true);
    gr_engine.caller = false;
    pthread_cond_broadcast(&gr_engine.role);
}

/* The thread drives, for this caller alone: it takes over, which spares each later call of a row two
 * changes of threads. */
static void take_role(double seconds)
{
    gr_engine.takers++;
    gr_engine_wake();
    gr_port_cond_wait(&gr_engine.role, &gr_engine.lock, seconds);
    gr_engine.takers--;
}

void gr_engine_wait(pthread_cond_t *cond, const bool *done, double until)
{
    if (*done || gr_engine_exiting)
        return;
    for (double left; !*done && (left = until - gr_now()) > 0;) {
        if (gr_engine.stopping || !start_or_tick())
            gr_port_cond_wait(&gr_engine.role, &gr_engine.lock, fmin(left, SOON));
        else if (!gr_engine.driving)
            drive_until(done, until);
        else if (!gr_engine.threaded)
            gr_port_cond_wait(&gr_engine.role, &gr_engine.lock, fmin(left, 1));
        else if (gr_engine.active <= 1 && !gr_engine.takers && gr_engine.asleep)
            take_role(left);
        else
            gr_port_cond_wait(cond, &gr_engine.lock, left);
    }
    if (!gr_engine.driving)
        leave_role();
}

/* Nobody drives. Whatever it leaves behind that can go on at once calls the host again. */
static void pump(void)
{
    gr_engine.driving = true;
    gr_engine.look_again = false;
    gr_engine_unlock();
    bool more = gr_engine_glance();
    gr_engine_lock();
    gr_engine.driving = gr_engine.asleep = false;
    if (more || gr_engine.untimed || gr_engine.look_again || gr_engine.sweep ||
        gr_engine_can_start())
        gr_engine_wake();
    if (gr_engine.threaded)
        kick(); /* it has been started meanwhile */
    pthread_cond_broadcast(&gr_engine.role);
}

void gr_engine_pump(void)
{
    gr_engine_lock();
    if (!gr_engine.threaded && !gr_engine.ready && gr_engine.timers.count)
        start_or_tick(); /* after a fork, with calls still to be answered */
    if (gr_engine.watched && !gr_engine.stopping && !gr_engine_exiting)
        gr_engine_take_signs();
    if (!gr_engine.threaded && !gr_engine.driving && !gr_engine.stopping && !gr_engine_exiting &&
        gr_engine.ready)
        pump();
    gr_engine_unlock();
}
