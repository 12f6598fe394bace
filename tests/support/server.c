#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tools.h"

enum { REQUEST_MAX = 256 * 1024, PATHS = 64, PATH_LEN = 32 };

struct scripted {
    struct reply reply;
    STAILQ_ENTRY(scripted) link;
};

struct connection {
    struct server *server;
    int fd;
    char *text; /* what has been read */
    size_t len, used;
    LIST_ENTRY(connection) link;
};

struct server {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t acceptor;
    int fd, port;
    char url[64];
    bool closing;
    struct reply reply;
    STAILQ_HEAD(, scripted) script;
    LIST_HEAD(, connection) connections;
    unsigned accepted, threads, count, held, most, gate;
    struct {
        char path[PATH_LEN];
        unsigned count;
    } paths[PATHS];
    char *last;
};

/* ---- reading ---- */

/* There may be any bytes in it. */
static const char *next_line(const char *at, const char *end)
{
    return (const char *)memmem(at, (size_t)(end + 2 - at), "\r\n", 2) + 2;
}

/* The length of the request at the start of `text`, 0 where it is not complete. */
static size_t request_len(const char *text, size_t len)
{
    const char *end = memmem(text, len, "\r\n\r\n", 4);
    size_t body = 0;
    if (!end)
        return 0;
    for (const char *at = text; at < end; at = next_line(at, end))
        if (strncasecmp(at, "content-length:", 15) == 0)
            body = strtoul(at + 15, NULL, 10);
    size_t whole = (size_t)(end - text) + 4 + body;
    return whole <= len ? whole : 0;
}

/* false: the peer has gone. */
static bool read_request(struct connection *c)
{
    memmove(c->text, c->text + c->used, c->len - c->used);
    c->len -= c->used;
    c->text[c->len] = '\0';
    while (!(c->used = request_len(c->text, c->len))) {
        ssize_t got =
            c->len < REQUEST_MAX ? recv(c->fd, c->text + c->len, REQUEST_MAX - c->len, 0) : 0;
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        c->len += (size_t)got;
        c->text[c->len] = '\0';
    }
    return true;
}

static void note_path(struct server *server, const char *text)
{
    const char *start = strchr(text, ' ');
    size_t len = start ? strcspn(++start, " ?") : PATH_LEN;
    for (size_t i = 0; i < PATHS && len < PATH_LEN; i++) {
        char *path = server->paths[i].path;
        if (!path[0])
            memcpy(path, start, len);
        if (strncmp(path, start, len) == 0 && !path[len]) {
            server->paths[i].count++;
            return;
        }
    }
}

/* ---- answering ---- */

static bool send_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        bytes += sent;
        len -= (size_t)sent;
    }
    return true;
}

/* The body with the number in place of each @. */
static char *body_of(const struct reply *reply, unsigned number, size_t *len)
{
    const char *from = reply->body ? reply->body : "";
    size_t size = reply->len ? reply->len : strlen(from);
    char *body = malloc(size * 11 + 1), *at = body;
    for (size_t i = 0; i < size; i++) {
        if (from[i] == '@' && !reply->len)
            at += sprintf(at, "%u", number);
        else
            *at++ = from[i];
    }
    *len = (size_t)(at - body);
    return body;
}

static bool send_head(int fd, const struct reply *reply, size_t len)
{
    char head[8192], length[64] = "";
    if (!reply->endless)
        snprintf(length, sizeof length, "Content-Length: %zu\r\n",
                 len + (reply->cut == CUT_BODY ? 10 : 0));
    int size =
        snprintf(head, sizeof head, "HTTP/1.1 %d Whatever\r\n%s%s\r\n",
                 reply->status ? reply->status : 200, length, reply->headers ? reply->headers : "");
    return send_all(fd, head, (size_t)size);
}

/* false: the connection is to be closed. */
static bool send_reply(struct connection *c, const struct reply *reply, unsigned number)
{
    size_t len;
    if (reply->cut == CUT_ALL)
        return false;
    if (reply->raw) {
        send_all(c->fd, reply->raw, strlen(reply->raw));
        return false;
    }
    char *body = body_of(reply, number, &len);
    bool head_only = strncmp(c->text, "HEAD ", 5) == 0;
    bool sent = send_head(c->fd, reply, len);
    if (!head_only)
        sent = sent && send_all(c->fd, body, len);
    while (sent && reply->endless)
        sent = send_all(c->fd, body, len);
    free(body);
    return sent && !reply->hang_up && reply->cut == CUT_NOTHING;
}

static void hold(struct server *server)
{
    unsigned gate = server->gate;
    server->held++;
    if (server->held > server->most)
        server->most = server->held;
    pthread_cond_broadcast(&server->changed);
    while (gate == server->gate && !server->closing)
        pthread_cond_wait(&server->changed, &server->lock);
}

static bool serve(struct connection *c)
{
    struct server *server = c->server;
    pthread_mutex_lock(&server->lock);
    unsigned number = ++server->count;
    struct reply reply = server->reply;
    struct scripted *next = STAILQ_FIRST(&server->script);
    if (next) {
        reply = next->reply;
        STAILQ_REMOVE_HEAD(&server->script, link);
        free(next);
    }
    memcpy(server->last, c->text, c->used);
    server->last[c->used] = '\0';
    note_path(server, c->text);
    pthread_cond_broadcast(&server->changed);
    if (reply.hold)
        hold(server);
    bool closing = server->closing;
    pthread_mutex_unlock(&server->lock);
    if (reply.delay > 0)
        pause_for(reply.delay);
    return !closing && send_reply(c, &reply, number);
}

/* ---- threads ---- */

static void *run_connection(void *arg)
{
    struct connection *c = arg;
    struct server *server = c->server;
    while (read_request(c) && serve(c))
        continue;
    pthread_mutex_lock(&server->lock);
    LIST_REMOVE(c, link);
    close(c->fd);
    server->threads--;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    free(c->text);
    free(c);
    return NULL;
}

static void start_connection(struct server *server, int fd)
{
    struct connection *c = calloc(1, sizeof *c);
    pthread_attr_t attr;
    pthread_t thread;
    const int now = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &now, sizeof now);
    c->server = server;
    c->fd = fd;
    c->text = malloc(REQUEST_MAX + 1);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_mutex_lock(&server->lock);
    server->accepted++;
    server->threads++;
    LIST_INSERT_HEAD(&server->connections, c, link);
    pthread_mutex_unlock(&server->lock);
    if (pthread_create(&thread, &attr, run_connection, c) != 0)
        abort();
    pthread_attr_destroy(&attr);
}

static void *run_acceptor(void *arg)
{
    struct server *server = arg;
    for (;;) {
        int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            start_connection(server, fd);
        else if (errno != EINTR && errno != ECONNABORTED)
            return NULL; /* shut down by server_free */
    }
}

struct server *server_new(void)
{
    struct server *server = calloc(1, sizeof *server);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->changed, NULL);
    STAILQ_INIT(&server->script);
    server->last = calloc(1, REQUEST_MAX + 1);
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server->fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(server->fd, 1024) != 0 ||
        getsockname(server->fd, (struct sockaddr *)&address, &len) != 0 ||
        pthread_create(&server->acceptor, NULL, run_acceptor, server) != 0)
        abort();
    server->port = ntohs(address.sin_port);
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:%d", server->port);
    return server;
}

void server_free(struct server *server)
{
    struct connection *c;
    struct scripted *next;
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->acceptor, NULL);
    close(server->fd);
    pthread_mutex_lock(&server->lock);
    server->closing = true;
    pthread_cond_broadcast(&server->changed);
    LIST_FOREACH (c, &server->connections, link)
        shutdown(c->fd, SHUT_RDWR);
    while (server->threads)
        pthread_cond_wait(&server->changed, &server->lock);
    pthread_mutex_unlock(&server->lock);
    while ((next = STAILQ_FIRST(&server->script))) {
        STAILQ_REMOVE_HEAD(&server->script, link);
        free(next);
    }
    free(server->last);
    free(server);
}

/* ---- what tests ask ---- */

const char *server_url(const struct server *server)
{
    return server->url;
}

int server_port(const struct server *server)
{
    return server->port;
}

void server_reply(struct server *server, const struct reply *reply)
{
    pthread_mutex_lock(&server->lock);
    server->reply = *reply;
    pthread_mutex_unlock(&server->lock);
}

void server_reply_once(struct server *server, const struct reply *reply)
{
    struct scripted *next = calloc(1, sizeof *next);
    next->reply = *reply;
    pthread_mutex_lock(&server->lock);
    STAILQ_INSERT_TAIL(&server->script, next, link);
    pthread_mutex_unlock(&server->lock);
}

void server_release(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    server->gate++;
    server->held = 0;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

static unsigned read_number(struct server *server, const unsigned *number)
{
    pthread_mutex_lock(&server->lock);
    unsigned value = *number;
    pthread_mutex_unlock(&server->lock);
    return value;
}

unsigned server_count(struct server *server)
{
    return read_number(server, &server->count);
}

unsigned server_count_path(struct server *server, const char *path)
{
    for (size_t i = 0; i < PATHS; i++)
        if (strcmp(server->paths[i].path, path) == 0)
            return read_number(server, &server->paths[i].count);
    return 0;
}

unsigned server_connections(struct server *server)
{
    return read_number(server, &server->accepted);
}

unsigned server_held(struct server *server)
{
    return read_number(server, &server->held);
}

unsigned server_most(struct server *server)
{
    return read_number(server, &server->most);
}

static bool wait_number(struct server *server, const unsigned *number, unsigned least,
                        double seconds)
{
    struct timespec until;
    int failed = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    double nsec = (double)until.tv_nsec + (seconds - (double)(time_t)seconds) * 1e9;
    until.tv_sec += (time_t)seconds + (nsec >= 1e9);
    until.tv_nsec = (long)(nsec >= 1e9 ? nsec - 1e9 : nsec);
    pthread_mutex_lock(&server->lock);
    while (*number < least && !failed)
        failed = pthread_cond_timedwait(&server->changed, &server->lock, &until);
    bool reached = *number >= least;
    pthread_mutex_unlock(&server->lock);
    return reached;
}

bool server_wait_count(struct server *server, unsigned count, double seconds)
{
    return wait_number(server, &server->count, count, seconds);
}

bool server_wait_held(struct server *server, unsigned count, double seconds)
{
    return wait_number(server, &server->held, count, seconds);
}

const char *server_last(struct server *server)
{
    return server->last;
}
