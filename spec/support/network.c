/* Started by network.lua: what may stand between a program and a service, or in its place. Listens on
 * descriptor 3, ends when descriptor 4 does, writes down what it is sent.
 *
 * usage: network [tls CERTIFICATE KEY] WHAT
 *     deaf                     accepts no connection; the system does, for it
 *     full                     and the system does not, either
 *     proxy [NAME:PASSWORD]    forwards, and tunnels, whatever the host, to that port of 127.0.0.1
 *     answers STEP...          does so when a request has come, on each connection, and closes it:
 *         send TEXT, drip TEXT (a byte a second), repeat TEXT (without end), file PATH, hold
 *         TEXT: with \r, \n, \\ and \xHH
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTENER = 3, LIFELINE = 4, HEAD_MAX = 64 * 1024, CHUNK = 16 * 1024, QUEUE = 8 };

/* A client, or a server that is forwarded to. */
struct peer {
    int fd;
    SSL *ssl; /* NULL: plain */
};

static SSL_CTX *tls;
static char **words; /* what to do */
static const char *credentials;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- bytes ---- */

static void note(const char *bytes, size_t len)
{
    if (write(STDOUT_FILENO, bytes, len) < 0)
        die("write");
}

static ssize_t take(struct peer *peer, char *bytes, size_t size)
{
    if (peer->ssl)
        return SSL_read(peer->ssl, bytes, (int)size);
    return recv(peer->fd, bytes, size, 0);
}

static bool give(struct peer *peer, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = peer->ssl ? SSL_write(peer->ssl, bytes, (int)len)
                                 : send(peer->fd, bytes, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        len -= (size_t)sent;
    }
    return true;
}

static bool give_text(struct peer *peer, const char *text)
{
    return give(peer, text, strlen(text));
}

static void end_peer(struct peer *peer)
{
    if (peer->ssl) {
        SSL_shutdown(peer->ssl);
        SSL_free(peer->ssl);
    }
    shutdown(peer->fd, SHUT_WR);
    close(peer->fd);
}

/* A request's head and what has come with it. 0: the peer has gone. */
static size_t take_head(struct peer *peer, char *head)
{
    size_t len = 0;
    do {
        ssize_t got = take(peer, head + len, HEAD_MAX - 1 - len);
        if (got <= 0)
            return 0;
        note(head + len, (size_t)got);
        len += (size_t)got;
        head[len] = '\0';
        if (!peer->ssl && head[0] == 0x16) /* TLS, and there is none here */
            return len;
    } while (!strstr(head, "\r\n\r\n") && len < HEAD_MAX - 1);
    return len;
}

/* ---- answers ---- */

static size_t unescape(const char *text, char *bytes)
{
    char *at = bytes;
    for (; *text; text++) {
        unsigned code = 0;
        if (*text != '\\') {
            *at++ = *text;
        } else if (*++text == 'x') {
            sscanf(text + 1, "%2x", &code);
            *at++ = (char)code;
            text += 2;
        } else {
            *at++ = *text == 'r' ? '\r' : *text == 'n' ? '\n' : *text;
        }
    }
    return (size_t)(at - bytes);
}

/* In pieces that make it worth its while. */
static bool repeat(struct peer *peer, const char *bytes, size_t len)
{
    char many[CHUNK];
    size_t filled = 0;
    while (len > 0 && filled + len <= sizeof many) {
        memcpy(many + filled, bytes, len);
        filled += len;
    }
    while (give(peer, many, filled))
        continue;
    return false;
}

static bool drip(struct peer *peer, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!give(peer, bytes + i, 1))
            return false;
        sleep(1);
    }
    return true;
}

static bool give_file(struct peer *peer, const char *path)
{
    char bytes[CHUNK];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = 0;
    if (fd < 0)
        die(path);
    while ((got = read(fd, bytes, sizeof bytes)) > 0 && give(peer, bytes, (size_t)got))
        continue;
    close(fd);
    return got == 0;
}

/* Until the peer goes. */
static bool hold(struct peer *peer)
{
    char bytes[CHUNK];
    ssize_t got;
    while ((got = take(peer, bytes, sizeof bytes)) > 0)
        note(bytes, (size_t)got);
    return false;
}

static bool take_step(struct peer *peer, char ***at)
{
    const char *step = *(*at)++;
    char bytes[CHUNK];
    size_t len;
    if (strcmp(step, "hold") == 0)
        return hold(peer);
    if (strcmp(step, "file") == 0)
        return give_file(peer, *(*at)++);
    len = unescape(*(*at)++, bytes);
    if (strcmp(step, "repeat") == 0)
        return repeat(peer, bytes, len);
    return strcmp(step, "drip") == 0 ? drip(peer, bytes, len) : give(peer, bytes, len);
}

static void answer(struct peer *peer)
{
    static _Thread_local char head[HEAD_MAX];
    char **at = words;
    if (take_head(peer, head) == 0)
        return;
    while (*at && take_step(peer, &at))
        continue;
}

/* ---- a proxy ---- */

static int connect_to(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((unsigned short)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

/* What there is, from one to the other. false: no more will come. */
static bool move(struct peer *from, struct peer *to)
{
    char bytes[CHUNK];
    do {
        ssize_t got = take(from, bytes, sizeof bytes);
        if (got <= 0 || !give(to, bytes, (size_t)got))
            return false;
    } while (from->ssl && SSL_pending(from->ssl) > 0);
    return true;
}

static void relay(struct peer *client, struct peer *server)
{
    struct pollfd polled[] = {{.fd = client->fd, .events = POLLIN},
                              {.fd = server->fd, .events = POLLIN}};
    while (poll(polled, 2, -1) > 0) {
        if (polled[0].revents && !move(client, server))
            return;
        if (polled[1].revents && !move(server, client))
            return;
    }
}

static bool is_known(const char *head)
{
    char line[512] = "Proxy-Authorization: Basic ";
    if (!credentials)
        return true;
    EVP_EncodeBlock((unsigned char *)line + strlen(line), (const unsigned char *)credentials,
                    (int)strlen(credentials));
    strcat(line, "\r\n");
    return strcasestr(head, line) != NULL;
}

/* Hands on a request as a server expects it: with a path for its URL, and without what is the proxy's. */
static bool forward(struct peer *server, const char *head, size_t len)
{
    const char *url = strstr(head, "http://"), *path = url ? strchr(url + 7, '/') : NULL;
    const char *own = strcasestr(head, "Proxy-Authorization:"), *rest = own;
    if (!path || !give(server, head, (size_t)(url - head)))
        return false;
    if (!own)
        return give(server, path, len - (size_t)(path - head));
    rest = strstr(own, "\r\n") + 2;
    return give(server, path, (size_t)(own - path)) &&
           give(server, rest, len - (size_t)(rest - head));
}

static void go_between(struct peer *client)
{
    static _Thread_local char head[HEAD_MAX];
    size_t len = take_head(client, head);
    const char *colon = strstr(head, "http://");
    struct peer server = {-1, NULL};
    bool tunnel = strncmp(head, "CONNECT ", 8) == 0;
    if (len == 0)
        return;
    if (!is_known(head)) {
        give_text(client,
                  "HTTP/1.1 407 Who are you?\r\nProxy-Authenticate: Basic realm=\"here\"\r\n"
                  "Connection: close\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    colon = strchr(colon && !tunnel ? colon + 7 : head, ':');
    server.fd = colon ? connect_to((unsigned)strtoul(colon + 1, NULL, 10)) : -1;
    if (server.fd < 0) {
        give_text(client, "HTTP/1.1 502 Nobody there\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    if (tunnel ? give_text(client, "HTTP/1.1 200 Go on\r\n\r\n") : forward(&server, head, len))
        relay(client, &server);
    end_peer(&server);
}

/* ---- connections ---- */

static void *serve(void *arg)
{
    struct peer peer = {(int)(long)arg, NULL};
    if (tls) {
        peer.ssl = SSL_new(tls);
        SSL_set_fd(peer.ssl, peer.fd);
        if (SSL_accept(peer.ssl) != 1) {
            note("(no TLS)\n", 9);
            end_peer(&peer);
            return NULL;
        }
    }
    if (words)
        answer(&peer);
    else
        go_between(&peer);
    end_peer(&peer);
    return NULL;
}

static void *watch_lifeline(void *arg)
{
    char byte;
    while (read(LIFELINE, &byte, 1) < 0 && errno == EINTR)
        continue;
    _exit(0);
    return arg;
}

/* A connection that is not accepted fills the queue; the system lets one more in than it says. */
static void fill_queue(void)
{
    struct sockaddr_in address;
    socklen_t len = sizeof address;
    if (getsockname(LISTENER, (struct sockaddr *)&address, &len) != 0 || listen(LISTENER, 0) != 0)
        die("listen");
    for (int i = 0; i < QUEUE; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(fd, (struct sockaddr *)&address, sizeof address);
    }
}

static void use_certificate(const char *certificate, const char *key)
{
    tls = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(tls, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1)
        die(certificate);
}

static void accept_all(void)
{
    for (;;) {
        const int at_once = 1;
        pthread_t thread;
        int fd = accept4(LISTENER, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
        note("(connection)\n", 13);
        if (pthread_create(&thread, NULL, serve, (void *)(long)fd) != 0)
            die("pthread_create");
        pthread_detach(thread);
    }
}

int main(int argc, char **argv)
{
    pthread_t thread;
    (void)argc;
    signal(SIGPIPE, SIG_IGN);
    fcntl(LISTENER, F_SETFL, 0); /* accept is to wait */
    if (pthread_create(&thread, NULL, watch_lifeline, NULL) != 0)
        die("pthread_create");
    if (strcmp(*++argv, "tls") == 0) {
        use_certificate(argv[1], argv[2]);
        argv += 3;
    }
    if (strcmp(*argv, "full") == 0)
        fill_queue();
    note("(ready)\n", 8);
    if (strcmp(*argv, "full") == 0 || strcmp(*argv, "deaf") == 0)
        pthread_join(thread, NULL);
    if (strcmp(*argv, "answers") == 0)
        words = argv + 1;
    else
        credentials = argv[1];
    accept_all();
}
