#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "clock.h"
#include "engine.h"
#include "port.h"
#include "source_state.h"

/* ---- events ---- */

double gr_source_expires_in(const struct gr_source *source, double now)
{
    return source->plan.issued + source->plan.lifetime - now;
}

void gr_source_post(struct gr_source *source, enum gr_event_type type, const struct gr_error *error,
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

bool gr_source_usable(const struct gr_source *source, double now)
{
    return source->token && gr_schedule_usable(&source->plan, now);
}

/* Only a thread takes the word back in time, so without one callers have to look at the clock. */
void gr_source_publish(struct gr_source *source, double now)
{
    bool valid = gr_source_usable(source, now) && gr_engine_threaded();
    gr_hot_write(source->hot, valid ? source->generation : 0);
}

/* The last error of a source for which there was no memory to keep it. Never written to. */
static struct gr_error lost_error = {
    .kind = GR_E_TOKEN,
    .retryable = true,
    .retry_after = -1,
    .code = "out_of_memory",
    .message = "out of memory",
};

void gr_source_forget_error(struct gr_source *source)
{
    if (source->last_error != &lost_error)
        free(source->last_error);
    source->last_error = NULL;
}

void gr_source_hold(struct gr_source *source, struct gr_secret *token, enum gr_origin origin)
{
    gr_secret_free(source->token);
    source->token = token;
    source->generation = gr_hot_generation();
    source->origin = origin;
    source->wanted = GR_REASON_COLD;
    gr_source_forget_error(source);
}

/* ---- waiters ---- */

void gr_source_forget_waiter(struct gr_op *op)
{
    TAILQ_REMOVE(&op->handle->source->waiters, op, waiting);
    op->handle = NULL;
}

void gr_source_answer(struct gr_op *op, const struct gr_secret *token, const struct gr_error *error)
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
void gr_source_answer_all(struct gr_source *source, const struct gr_secret *token,
                          const struct gr_error *error)
{
    struct gr_op *op;
    while ((op = TAILQ_FIRST(&source->waiters))) {
        gr_source_forget_waiter(op);
        gr_source_answer(op, token, error);
    }
}

/* ---- the timer ---- */

enum gr_renewal gr_source_renewal(const struct gr_source *source)
{
    enum gr_renewal renewal = GR_RENEWAL_NONE;
    struct gr_handle *handle;
    TAILQ_FOREACH (handle, &source->handles, link) {
        if (handle->renewal == GR_RENEWAL_AHEAD)
            return GR_RENEWAL_AHEAD;
        if (handle->renewal > renewal)
            renewal = handle->renewal;
    }
    return renewal;
}

/* An attempt starts by itself when someone waits, or where renewal is on. */
bool gr_source_attempts_by_itself(const struct gr_source *source)
{
    return !source->attempt &&
           (!TAILQ_EMPTY(&source->waiters) || gr_source_renewal(source) == GR_RENEWAL_AHEAD);
}

void gr_source_set_timer(struct gr_source *source, double now)
{
    double at = INFINITY;
    bool on_demand = gr_source_renewal(source) == GR_RENEWAL_ON_DEMAND;
    if (source->lingers || (gr_source_usable(source, now) && gr_hot_read(source->hot)))
        at = source->plan.usable_until;
    /* Renewal on demand: take the word back when it is due, so that the next call comes by here. */
    if (gr_source_attempts_by_itself(source) ||
        (on_demand && gr_hot_read(source->hot) && !source->attempt))
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
    source->counts.reasons[source->reason] += filled;
    gr_engine_unlock();
    if (missing)
        exchange->error = error;
    else if (!filled)
        gr_error_set(&exchange->error, GR_E_TOKEN, "out_of_memory", 0, true, "out of memory");
    return filled;
}

static void fail(struct gr_source *source, const struct gr_error *why, double now);

static enum gr_reason next_reason(const struct gr_source *source, double now)
{
    if (source->wanted)
        return source->wanted;
    if (source->plan.failures || source->plan.refusals)
        return GR_REASON_RETRY;
    return gr_source_usable(source, now) ? GR_REASON_DUE : GR_REASON_COLD;
}

void gr_source_start_attempt(struct gr_source *source, double now)
{
    struct gr_error error;
    double limit = gr_schedule_attempt_timeout(&source->plan, now, source->config.timeout);
    struct gr_exchange *exchange = gr_config_exchange(&source->config, limit);
    source->asked = false;
    source->reason = next_reason(source, now);
    source->wanted = GR_REASON_COLD;
    if (exchange) {
        exchange->prepare = prepare;
        exchange->finished = on_attempt_finished;
        exchange->owner = source;
        source->attempt = exchange;
        source->sent = now;
        if (gr_engine_submit(exchange, &gr_source_lane)) {
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
    /* what is replaced was not allocated */
    if (!source->last_error || source->last_error == &lost_error)
        source->last_error = malloc(sizeof *source->last_error); /* NOLINT(gcc-analyzer) */
    if (source->last_error)
        *source->last_error = *error;
    else
        source->last_error = &lost_error; /* callers have to hear of one */
}

static void count_failure(struct gr_source *source, const struct gr_error *error)
{
    source->counts.failures++;
    gr_tally_add(&source->codes, error->code[0] ? error->code : gr_kind_name(error->kind));
}

static void fail(struct gr_source *source, const struct gr_error *why, double now)
{
    struct gr_error error = *why;
    bool asked = source->asked || !TAILQ_EMPTY(&source->waiters);
    count_failure(source, &error);
    gr_schedule_failure(&source->plan, now, error.retry_after, asked, gr_port_random());
    error.retry_after = fmax(source->plan.next - now, 0);
    keep_error(source, &error);
    gr_source_post(source, GR_EVENT_RENEW_FAILED, &error, -1);
    gr_source_answer_all(source, NULL, &error);
}

static void refuse(struct gr_source *source, const struct gr_error *why, double now)
{
    struct gr_error error = *why;
    count_failure(source, &error);
    source->counts.refusals++;
    gr_schedule_refusal(&source->plan, now, error.retry_after);
    error.retry_after = fmax(source->plan.next - now, 0);
    keep_error(source, &error);
    gr_source_post(source, GR_EVENT_REFUSED, &error, -1);
    gr_source_answer_all(source, NULL, &error);
}

static void take_token(struct gr_source *source, struct gr_answer *answer, double now)
{
    bool same = gr_secret_equal(source->token, answer->token);
    bool troubled = source->last_error != NULL;
    enum gr_verdict verdict =
        gr_schedule_token(&source->plan, now, source->sent, answer->expires_in, answer->refresh_in,
                          same, gr_port_random());
    if (verdict == GR_EPHEMERAL) {
        gr_source_forget_error(source);
        gr_source_answer_all(source, answer->token, NULL);
        return;
    }
    if (verdict == GR_RENEWED) {
        gr_source_hold(source, answer->token, GR_ORIGIN_NETWORK);
        answer->token = NULL;
        source->counts.renewals++;
        if (troubled)
            gr_source_post(source, GR_EVENT_RECOVERED, NULL, gr_source_expires_in(source, now));
        gr_source_post(source, GR_EVENT_RENEWED, NULL, gr_source_expires_in(source, now));
    }
    gr_source_publish(source, now);
    gr_source_answer_all(source, source->token, NULL);
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
        gr_source_free(source);
    } else {
        if (exchange->error.kind ==
            GR_E_CANCELLED) /* a fork or a shutdown: not the service's fault */
            gr_schedule_expedite(&source->plan, now);
        else if (exchange->error.kind != GR_OK)
            fail(source, &exchange->error, now);
        else
            take_answer(source, exchange, now);
        gr_source_set_timer(source, now);
    }
    gr_exchange_free(exchange);
}
