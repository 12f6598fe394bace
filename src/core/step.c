#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "engine_state.h"
#include "port.h"
#include "secret.h"

enum { IDLE_POLL_MS = 3600 * 1000, BLIND_POLL_MS = 10, SIGNS = 64 };

/* ---- for hosts that poll ---- */

static bool put_signs(enum gr_watch watch)
{
    bool wake = gr_port_set_put(gr_engine.host_fd, gr_engine.wake_fd, watch);
    bool timer = gr_port_set_put(gr_engine.host_fd, gr_engine.timer_fd, watch);
    return wake && timer;
}

/* Keeps what host_fd holds right: nothing where a thread sees to it. Whoever drives next does so for the
 * sockets, which are the driver's. State lock. */
bool gr_engine_watch_signs(void)
{
    bool wanted = gr_engine.host_fd >= 0 && gr_engine.ready && !gr_engine.threaded;
    if (wanted == gr_engine.watched)
        return true;
    gr_engine.watched = wanted && put_signs(GR_WATCH_SIGNALS);
    if (!gr_engine.watched)
        put_signs(GR_WATCH_NOTHING);
    if (wanted != gr_engine.watched)
        return false;
    gr_engine_set_timer();
    if (gr_engine.active) { /* there may be sockets */
        gr_engine.look_again = true;
        gr_engine_wake();
    }
    return true;
}

static bool put_sockets(enum gr_watch watch)
{
    bool good = true;
    for (size_t i = 0; i < gr_engine.socket_count; i++)
        if (gr_engine_holds(&gr_engine.sockets[i]))
            good = gr_port_set_put(gr_engine.host_fd, gr_engine.sockets[i].fd, watch) && good;
    return good;
}

/* Where they cannot all be put in now, the next step tries again. Libcurl lock. */
static void watch_sockets(bool wanted)
{
    if (wanted == gr_engine.sockets_watched)
        return;
    gr_engine.sockets_watched = wanted && put_sockets(GR_WATCH_CHANGES);
    if (!gr_engine.sockets_watched)
        put_sockets(GR_WATCH_NOTHING);
}

int gr_engine_fd(void)
{
    if (gr_engine.host_fd < 0)
        gr_engine.host_fd = gr_port_set_new();
    return gr_engine_watch_signs() ? gr_engine.host_fd : -1;
}

/* Makes host_fd not readable, before a step that sees to all there is. Where somebody else drives the
 * signs are taken as well, or the host would spin; that driver hands over to the host. State lock. */
void gr_engine_take_signs(void)
{
    int fds[SIGNS], count;
    do {
        count = gr_port_set_take(gr_engine.host_fd, fds, SIGNS);
        for (int i = 0; i < count && !gr_engine.driving; i++) {
            if (fds[i] == gr_engine.wake_fd || fds[i] == gr_engine.timer_fd)
                gr_port_wake_clear(fds[i]);
            if (fds[i] == gr_engine.timer_fd)
                gr_engine.timer_set = INFINITY;
        }
    } while (count == SIGNS);
    gr_engine.look_again = true;
}
/* ---- sockets: recorded, so that a forked child can close its copies ---- */

bool gr_engine_holds(const struct gr_socket *record)
{
    return record->id != 0 && gr_port_socket_id(record->fd) == record->id;
}

static void forget_closed(void)
{
    size_t kept = 0;
    for (size_t i = 0; i < gr_engine.socket_count; i++)
        if (gr_engine_holds(&gr_engine.sockets[i]))
            gr_engine.sockets[kept++] = gr_engine.sockets[i];
    gr_engine.socket_count = kept;
}

/* Room for one more. */
static bool make_room(void)
{
    if (gr_engine.socket_count < gr_engine.socket_capacity)
        return true;
    forget_closed();
    if (gr_engine.socket_count < gr_engine.socket_capacity / 2)
        return true;
    size_t capacity = gr_engine.socket_capacity ? gr_engine.socket_capacity * 2 : 64;
    struct gr_socket *sockets = realloc(gr_engine.sockets, capacity * sizeof *sockets);
    if (!sockets)
        return false;
    gr_engine.sockets = sockets;
    gr_engine.socket_capacity = capacity;
    return true;
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)arg, (void)purpose;
    if (!make_room())
        return CURL_SOCKET_BAD;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    if (gr_engine.sockets_watched && !gr_port_set_put(gr_engine.host_fd, fd, GR_WATCH_CHANGES)) {
        close(fd);
        return CURL_SOCKET_BAD;
    }
    gr_engine.sockets[gr_engine.socket_count++] = (struct gr_socket){fd, gr_port_socket_id(fd)};
    return fd;
}

static int on_close(void *arg, curl_socket_t fd)
{
    (void)arg;
    for (size_t i = 0; i < gr_engine.socket_count; i++) {
        if (gr_engine.sockets[i].fd == fd && gr_engine_holds(&gr_engine.sockets[i])) {
            gr_engine.sockets[i] = gr_engine.sockets[--gr_engine.socket_count];
            break;
        }
    }
    if (gr_engine.sockets_watched)
        gr_port_set_put(gr_engine.host_fd, fd, GR_WATCH_NOTHING);
    return close(fd);
}

/* ---- libcurl handles ---- */

static CURL *take_handle(void)
{
    return gr_engine.spares ? gr_engine.spare[--gr_engine.spares] : curl_easy_init();
}

/* Makes a handle as good as new. The reset leaves a list of addresses that has not been used yet, which goes
 * with its exchange; and where it finds no memory for a default, it leaves out all that come after it. */
static bool reset(CURL *easy)
{
    if (curl_easy_setopt(easy, CURLOPT_RESOLVE, NULL) != CURLE_OK)
        return false;
    gr_engine_lacked = false;
    curl_easy_reset(easy);
    return !gr_engine_lacked;
}

/* A handle that carried a secret is not kept: it holds a copy of what it sent until it is freed. */
void gr_engine_drop_handle(struct gr_exchange *exchange)
{
    CURL *easy = exchange->easy;
    bool keep = exchange->class == GR_CLASS_API && gr_engine.spares < SPARE_HANDLES;
    exchange->easy = NULL;
    if (!easy)
        return;
    /* First: the clean-up of a handle that is still in there would leave its connection to others, with an
     * answer that has been read in part. */
    curl_multi_remove_handle(gr_engine.multi, easy);
    if (keep && reset(easy))
        gr_engine.spare[gr_engine.spares++] = easy;
    else
        curl_easy_cleanup(easy);
}

static bool hand_over(const struct gr_exchange *exchange)
{
    CURL *easy = exchange->easy;
    gr_engine.guarded = gr_engine.guarded || !exchange->plain;
    return curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close) == CURLE_OK &&
           curl_multi_add_handle(gr_engine.multi, easy) == CURLM_OK;
}

static bool add_handle(struct gr_exchange *exchange)
{
    if (exchange->prepare && !exchange->prepare(exchange))
        return false;
    exchange->easy = gr_engine.multi ? take_handle() : NULL;
    if (exchange->easy && !gr_exchange_open(exchange, exchange->easy))
        return false;
    if (exchange->easy && hand_over(exchange))
        return true;
    gr_error_set(&exchange->error, GR_E_TRANSPORT, "out_of_memory", 0, true, "out of memory");
    return false;
}

static CURLM *multi_new(void)
{
    CURLM *multi = gr_engine_prepare_curl() ? curl_multi_init() : NULL;
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
        struct class *class = &gr_engine.classes[i];
        while (class->running < class->limit && !TAILQ_EMPTY(&class->lanes)) {
            struct gr_exchange *exchange = TAILQ_FIRST(&TAILQ_FIRST(&class->lanes)->exchanges);
            gr_engine_dequeue(exchange);
            exchange->state = GR_EXCHANGE_RUNNING;
            exchange->threadless = !gr_engine.threaded;
            class->running++;
            TAILQ_INSERT_TAIL(fresh, exchange, link);
        }
    }
}

/* Takes those whose end has come out of the running ones. State lock. */
static void sweep(struct exchange_list *gone)
{
    struct gr_exchange *exchange, *next;
    if (!gr_engine.sweep)
        return;
    gr_engine.sweep = false;
    for (exchange = TAILQ_FIRST(&gr_engine.running); exchange; exchange = next) {
        next = TAILQ_NEXT(exchange, link);
        if (!exchange->ending)
            continue;
        TAILQ_REMOVE(&gr_engine.running, exchange, link);
        TAILQ_INSERT_TAIL(gone, exchange, link);
    }
}

static void start_all(struct exchange_list *fresh, struct exchange_list *done)
{
    struct gr_exchange *exchange;
    while ((exchange = TAILQ_FIRST(fresh))) {
        TAILQ_REMOVE(fresh, exchange, link);
        if (add_handle(exchange)) {
            TAILQ_INSERT_TAIL(&gr_engine.running, exchange, link);
        } else {
            gr_engine_drop_handle(exchange);
            TAILQ_INSERT_TAIL(done, exchange, link);
        }
    }
}

static void remove_all(struct exchange_list *gone, struct exchange_list *done)
{
    struct gr_exchange *exchange;
    while ((exchange = TAILQ_FIRST(gone))) {
        TAILQ_REMOVE(gone, exchange, link);
        if (exchange->error.kind == GR_E_TIMEOUT)
            gr_exchange_doubt(exchange);
        gr_engine_drop_handle(exchange);
        TAILQ_INSERT_TAIL(done, exchange, link);
    }
}

static void collect(struct exchange_list *done)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(gr_engine.multi, &left))) {
        CURL *easy = message->easy_handle;
        CURLcode code = message->data.result;
        char *owner = NULL;
        if (message->msg != CURLMSG_DONE ||
            curl_easy_getinfo(easy, CURLINFO_PRIVATE, &owner) != CURLE_OK)
            continue; /* its deadline will end it */
        struct gr_exchange *exchange = (struct gr_exchange *)(void *)owner;
        gr_exchange_close(exchange, code);
        gr_engine_drop_handle(exchange);
        TAILQ_REMOVE(&gr_engine.running, exchange, link);
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
    bool guard = gr_engine.guarded && by_caller;
    if (guard)
        gr_port_signals_block(&saved);
    remove_all(gone, done);
    if (gr_engine.multi) {
        curl_multi_perform(gr_engine.multi, &running); /* where it fails, the next one may not */
        collect(done);
    }
    if (guard)
        gr_port_signals_restore(&saved);
}

/* State lock. */
static void finish_all(struct exchange_list *done)
{
    struct gr_exchange *exchange;
    while ((exchange = TAILQ_FIRST(done))) {
        TAILQ_REMOVE(done, exchange, link);
        gr_engine.classes[exchange->class].running--;
        gr_engine_finish(exchange);
    }
}

/* When libcurl wants to be called even if nothing happens: time-outs of its own, a name to resolve. Soon, if
 * it cannot tell, or the host cannot hear of its sockets. */
static double transfer_due(bool watched)
{
    long ms = -1;
    if (!watched || !gr_engine.multi)
        return INFINITY;
    if (!gr_engine.sockets_watched || curl_multi_timeout(gr_engine.multi, &ms) != CURLM_OK)
        ms = BLIND_POLL_MS;
    return ms < 0 ? INFINITY : gr_now() + (double)ms / 1000;
}

bool gr_engine_can_start(void)
{
    for (int i = 0; i < GR_CLASS_COUNT; i++)
        if (gr_engine.classes[i].running < gr_engine.classes[i].limit &&
            !TAILQ_EMPTY(&gr_engine.classes[i].lanes))
            return true;
    return false;
}

/* Everything that can be done without waiting. Returns for how many milliseconds it is time to wait at most: 0
 * before whoever drives has looked whether what ended is what it waits for. */
static int work(bool by_caller)
{
    struct exchange_list fresh = TAILQ_HEAD_INITIALIZER(fresh);
    struct exchange_list gone = TAILQ_HEAD_INITIALIZER(gone);
    struct exchange_list done = TAILQ_HEAD_INITIALIZER(done);

    gr_engine_lock();
    gr_timers_run(&gr_engine.timers, gr_now());
    sweep(&gone);
    pick(&fresh);
    bool watched = gr_engine.watched;
    gr_engine_unlock();

    watch_sockets(watched);
    if (!gr_engine.multi && !TAILQ_EMPTY(&fresh))
        gr_engine.multi = multi_new();
    start_all(&fresh, &done);
    transfer(&gone, &done, by_caller);
    double due = transfer_due(watched);

    gr_engine_lock();
    bool secret_used = gr_engine.classes[GR_CLASS_TOKEN].running > 0;
    gr_engine.transfer = due;
    finish_all(&done);
    bool idle =
        !gr_engine.ended && !gr_engine_can_start() && !gr_engine.sweep && !gr_engine.stopping;
    gr_engine_set_timer();
    int wait_ms = gr_engine.untimed ? BLIND_POLL_MS : IDLE_POLL_MS;
    gr_engine.asleep = idle;
    gr_engine_unlock();
    if (secret_used)
        gr_zero_stack();
    return idle ? wait_ms : 0;
}

/* Waits for the sockets, too, where there may be some. If libcurl cannot, not for long: they have to be looked
 * at. */
static void wait_for(struct pollfd signs[2], int ms)
{
    struct curl_waitfd extra[] = {
        {.fd = signs[0].fd, .events = CURL_WAIT_POLLIN},
        {.fd = signs[1].fd, .events = CURL_WAIT_POLLIN},
    };
    bool blind =
        gr_engine.multi && curl_multi_poll(gr_engine.multi, extra, 2, ms, NULL) != CURLM_OK;
    signs[0].revents = extra[0].revents;
    signs[1].revents = extra[1].revents;
    if (blind || !gr_engine.multi)
        poll(signs, 2, blind && ms > BLIND_POLL_MS ? BLIND_POLL_MS : ms);
}

static void doze(int ms)
{
    struct pollfd signs[] = {
        {.fd = gr_engine.wake_fd, .events = POLLIN},
        {.fd = gr_engine.timer_fd, .events = POLLIN},
    };
    wait_for(signs, ms);

    gr_engine_lock();
    gr_engine.asleep = false;
    if (signs[0].revents)
        gr_port_wake_clear(gr_engine.wake_fd);
    if (signs[1].revents) {
        gr_port_timer_clear(gr_engine.timer_fd);
        gr_engine.timer_set = INFINITY;
    }
    gr_engine_unlock();
}

/* The body of the engine's loop: works, then waits for more, at most for `seconds`. */
void gr_engine_step(double seconds, bool by_caller)
{
    gr_engine_lock_curl();
    int most_ms = work(by_caller);
    gr_engine_unlock_curl();
    if (most_ms > 0)
        doze((int)ceil(fmin(seconds * 1000, most_ms)));
}

/* The step of a host that polls: works and does not wait. Returns whether libcurl could go on at once:
 * it may leave a part of what has arrived unread, of which a socket in host_fd gives no second sign. */
bool gr_engine_glance(void)
{
    int count = 0;
    gr_engine_lock_curl();
    work(true);
    if (gr_engine.multi && gr_engine.sockets_watched &&
        curl_multi_wait(gr_engine.multi, NULL, 0, 0, &count) != CURLM_OK)
        count = 1; /* it cannot tell */
    gr_engine_unlock_curl();
    return count > 0;
}
