#include "proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 16 * 1024, LENGTH_MAX = 64, ROOM = CHUNK + 2 * LENGTH_MAX };

/* How long bytes that are to change places wait for those that follow: there may be none. */
#define COMPANY_SECONDS 0.02

/* One way of a connection. */
struct stream {
    int from, to;
    bool silent, ended;
    bool held_by_fault; /* what is held waits for the time, not for more bytes */
    double until;       /* when what is held goes on; INFINITY: nothing is held */
    size_t held;
    char bytes[ROOM];
};

struct pair {
    struct tap *tap;
    int fds[2]; /* the client's, the server's */
    bool over;
    struct stream streams[2]; /* by direction */
    LIST_ENTRY(pair) link;
};

struct tap {
    struct proxy *proxy;
    int fd;
    char url[64];
    bool closing, closed;
    bool orphaned; /* proxy_free frees it */
    bool struck;
    struct fault fault; /* FAULT_NONE once it has been done */
    size_t count[2];
    LIST_HEAD(, pair) pairs;
    LIST_ENTRY(tap) link;
};

/* Sockets are the thread's own; the lock covers what it shares with those who ask. */
struct proxy {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int wake_fd;
    struct sockaddr_in server;
    bool closing;
    LIST_HEAD(, tap) taps, fresh; /* fresh: not known to the thread yet */
    struct pollfd *polled;
    size_t polled_count, polled_capacity;
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* ---- connections ---- */

/* At once and without TIME_WAIT: thousands of connections would use up the ports. */
static void reset(int fd)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

static void free_pair(struct pair *pair)
{
    reset(pair->fds[0]);
    reset(pair->fds[1]);
    LIST_REMOVE(pair, link);
    free(pair);
}

/* Whatever has been sent arrives before the end. */
static void end_pair(struct pair *pair)
{
    shutdown(pair->fds[0], SHUT_WR);
    shutdown(pair->fds[1], SHUT_WR);
    close(pair->fds[0]);
    close(pair->fds[1]);
    LIST_REMOVE(pair, link);
    free(pair);
}

static int connect_server(const struct proxy *proxy)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (const struct sockaddr *)&proxy->server, sizeof proxy->server) == 0)
        return fd;
    close(fd);
    return -1;
}

static void begin_stream(struct stream *stream, int from, int to)
{
    const int at_once = 1;
    *stream = (struct stream){.from = from, .to = to, .until = INFINITY};
    setsockopt(to, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
}

static void accept_pair(struct tap *tap)
{
    int client = accept4(tap->fd, NULL, NULL, SOCK_CLOEXEC), server;
    if (client < 0)
        return;
    server = connect_server(tap->proxy);
    if (server < 0) {
        reset(client);
        return;
    }
    struct pair *pair = malloc(sizeof *pair);
    pair->tap = tap;
    pair->over = false;
    pair->fds[0] = client;
    pair->fds[1] = server;
    begin_stream(&pair->streams[TO_SERVER], client, server);
    begin_stream(&pair->streams[TO_CLIENT], server, client);
    LIST_INSERT_HEAD(&tap->pairs, pair, link);
}

/* ---- bytes ---- */

/* What tests exchange fits into the sockets' buffers. A peer that has gone is seen by the next read. */
static void emit(struct stream *stream, const char *bytes, size_t len)
{
    while (len > 0 && !stream->silent) {
        ssize_t sent = send(stream->to, bytes, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return;
        bytes += sent;
        len -= (size_t)sent;
    }
}

static void let_go(struct stream *stream)
{
    emit(stream, stream->bytes, stream->held);
    stream->held = 0;
    stream->held_by_fault = false;
    stream->until = INFINITY;
}

static void hold(struct stream *stream, const char *bytes, size_t len, double seconds)
{
    memcpy(stream->bytes + stream->held, bytes, len);
    stream->held += len;
    stream->until = now() + seconds;
}

/* Swaps, or repeats, what stands at the start of what is held, and lets it go. */
static void rearrange(struct stream *stream, enum fault_kind kind, size_t length)
{
    char first[LENGTH_MAX];
    memcpy(first, stream->bytes, length);
    if (kind == FAULT_REPEAT) {
        emit(stream, first, length);
    } else {
        memmove(stream->bytes, stream->bytes + length, length);
        memcpy(stream->bytes + length, first, length);
    }
    let_go(stream);
}

/* The bytes from the fault's on, or more of them. Whether all that it is for were there. */
static bool gather(struct stream *stream, const struct fault *fault, const char *bytes, size_t len)
{
    size_t needed = fault->kind == FAULT_SWAP ? 2 * fault->length : fault->length;
    hold(stream, bytes, len, COMPANY_SECONDS);
    if (stream->held < needed)
        return false;
    rearrange(stream, fault->kind, fault->length);
    return true;
}

/* bytes: from the fault's on. Whether it is done with. */
static bool strike(struct pair *pair, struct stream *stream, const struct fault *fault, char *bytes,
                   size_t len)
{
    switch (fault->kind) {
    case FAULT_DELAY:
        hold(stream, bytes, len, fault->seconds);
        stream->held_by_fault = true;
        return true;
    case FAULT_SWAP:
    case FAULT_REPEAT: return gather(stream, fault, bytes, len);
    case FAULT_FLIP:
        bytes[0] = (char)(bytes[0] ^ fault->mask);
        emit(stream, bytes, len);
        return true;
    case FAULT_SILENT: stream->silent = true; return true;
    default: /* the end, or a reset: seen to by the caller */ pair->over = true; return true;
    }
}

static void pass(struct pair *pair, enum direction direction, char *bytes, size_t len)
{
    struct tap *tap = pair->tap;
    struct stream *stream = &pair->streams[direction];
    size_t at = tap->count[direction];
    const struct fault *fault = &tap->fault;
    tap->count[direction] += len;
    if (fault->kind == FAULT_NONE || fault->direction != direction || at + len <= fault->offset) {
        emit(stream, bytes, len);
        return;
    }
    size_t before = fault->offset > at ? fault->offset - at : 0;
    emit(stream, bytes, before);
    if (strike(pair, stream, fault, bytes + before, len - before)) {
        tap->struck = true;
        if (!pair->over)
            tap->fault.kind = FAULT_NONE;
    }
}

/* Nothing more has come for the held bytes to change places with. */
static void expect_no_more(struct pair *pair, struct stream *stream)
{
    if (stream->held && !stream->held_by_fault)
        pair->tap->fault.kind = FAULT_NONE;
    let_go(stream);
}

static void end_stream(struct pair *pair, struct stream *stream)
{
    expect_no_more(pair, stream);
    if (!stream->silent)
        shutdown(stream->to, SHUT_WR);
    stream->ended = true;
    if (pair->streams[0].ended && pair->streams[1].ended)
        free_pair(pair);
}

/* Reads what is there. false: the pair is no more. */
static bool move(struct pair *pair, enum direction direction)
{
    static char bytes[CHUNK];
    struct stream *stream = &pair->streams[direction];
    ssize_t got = recv(stream->from, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (got < 0) {
        free_pair(pair); /* a reset is handed on */
        return false;
    }
    if (got == 0) {
        bool last = pair->streams[!direction].ended;
        end_stream(pair, stream);
        return !last;
    }
    pass(pair, direction, bytes, (size_t)got);
    if (!pair->over)
        return true;
    bool gently = pair->tap->fault.kind == FAULT_END;
    pair->tap->fault.kind = FAULT_NONE;
    if (gently)
        end_pair(pair);
    else
        free_pair(pair);
    return false;
}

/* ---- the thread ---- */

static bool is_read(const struct stream *stream)
{
    return !stream->ended && !stream->held_by_fault;
}

static void watch(struct proxy *proxy, int fd)
{
    if (proxy->polled_count == proxy->polled_capacity) {
        proxy->polled_capacity = proxy->polled_capacity ? 2 * proxy->polled_capacity : 64;
        proxy->polled = realloc(proxy->polled, proxy->polled_capacity * sizeof *proxy->polled);
    }
    proxy->polled[proxy->polled_count++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

/* In the order in which serve_all looks at them. Returns when something held goes on. */
static double watch_all(struct proxy *proxy)
{
    struct tap *tap;
    struct pair *pair;
    double until = INFINITY;
    proxy->polled_count = 0;
    watch(proxy, proxy->wake_fd);
    LIST_FOREACH (tap, &proxy->taps, link) {
        watch(proxy, tap->fd);
        LIST_FOREACH (pair, &tap->pairs, link) {
            for (int i = 0; i < 2; i++) {
                const struct stream *stream = &pair->streams[i];
                watch(proxy, is_read(stream) ? stream->from : -1);
                until = fmin(until, stream->until);
            }
        }
    }
    return until;
}

static void serve_pair(struct pair *pair, const struct pollfd *polled)
{
    for (int i = 0; i < 2; i++) {
        struct stream *stream = &pair->streams[i];
        if (stream->until <= now())
            expect_no_more(pair, stream);
        if (polled[i].revents && !move(pair, (enum direction)i))
            return;
    }
}

static void serve_all(struct proxy *proxy)
{
    const struct pollfd *at = proxy->polled + 1;
    struct tap *tap;
    LIST_FOREACH (tap, &proxy->taps, link) {
        bool wanted = (at++)->revents != 0;
        for (struct pair *pair = LIST_FIRST(&tap->pairs), *next; pair; pair = next, at += 2) {
            next = LIST_NEXT(pair, link);
            serve_pair(pair, at);
        }
        if (wanted)
            accept_pair(tap);
    }
}

static void take_down(struct tap *tap)
{
    struct pair *pair;
    while ((pair = LIST_FIRST(&tap->pairs)))
        free_pair(pair);
    close(tap->fd);
    LIST_REMOVE(tap, link);
    tap->closed = true;
    if (tap->orphaned)
        free(tap);
}

/* Takes over new taps, and takes down those that are to go. */
static void sweep(struct proxy *proxy)
{
    struct tap *fresh;
    while ((fresh = LIST_FIRST(&proxy->fresh))) {
        LIST_REMOVE(fresh, link);
        LIST_INSERT_HEAD(&proxy->taps, fresh, link);
    }
    for (struct tap *tap = LIST_FIRST(&proxy->taps), *next; tap; tap = next) {
        next = LIST_NEXT(tap, link);
        if (tap->closing || proxy->closing)
            take_down(tap);
    }
    pthread_cond_broadcast(&proxy->changed);
}

static int until_ms(double until)
{
    if (until == INFINITY)
        return -1;
    return (int)ceil(fmax(until - now(), 0) * 1000);
}

static void *run(void *arg)
{
    struct proxy *proxy = arg;
    uint64_t wakes;
    pthread_mutex_lock(&proxy->lock);
    while (!proxy->closing) {
        sweep(proxy);
        double until = watch_all(proxy);
        pthread_mutex_unlock(&proxy->lock);
        poll(proxy->polled, proxy->polled_count, until_ms(until));
        pthread_mutex_lock(&proxy->lock);
        if (proxy->polled[0].revents && read(proxy->wake_fd, &wakes, sizeof wakes) < 0)
            abort();
        serve_all(proxy);
    }
    sweep(proxy);
    pthread_mutex_unlock(&proxy->lock);
    return NULL;
}

static void wake(struct proxy *proxy)
{
    const uint64_t one = 1;
    if (write(proxy->wake_fd, &one, sizeof one) < 0)
        abort();
}

/* ---- what tests ask ---- */

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                .sin_port = htons((uint16_t)port)};
}

struct proxy *proxy_new(int port)
{
    struct proxy *proxy = calloc(1, sizeof *proxy);
    pthread_mutex_init(&proxy->lock, NULL);
    pthread_cond_init(&proxy->changed, NULL);
    proxy->server = loopback(port);
    proxy->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (proxy->wake_fd < 0 || pthread_create(&proxy->thread, NULL, run, proxy) != 0)
        abort();
    return proxy;
}

void proxy_free(struct proxy *proxy)
{
    struct tap *tap;
    pthread_mutex_lock(&proxy->lock);
    LIST_FOREACH (tap, &proxy->taps, link)
        tap->orphaned = true;
    LIST_FOREACH (tap, &proxy->fresh, link)
        tap->orphaned = true;
    proxy->closing = true;
    wake(proxy);
    pthread_mutex_unlock(&proxy->lock);
    pthread_join(proxy->thread, NULL);
    close(proxy->wake_fd);
    free(proxy->polled);
    free(proxy);
}

struct tap *proxy_open(struct proxy *proxy)
{
    struct tap *tap = calloc(1, sizeof *tap);
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof address;
    tap->proxy = proxy;
    tap->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(tap->fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(tap->fd, 64) != 0 || getsockname(tap->fd, (struct sockaddr *)&address, &len) != 0)
        abort();
    snprintf(tap->url, sizeof tap->url, "http://127.0.0.1:%d", ntohs(address.sin_port));
    pthread_mutex_lock(&proxy->lock);
    LIST_INSERT_HEAD(&proxy->fresh, tap, link);
    wake(proxy);
    pthread_mutex_unlock(&proxy->lock);
    return tap;
}

void proxy_close(struct tap *tap)
{
    struct proxy *proxy = tap->proxy;
    pthread_mutex_lock(&proxy->lock);
    tap->closing = true;
    wake(proxy);
    while (!tap->closed)
        pthread_cond_wait(&proxy->changed, &proxy->lock);
    pthread_mutex_unlock(&proxy->lock);
    free(tap);
}

const char *proxy_url(const struct tap *tap)
{
    return tap->url;
}

void proxy_tell(struct tap *tap, const struct fault *fault)
{
    pthread_mutex_lock(&tap->proxy->lock);
    tap->fault = *fault;
    tap->struck = false;
    tap->count[TO_SERVER] = tap->count[TO_CLIENT] = 0;
    pthread_mutex_unlock(&tap->proxy->lock);
}

bool proxy_struck(struct tap *tap)
{
    pthread_mutex_lock(&tap->proxy->lock);
    bool struck = tap->struck;
    pthread_mutex_unlock(&tap->proxy->lock);
    return struck;
}

size_t proxy_count(struct tap *tap, enum direction direction)
{
    pthread_mutex_lock(&tap->proxy->lock);
    size_t count = tap->count[direction];
    pthread_mutex_unlock(&tap->proxy->lock);
    return count;
}
