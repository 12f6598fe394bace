#include "source.h"

#include <math.h>
#include <search.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "engine.h"
#include "port.h"
#include "prefetch.h"
#include "source_state.h"

enum { MAX_LINGERING = 1000 };

#define SOON                 0.2 /* seconds that a refresh waits rather than tell the last error */
#define SECRET_LOOK_INTERVAL 1.0 /* seconds between looks at a secret file that was refused */

/* All under the engine's state lock. */
static TAILQ_HEAD(source_list, gr_source) sources = TAILQ_HEAD_INITIALIZER(sources);
static struct source_list lingering = TAILQ_HEAD_INITIALIZER(lingering);
static unsigned lingering_count;
static void *registry; /* a tsearch tree: the first source of each identity */
static uint64_t last_id;

struct gr_lane gr_source_lane;

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

void gr_source_free(struct gr_source *source)
{
    if (source->hot) {
        gr_hot_free(source->hot);
        gr_engine_leave(&source->timer);
    }
    gr_secret_free(source->secret);
    gr_secret_free(source->token);
    gr_source_forget_error(source);
    gr_tally_clear(&source->codes);
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
        gr_source_free(source);
        return NULL;
    }
    if (options->client_secret)
        source->secret = gr_secret_new(options->client_secret, options->secret_len);
    else if (source->config.secret_file)
        source->secret = gr_config_read_secret(&source->config, &source->stamp, &ignored);
    if (options->client_secret && !source->secret) {
        gr_source_free(source);
        return NULL;
    }
    return source;
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
        gr_source_free(source);
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
    gr_source_set_timer(source, now);
}

static void on_timer(struct gr_timer *timer, double now)
{
    struct gr_source *source =
        (struct gr_source *)((char *)timer - offsetof(struct gr_source, timer));
    if (source->lingers && !gr_source_usable(source, now)) {
        forget(source);
        return;
    }
    if (!gr_source_usable(source, now) || now >= source->plan.next)
        gr_hot_write(source->hot, 0);
    if (gr_source_attempts_by_itself(source) && now >= source->plan.next)
        gr_source_start_attempt(source, now);
    if (gr_source_renewal(source) != GR_RENEWAL_ON_DEMAND)
        gr_source_publish(source, now); /* it may be used while it is being renewed */
    gr_source_set_timer(source, now);
}

/* ---- handles ---- */

/* What a later opener has read of the secret file is the newer secret. */
static void take_secret(struct gr_source *source, struct gr_source *fresh)
{
    struct gr_secret *old = source->secret;
    if (!source->config.secret_file || !fresh->secret || gr_secret_equal(old, fresh->secret))
        return;
    source->secret = fresh->secret;
    source->stamp = fresh->stamp;
    fresh->secret = old;
    if (source->plan.refusals)
        gr_schedule_expedite(&source->plan, gr_now());
}

static struct gr_handle *join(struct gr_source *source, const struct gr_options *options)
{
    struct gr_handle *handle = calloc(1, sizeof *handle);
    if (!handle)
        return NULL;
    stop_lingering(source);
    handle->id = ++last_id;
    handle->source = source;
    handle->renewal = options->renew ? GR_RENEWAL_AHEAD : GR_RENEWAL_ON_DEMAND;
    handle->thread = options->thread;
    gr_engine_count(handle->thread, 1);
    TAILQ_INSERT_TAIL(&source->handles, handle, link);
    gr_source_set_timer(source, gr_now());
    return handle;
}

/* What a source needs of what all share. */
static bool equip(struct gr_source *source)
{
    if (!gr_engine_join())
        return false;
    source->hot = gr_hot_new();
    if (!source->hot)
        gr_engine_leave(&source->timer);
    return source->hot != NULL;
}

/* Takes over `fresh`, or frees it where the same source is there already. */
static struct gr_handle *open_locked(struct gr_source *fresh, const struct gr_options *options)
{
    struct gr_source *source = find_same(fresh);
    if (source) {
        take_secret(source, fresh);
        gr_source_free(fresh);
        return join(source, options);
    }
    if (!equip(fresh) || !enlist(fresh)) {
        gr_source_free(fresh);
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
    if (fresh && !options->thread)
        gr_prefetch(options->token_url, options->proxy, options->ca_file);
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
        gr_source_forget_waiter(op);
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
        gr_source_set_timer(source, now);
    else if (forget_token || !gr_source_usable(source, now))
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
    enum gr_renewal renewal = gr_source_renewal(source);
    if (!gr_engine_threaded() && renewal != GR_RENEWAL_ON_DEMAND)
        gr_engine_start();
    if (!source->attempt && renewal != GR_RENEWAL_NONE && now >= source->plan.next)
        gr_source_start_attempt(source, now);
    if (renewal != GR_RENEWAL_ON_DEMAND || now < source->plan.next)
        gr_source_publish(source, now);
    gr_source_set_timer(source, now);
}

void gr_source_peek(struct gr_handle *handle, uint64_t *generation, struct gr_secret **token)
{
    struct gr_source *source = handle->source;
    uint64_t have = *generation;
    *generation = 0;
    *token = NULL;
    gr_engine_lock();
    double now = gr_now();
    if (gr_source_usable(source, now)) {
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
        if (forced && (!source->last_error || gr_source_usable(source, now))) {
            source->wanted = GR_REASON_REFRESH;
            gr_schedule_expedite(&source->plan, now);
        } else if (!forced)
            gr_schedule_ask(&source->plan, now);
    }
    if (between_attempts(source, forced, now)) {
        answer_with_last_error(source, op, now);
        return;
    }
    source->counts.waits += !forced;
    TAILQ_INSERT_TAIL(&source->waiters, op, waiting);
    if (!source->attempt && now >= source->plan.next)
        gr_source_start_attempt(source, now);
}

static void acquire(struct gr_source *source, struct gr_op *op, bool forced)
{
    double now = gr_now();
    bool ready = gr_source_usable(source, now);
    if (ready && !forced) {
        op->handle = NULL;
        gr_source_answer(op, source->token, NULL);
        keep_going(source, now);
        return;
    }
    source->asked = source->asked || !ready;
    wait_for_attempt(source, op, forced, now);
    gr_source_set_timer(source, now);
}

struct gr_op *gr_source_acquire(struct gr_handle *handle, struct gr_mailbox *box, double timeout,
                                bool forced)
{
    gr_engine_lock();
    struct gr_error error;
    struct gr_op *op = gr_op_new(box, timeout, gr_source_forget_waiter);
    bool ready = !forced && gr_source_usable(handle->source, gr_now());
    if (op && (ready || gr_engine_start())) {
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
    gr_engine_lock();
    double now = gr_now();
    bool current = gr_source_usable(source, now) && gr_secret_is(source->token, token, len);
    if (current) {
        source->counts.invalidations++;
        source->wanted = GR_REASON_REJECTED;
        gr_schedule_invalidate(&source->plan, now);
        gr_source_publish(source, now);
        gr_source_post(source, GR_EVENT_INVALIDATED, NULL, -1);
        gr_source_set_timer(source, now);
    }
    gr_engine_unlock();
    return current;
}

void gr_source_renew(struct gr_handle *handle, enum gr_renewal renewal)
{
    struct gr_source *source = handle->source;
    gr_engine_lock();
    double now = gr_now();
    handle->renewal = renewal;
    if (gr_source_usable(source, now))
        keep_going(source, now);
    else
        gr_source_set_timer(source, now);
    gr_engine_unlock();
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
    gr_source_hold(source, token, GR_ORIGIN_ADOPTED);
    source->counts.adoptions++;
    gr_source_publish(source, now);
    gr_source_answer_all(source, source->token, NULL);
    gr_source_set_timer(source, now);
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
    return gr_source_usable(source, now) ? GR_STATE_READY : GR_STATE_EMPTY;
}

void gr_source_info(struct gr_handle *handle, struct gr_info *info)
{
    const struct gr_source *source = handle->source;
    gr_engine_lock();
    double now = gr_now();
    memset(info, 0, sizeof *info);
    info->state = state_of(source, now);
    info->usable = gr_source_usable(source, now);
    info->origin = source->origin;
    info->generation = source->generation;
    info->age = info->usable ? fmax(now - source->plan.issued, 0) : NAN;
    info->expires_in = info->usable ? gr_source_expires_in(source, now) : NAN;
    info->refresh_in = source->plan.next < INFINITY ? fmax(source->plan.next - now, 0) : NAN;
    info->counts = source->counts;
    info->code_count = source->codes.count;
    for (size_t i = 0; i < source->codes.count; i++)
        info->codes[i] = source->codes.entries[i];
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
    gr_lane_init(&gr_source_lane, GR_CLASS_TOKEN);
    gr_engine_init(&hooks);
}

void gr_source_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init);
}
