#include "source.h"

#include <math.h>
#include <search.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "answer.h"
#include "clock.h"
#include "engine.h"
#include "policy.h"
#include "port.h"

enum { MAX_LINGERING = 1000 };

#define SOON                 0.2 /* seconds that a refresh waits rather than tell the last error */
#define SECRET_LOOK_INTERVAL 1.0 /* seconds between looks at a secret file that was refused */

struct gr_handle {
    uint64_t id;
    struct gr_source *source;
    struct gr_mailbox *events; /* NULL: nobody listens */
    bool renew, thread;
    TAILQ_ENTRY(gr_handle) link;
};

struct gr_source {
    struct gr_config config;
    struct gr_schedule plan;
    struct gr_secret *secret; /* what is sent; of a file: the last that could be read */
    struct stat stamp;        /* of that file */
    double looked;            /* when the file was last looked at */
    struct gr_secret
        *token; /* the last one, also when it is not usable: to tell a new one from it */
    struct gr_hot *hot;
    uint64_t generation;
    enum gr_origin origin;
    struct gr_error *last_error;
    struct gr_exchange *attempt;
    double sent; /* when the attempt under way was sent */
    bool asked;  /* a caller found no usable token since the last attempt began */
    bool forgotten;
    struct gr_timer timer;
    struct gr_counts counts;
    TAILQ_HEAD(, gr_handle) handles;
    TAILQ_HEAD(, gr_op) waiters;
    struct gr_source *next_same; /* the same identity with another secret */
    TAILQ_ENTRY(gr_source) link, lingering;
    bool lingers;
};

/* All under the engine's state lock. */
static TAILQ_HEAD(source_list, gr_source) sources = TAILQ_HEAD_INITIALIZER(sources);
static struct source_list lingering = TAILQ_HEAD_INITIALIZER(lingering);
static unsigned lingering_count;
static void *registry; /* a tsearch tree: the first source of each identity */
static struct gr_lane token_lane;
static uint64_t last_id;

/* ---- the registry ---- */

static int by_identity(const void *a, const void *b)
{
    return gr_config_compare(&((const struct gr_source *)a)->config,
                             &((const struct gr_source *)b)->config);
}

/* A secret from a file is not compared: the path is part of the identity. */
static bool same_secret(const struct gr_source *a, const struct gr_source *b)
{
    return a->config.secret_file || gr_secret_equal(a->secret, b->secret);
}

static struct gr_source *find_same(const struct gr_source *like)
{
    struct gr_source **node = tfind(like, &registry, by_identity);
    struct gr_source *source = node ? *node : NULL;
    while (source && !same_secret(source, like))
        source = source->next_same;
    return source;
}

static bool enlist(struct gr_source *source)
{
    struct gr_source **node = tsearch(source, &registry, by_identity);
    if (!node)
        return false;
    if (*node != source) {
        source->next_same = (*node)->next_same;
        (*node)->next_same = source;
    }
    TAILQ_INSERT_TAIL(&sources, source, link);
    return true;
}

static void delist(struct gr_source *source)
{
    struct gr_source **node = tfind(source, &registry, by_identity), **at = node;
    while (*at != source)
        at = &(*at)->next_same;
    if (at == node && !source->next_same)
        tdelete(source, &registry, by_identity);
    else
        *at =
            source->next_same; /* in the tree the next one takes its place: the order is the same */
    TAILQ_REMOVE(&sources, source, link);
}

/* ---- making and freeing ---- */

static void source_free(struct gr_source *source)
{
    if (source->hot)
        gr_hot_free(source->hot);
    gr_secret_free(source->secret);
    gr_secret_free(source->token);
    free(source->last_error);
    gr_config_clear(&source->config);
    free(source);
}

static void on_timer(struct gr_timer *timer, double now);

static struct gr_source *source_new(const struct gr_options *options)
{
    struct gr_source *source = calloc(1, sizeof *source);
    struct gr_error ignored;
    if (!source)
        return NULL;
    gr_schedule_init(&source->plan);
    TAILQ_INIT(&source->handles);
    TAILQ_INIT(&source->waiters);
    source->timer.fire = on_timer;
    source->looked = -INFINITY;
    if (!gr_config_init(&source->config, options)) {
        source_free(source);
        return NULL;
    }
    if (options->client_secret)
        source->secret = gr_secret_new(options->client_secret, options->secret_len);
    else if (source->config.secret_file)
        source->secret = gr_config_read_secret(&source->config, &source->stamp, &ignored);
    if (options->client_secret && !source->secret) {
        source_free(source);
        return NULL;
    }
    return source;
}

/* ---- events ---- */

static double expires_in(const struct gr_source *source, double now)
{
    return source->plan.issued + source->plan.lifetime - now;
}

static void post(struct gr_source *source, enum gr_event_type type, const struct gr_error *error,
                 double expires)
{
    struct gr_event event = {.type = type, .expires_in = expires};
    struct gr_handle *handle;
    TAILQ_FOREACH (handle, &source->handles, link) {
        if (!handle->events)
            continue;
        event.time = gr_unix_time();
        event.handle = handle->id;
        if (error)
            event.error = *error;
        gr_mailbox_post(handle->events, &event);
    }
}

/* ---- the token and its word ---- */

static bool usable(const struct gr_source *source, double now)
{
    return source->token && gr_schedule_usable(&source->plan, now);
}

/* Only a thread takes the word back in time, so without one callers have to look at the clock. */
static void publish_word(struct gr_source *source, double now)
{
    bool valid = usable(source, now) && gr_engine_threaded();
    gr_hot_write(source->hot, valid ? source->generation : 0);
}

static void forget_error(struct gr_source *source)
{
    free(source->last_error);
    source->last_error = NULL;
}

static void hold_token(struct gr_source *source, struct gr_secret *token, enum gr_origin origin)
{
    gr_secret_free(source->token);
    source->token = token;
    source->generation = gr_hot_generation();
    source->origin = origin;
    forget_error(source);
}

/* ---- waiters ---- */

static void forget_waiter(struct gr_op *op)
{
    TAILQ_REMOVE(&op->handle->source->waiters, op, waiting);
    op->handle = NULL;
}

static void answer_waiter(struct gr_op *op, const struct gr_secret *token,
                          const struct gr_error *error)
{
    struct gr_error no_memory;
    op->token = token ? gr_secret_new(token->bytes, token->len) : NULL;
    if (token && !op->token) {
        gr_error_set(&no_memory, GR_E_TOKEN, "out_of_memory", 0, true, "out of memory");
        error = &no_memory;
    }
    gr_op_finish(op, error);
}

/* All who wait get this outcome, error included: nobody repeats a failed attempt on their own. */
static void answer_all(struct gr_source *source, const struct gr_secret *token,
                       const struct gr_error *error)
{
    struct gr_op *op;
    while ((op = TAILQ_FIRST(&source->waiters))) {
        forget_waiter(op);
        answer_waiter(op, token, error);
    }
}

/* ---- the timer ---- */

static bool renewing(const struct gr_source *source)
{
    struct gr_handle *handle;
    TAILQ_FOREACH (handle, &source->handles, link)
        if (handle->renew)
            return true;
    return false;
}

/* An attempt starts by itself when someone waits, or where renewal is on. */
static bool attempts_by_itself(const struct gr_source *source)
{
    return !source->attempt && (!TAILQ_EMPTY(&source->waiters) || renewing(source));
}

static void set_timer(struct gr_source *source, double now)
{
    double at = INFINITY;
    if (source->lingers || (usable(source, now) && gr_hot_read(source->hot)))
        at = source->plan.usable_until;
    /* Renewal on demand: take the word back when it is due, so that the next call comes by here. */
    if (attempts_by_itself(source) || (gr_hot_read(source->hot) && !source->attempt))
        at = fmin(at, source->plan.next);
    if (at < INFINITY)
        gr_engine_arm(&source->timer, at);
    else
        gr_engine_disarm(&source->timer);
}

/* ---- an attempt ---- */

static void on_attempt_finished(struct gr_exchange *exchange);

static void refresh_secret(struct gr_source *source, struct gr_error *error)
{
    struct stat stamp;
    struct gr_secret *fresh = gr_config_read_secret(&source->config, &stamp, error);
    if (!fresh)
        return;
    gr_engine_lock();
    gr_secret_free(source->secret);
    source->secret = fresh;
    source->stamp = stamp;
    gr_engine_unlock();
}

/* The driver calls this right before the request is sent, without a lock: reading a file may block. */
static bool prepare(struct gr_exchange *exchange)
{
    struct gr_source *source = exchange->owner;
    struct gr_error error = {0};
    if (source->config.secret_file)
        refresh_secret(source, &error);
    gr_engine_lock();
    bool missing = source->config.secret_file && !source->secret;
    bool filled = !missing && gr_config_fill(&source->config, source->secret, exchange);
    source->sent = gr_now();
    source->counts.requests += filled;
    gr_engine_unlock();
    if (missing)
        exchange->error = error;
    else if (!filled)
        gr_error_set(&exchange->error, GR_E_TOKEN, "out_of_memory", 0, true, "out of memory");
    return filled;
}

static void fail(struct gr_source *source, const struct gr_error *why, double now);

static void start_attempt(struct gr_source *source, double now)
{
    struct gr_error error;
    double limit = gr_schedule_attempt_timeout(&source->plan, now, source->config.timeout);
    struct gr_exchange *exchange = gr_config_exchange(&source->config, limit);
    source->asked = false;
    if (exchange) {
        exchange->prepare = prepare;
        exchange->finished = on_attempt_finished;
        exchange->owner = source;
        source->attempt = exchange;
        source->sent = now;
        if (gr_engine_submit(exchange, &token_lane)) {
            gr_engine_attend();
            return;
        }
        source->attempt = NULL;
        gr_exchange_free(exchange);
    }
    gr_op_no_resources(&error);
    fail(source, &error, now);
}

static void keep_error(struct gr_source *source, const struct gr_error *error)
{
    if (!source->last_error)
        source->last_error = malloc(sizeof *source->last_error);
    if (source->last_error)
        *source->last_error = *error;
}

static void fail(struct gr_source *source, const struct gr_error *why, double now)
{
    struct gr_error error = *why;
    bool asked = source->asked || !TAILQ_EMPTY(&source->waiters);
    source->counts.failures++;
    gr_schedule_failure(&source->plan, now, error.retry_after, asked, gr_port_random());
    error.retry_after = fmax(source->plan.next - now, 0);
    keep_error(source, &error);
    post(source, GR_EVENT_RENEW_FAILED, &error, -1);
    answer_all(source, NULL, &error);
}

static void refuse(struct gr_source *source, const struct gr_error *why, double now)
{
    struct gr_error error = *why;
    source->counts.failures++;
    source->counts.refusals++;
    gr_schedule_refusal(&source->plan, now, error.retry_after);
    error.retry_after = fmax(source->plan.next - now, 0);
    keep_error(source, &error);
    post(source, GR_EVENT_REFUSED, &error, -1);
    answer_all(source, NULL, &error);
}

static void take_token(struct gr_source *source, struct gr_answer *answer, double now)
{
    bool same = gr_secret_equal(source->token, answer->token);
    bool troubled = source->last_error != NULL;
    enum gr_verdict verdict =
        gr_schedule_token(&source->plan, now, source->sent, answer->expires_in, answer->refresh_in,
                          same, gr_port_random());
    if (verdict == GR_EPHEMERAL) {
        forget_error(source);
        answer_all(source, answer->token, NULL);
        return;
    }
    if (verdict == GR_RENEWED) {
        hold_token(source, answer->token, GR_ORIGIN_NETWORK);
        answer->token = NULL;
        source->counts.renewals++;
        if (troubled)
            post(source, GR_EVENT_RECOVERED, NULL, expires_in(source, now));
        post(source, GR_EVENT_RENEWED, NULL, expires_in(source, now));
    }
    publish_word(source, now);
    answer_all(source, source->token, NULL);
}

static void take_answer(struct gr_source *source, struct gr_exchange *exchange, double now)
{
    struct gr_answer answer;
    gr_answer_read(&answer, exchange->status, exchange->answer.data, exchange->answer.len,
                   exchange->retry_after, source->secret);
    if (answer.verdict == GR_REFUSED)
        refuse(source, &answer.error, now);
    else if (answer.verdict == GR_FAILED)
        fail(source, &answer.error, now);
    else
        take_token(source, &answer, now);
    gr_answer_clear(&answer);
}

static void on_attempt_finished(struct gr_exchange *exchange)
{
    struct gr_source *source = exchange->owner;
    double now = gr_now();
    source->attempt = NULL;
    if (source->forgotten) {
        source_free(source);
    } else {
        if (exchange->error.kind ==
            GR_E_CANCELLED) /* a fork or a shutdown: not the service's fault */
            gr_schedule_expedite(&source->plan, now);
        else if (exchange->error.kind != GR_OK)
            fail(source, &exchange->error, now);
        else
            take_answer(source, exchange, now);
        set_timer(source, now);
    }
    gr_exchange_free(exchange);
}

/* ---- the end of a source ---- */

static void stop_lingering(struct gr_source *source)
{
    if (!source->lingers)
        return;
    TAILQ_REMOVE(&lingering, source, lingering);
    lingering_count--;
    source->lingers = false;
}

static void forget(struct gr_source *source)
{
    stop_lingering(source);
    delist(source);
    gr_engine_disarm(&source->timer);
    gr_hot_write(source->hot, 0);
    source->forgotten = true;
    if (!source->attempt) {
        source_free(source);
        return;
    }
    gr_secret_free(source->token);
    source->token = NULL;
    gr_engine_cancel(source->attempt); /* frees the source when it ends, perhaps now */
}

static void linger(struct gr_source *source, double now)
{
    source->lingers = true;
    TAILQ_INSERT_TAIL(&lingering, source, lingering);
    if (++lingering_count > MAX_LINGERING)
        forget(TAILQ_FIRST(&lingering));
    set_timer(source, now);
}

static void on_timer(struct gr_timer *timer, double now)
{
    struct gr_source *source =
        (struct gr_source *)((char *)timer - offsetof(struct gr_source, timer));
    if (source->lingers && !usable(source, now)) {
        forget(source);
        return;
    }
    if (!usable(source, now) || now >= source->plan.next)
        gr_hot_write(source->hot, 0);
    if (attempts_by_itself(source) && now >= source->plan.next)
        start_attempt(source, now);
    if (renewing(source))
        publish_word(source, now); /* it may be used while it is being renewed */
    set_timer(source, now);
}

/* ---- handles ---- */

static struct gr_handle *join(struct gr_source *source, const struct gr_options *options)
{
    struct gr_handle *handle = calloc(1, sizeof *handle);
    if (!handle)
        return NULL;
    stop_lingering(source);
    handle->id = ++last_id;
    handle->source = source;
    handle->renew = options->renew;
    handle->thread = options->thread;
    gr_engine_count(handle->thread, 1);
    TAILQ_INSERT_TAIL(&source->handles, handle, link);
    set_timer(source, gr_now());
    return handle;
}

/* Takes over `fresh`, or frees it where the same source is there already. */
static struct gr_handle *open_locked(struct gr_source *fresh, const struct gr_options *options)
{
    struct gr_source *source = find_same(fresh);
    if (source) {
        source_free(fresh);
        return join(source, options);
    }
    fresh->hot = gr_hot_new();
    if (!fresh->hot || !enlist(fresh)) {
        source_free(fresh);
        return NULL;
    }
    struct gr_handle *handle = join(fresh, options);
    if (!handle)
        forget(fresh);
    return handle;
}

struct gr_handle *gr_source_open(const struct gr_options *options, struct gr_error *error)
{
    struct gr_source *fresh = source_new(options);
    struct gr_handle *handle = NULL;
    if (fresh) {
        gr_engine_lock();
        handle = open_locked(fresh, options);
        gr_engine_unlock();
    }
    if (!handle)
        gr_error_set(error, GR_E_TOKEN, "out_of_memory", 0, true, "out of memory");
    return handle;
}

static void cancel_waits(struct gr_handle *handle)
{
    struct gr_op *op, *next;
    struct gr_error error;
    gr_error_set(&error, GR_E_CANCELLED, "closed", 0, false, "the source was closed");
    for (op = TAILQ_FIRST(&handle->source->waiters); op; op = next) {
        next = TAILQ_NEXT(op, waiting);
        if (op->handle != handle)
            continue;
        forget_waiter(op);
        gr_op_finish(op, &error);
    }
}

void gr_source_close(struct gr_handle *handle, bool forget_token)
{
    struct gr_source *source = handle->source;
    gr_engine_lock();
    double now = gr_now();
    cancel_waits(handle);
    TAILQ_REMOVE(&source->handles, handle, link);
    gr_engine_count(handle->thread, -1);
    if (handle->events)
        gr_mailbox_unref(handle->events);
    if (!TAILQ_EMPTY(&source->handles))
        set_timer(source, now);
    else if (forget_token || !usable(source, now))
        forget(source);
    else
        linger(source, now);
    gr_engine_unlock();
    free(handle);
}

const struct gr_hot *gr_source_hot(const struct gr_handle *handle)
{
    return handle->source->hot;
}

uint64_t gr_source_id(const struct gr_handle *handle)
{
    return handle->id;
}

void gr_source_subscribe(struct gr_handle *handle, struct gr_mailbox *box)
{
    gr_engine_lock();
    if (!handle->events)
        gr_mailbox_ref(box);
    handle->events = box;
    gr_engine_unlock();
}

/* ---- asking for the token ---- */

/* On a child's first use, and where renewal is on demand, a call is what sets things going. */
static void keep_going(struct gr_source *source, double now)
{
    if (!gr_engine_threaded() && renewing(source))
        gr_engine_start();
    if (!source->attempt && now >= source->plan.next)
        start_attempt(source, now);
    if (renewing(source) || now < source->plan.next)
        publish_word(source, now);
    set_timer(source, now);
}

void gr_source_peek(struct gr_handle *handle, uint64_t *generation, struct gr_secret **token)
{
    struct gr_source *source = handle->source;
    uint64_t have = *generation;
    *generation = 0;
    *token = NULL;
    gr_engine_lock();
    double now = gr_now();
    if (usable(source, now)) {
        if (have != source->generation)
            *token = gr_secret_new(source->token->bytes, source->token->len);
        if (*token || have == source->generation)
            *generation = source->generation;
        keep_going(source, now);
    }
    gr_engine_unlock();
}

/* A refused source asks again at once when its secret file is another. State lock; looks once a second. */
static void look_at_secret(struct gr_source *source, double now)
{
    if (!source->plan.refusals || now - source->looked < SECRET_LOOK_INTERVAL)
        return;
    source->looked = now;
    if (gr_config_secret_changed(&source->config, &source->stamp))
        gr_schedule_expedite(&source->plan, now);
}

/* Whether a caller gets the last error at once: between attempts, after a failure. Not for the moment
 * that the policy keeps between a failure and an attempt that was asked for by name. */
static bool between_attempts(const struct gr_source *source, bool forced, double now)
{
    double soon = forced ? SOON : 0;
    return !source->attempt && source->last_error && now + soon < source->plan.next &&
           (source->plan.failures || source->plan.refusals);
}

static void answer_with_last_error(struct gr_source *source, struct gr_op *op, double now)
{
    struct gr_error error = *source->last_error;
    error.retry_after = fmax(source->plan.next - now, 0);
    op->handle = NULL;
    gr_op_finish(op, &error);
}

static void wait_for_attempt(struct gr_source *source, struct gr_op *op, bool forced, double now)
{
    if (!source->attempt) {
        look_at_secret(source, now);
        if (forced && (!source->last_error || usable(source, now)))
            gr_schedule_expedite(&source->plan, now);
        else if (!forced)
            gr_schedule_ask(&source->plan, now);
    }
    if (between_attempts(source, forced, now)) {
        answer_with_last_error(source, op, now);
        return;
    }
    source->counts.waits += !forced;
    TAILQ_INSERT_TAIL(&source->waiters, op, waiting);
    if (!source->attempt && now >= source->plan.next)
        start_attempt(source, now);
}

static void acquire(struct gr_source *source, struct gr_op *op, bool forced)
{
    double now = gr_now();
    bool ready = usable(source, now);
    if (ready && !forced) {
        op->handle = NULL;
        answer_waiter(op, source->token, NULL);
        keep_going(source, now);
        return;
    }
    source->asked = source->asked || !ready;
    wait_for_attempt(source, op, forced, now);
    set_timer(source, now);
}

struct gr_op *gr_source_acquire(struct gr_handle *handle, struct gr_mailbox *box, double timeout,
                                bool forced)
{
    gr_engine_lock();
    struct gr_error error;
    struct gr_op *op = gr_op_new(box, timeout, forget_waiter);
    if (op && gr_engine_start()) {
        op->handle = handle;
        acquire(handle->source, op, forced);
    } else if (op) {
        gr_op_no_resources(&error);
        gr_op_finish(op, &error);
    }
    gr_engine_unlock();
    return op;
}

/* ---- what callers tell ---- */

bool gr_source_invalidate(struct gr_handle *handle, const char *token, size_t len)
{
    struct gr_source *source = handle->source;
    struct gr_secret *given = gr_secret_new(token, len);
    gr_engine_lock();
    double now = gr_now();
    bool current = given && usable(source, now) && gr_secret_equal(given, source->token);
    if (current) {
        source->counts.invalidations++;
        gr_schedule_invalidate(&source->plan, now);
        publish_word(source, now);
        post(source, GR_EVENT_INVALIDATED, NULL, -1);
        set_timer(source, now);
    }
    gr_engine_unlock();
    gr_secret_free(given);
    return current;
}

static bool adopt(struct gr_source *source, struct gr_secret *token, double lifetime, double issued,
                  double now)
{
    struct gr_schedule before = source->plan;
    bool same = gr_secret_equal(source->token, token);
    if (source->plan.lifetime > 0 && issued <= source->plan.issued)
        return false;
    enum gr_verdict verdict =
        gr_schedule_token(&source->plan, now, issued, lifetime, NAN, same, gr_port_random());
    if (verdict == GR_EPHEMERAL || (verdict == GR_UNCHANGED && same)) {
        source->plan = before;
        return false;
    }
    hold_token(source, token, GR_ORIGIN_ADOPTED);
    source->counts.adoptions++;
    publish_word(source, now);
    answer_all(source, source->token, NULL);
    set_timer(source, now);
    return true;
}

bool gr_source_adopt(struct gr_handle *handle, const char *token, size_t len, double lifetime,
                     double age)
{
    struct gr_secret *copy = gr_secret_new(token, len);
    if (!copy)
        return false;
    gr_engine_lock();
    double now = gr_now();
    bool adopted = adopt(handle->source, copy, lifetime, now - age, now);
    gr_engine_unlock();
    if (!adopted)
        gr_secret_free(copy);
    return adopted;
}

static enum gr_state state_of(const struct gr_source *source, double now)
{
    if (source->attempt)
        return GR_STATE_RENEWING;
    if (source->plan.refusals)
        return GR_STATE_REFUSED;
    if (source->last_error)
        return GR_STATE_FAILING;
    return usable(source, now) ? GR_STATE_READY : GR_STATE_EMPTY;
}

void gr_source_info(struct gr_handle *handle, struct gr_info *info)
{
    const struct gr_source *source = handle->source;
    gr_engine_lock();
    double now = gr_now();
    memset(info, 0, sizeof *info);
    info->state = state_of(source, now);
    info->usable = usable(source, now);
    info->origin = source->origin;
    info->generation = source->generation;
    info->expires_in = info->usable ? expires_in(source, now) : NAN;
    info->refresh_in = source->plan.next < INFINITY ? fmax(source->plan.next - now, 0) : NAN;
    info->counts = source->counts;
    if (source->last_error)
        info->last_error = *source->last_error;
    gr_engine_unlock();
}

/* ---- the engine's hooks ---- */

static void take_words_back(void)
{
    struct gr_source *source;
    TAILQ_FOREACH (source, &sources, link)
        gr_hot_write(source->hot, 0);
}

static void stopped(void)
{
    take_words_back();
    gr_op_stopped();
}

static void forked(void)
{
    struct gr_source *source;
    take_words_back();
    gr_op_forked();
    TAILQ_FOREACH (source, &sources, link)
        if (source->token)
            source->origin = GR_ORIGIN_INHERITED;
}

static void init(void)
{
    static const struct gr_engine_hooks hooks = {.stopped = stopped, .forked = forked};
    gr_lane_init(&token_lane, GR_CLASS_TOKEN);
    gr_engine_init(&hooks);
}

void gr_source_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init);
}
