/* prefetch: names without a thread. getaddrinfo and pthread_create are this file's own here, for libcurl, too. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <resolv.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"
#include "port.h"
#include "prefetch.h"

#define EXPORTED __attribute__((visibility("default")))

/* Behind .1 there is the server, behind this nobody: connections are refused. */
#define DEAD "127.0.0.2"

/* ---- what the system would do ---- */

static const char
    *known[4];              /* the addresses of every name ending in .test; none: it is not known */
static unsigned look_ups;   /* of names, by groove itself */
static char looked_up[256]; /* the names, one behind the other */
static bool in_a_hurry;     /* the last time */
static _Atomic unsigned others;  /* libcurl's own */
static _Atomic unsigned threads; /* started by the thread that runs the tests, for whomever */
static _Thread_local bool runs_tests;

static void know(const char *first, const char *second)
{
    known[0] = first;
    known[1] = first ? second : NULL;
}

static int give_known(const struct addrinfo *hints, struct addrinfo **found)
{
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    struct addrinfo numeric = *hints;
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    numeric.ai_flags |= AI_NUMERICHOST;
    for (size_t i = 0; known[i]; i++) {
        int failed = real(known[i], NULL, &numeric, found);
        if (failed)
            return failed;
        while (*found)
            found = &(*found)->ai_next;
    }
    return known[0] ? 0 : EAI_NONAME;
}

EXPORTED int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                         struct addrinfo **found)
{
    *found = NULL;
    if (service) { /* libcurl asks for host and port */
        others++;
        return EAI_AGAIN;
    }
    in_a_hurry = _res.retrans == 1 && _res.retry == 1;
    gr_engine_lock(); /* it would never return if this thread had it */
    gr_engine_unlock();
    look_ups++;
    snprintf(looked_up + strlen(looked_up), sizeof looked_up - strlen(looked_up), "%s ", host);
    return give_known(hints, found);
}

EXPORTED int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                            void *arg)
{
    static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    threads += runs_tests;
    return real(thread, attr, run, arg);
}

/* ---- tools ---- */

static int begin_watched(void **state)
{
    int failed = begin_threadless(state);
    runs_tests = true;
    know("127.0.0.1", NULL);
    look_ups = 0;
    others = 0;
    threads = 0;
    looked_up[0] = '\0';
    return failed;
}

static int end_watched(void **state)
{
    int started = (int)(threads + others);
    runs_tests = false;
    return end(state) + started;
}

static const char *with_host(const char *scheme, const char *host)
{
    static char url[128];
    snprintf(url, sizeof url, "%s://%s:%d", scheme, host, server_port(server));
    return url;
}

/* A URL of the server with a host that no test before has used. */
static const char *fresh(const char *scheme)
{
    static unsigned count;
    char host[32];
    snprintf(host, sizeof host, "host-%u.test", ++count);
    return with_host(scheme, host);
}

static const char *fresh_url(void)
{
    return fresh("http");
}

static struct gr_handle *open_at(const char *url)
{
    struct gr_options options = options_for(url);
    options.allow_http = true;
    return open_with(&options);
}

static struct gr_request named_request(const char *method, const char *url)
{
    struct gr_request request = request_to(method, url);
    request.allow_http = true;
    return request;
}

/* On a connection of its own, as it is a POST. */
static const char *post(const char *url)
{
    struct gr_request request = named_request("POST", url);
    return outcome(gr_op_request(box, &request));
}

/* ---- when names are looked up ---- */

static void when_a_source_is_opened(void **state)
{
    (void)state;
    use(open_at(fresh_url()));
    assert_int_equal(look_ups, 1);
    know(NULL, NULL);
    assert_string_equal(token(), "token-1");
    assert_string_equal(result(ask_anew()), "token-2");
    assert_int_equal(look_ups, 1);
}

static void not_for_a_source_with_a_thread(void **state)
{
    (void)state;
    const char *url = fresh_url();
    struct gr_options options = options_for(url);
    options.allow_http = options.thread = true;
    struct gr_handle *other = open_with(&options);
    assert_int_equal(look_ups, 0);
    gr_source_close(other, true);
}

static void once_for_all_sources(void **state)
{
    (void)state;
    const char *url = fresh_url();
    for (int i = 0; i < 3; i++)
        gr_source_close(open_at(url), true);
    assert_string_equal(post(url), "");
    assert_int_equal(look_ups, 1);
}

static void when_first_needed(void **state)
{
    (void)state;
    const char *url = fresh_url();
    assert_string_equal(post(url), "");
    assert_string_equal(post(url), "");
    assert_int_equal(look_ups, 1);
}

/* Waits for the mailbox's descriptor and for nothing else. */
static const char *outcome_by_polling(const char *url)
{
    struct gr_request request = named_request("GET", url);
    struct gr_op *op = gr_op_request(box, &request);
    struct pollfd poller = {.fd = gr_mailbox_fd(box), .events = POLLIN};
    gr_op_watch(op);
    while (!gr_op_done(op)) {
        assert_int_equal(poll(&poller, 1, (int)(LONG * 1000)), 1);
        gr_engine_pump();
    }
    return outcome(op);
}

static void by_a_host_that_polls(void **state)
{
    (void)state;
    assert_string_equal(outcome_by_polling(fresh_url()), "");
    know(NULL, NULL);
    assert_string_equal(outcome_by_polling(fresh_url()), "resolve_failed");
    assert_int_equal(look_ups, 2);
}

static void what_failed_ahead_is_tried_again(void **state)
{
    (void)state;
    know(NULL, NULL);
    use(open_at(fresh_url()));
    assert_int_equal(look_ups, 1);
    know("127.0.0.1", NULL);
    assert_string_equal(token(), "token-1");
    assert_int_equal(look_ups, 2);
}

/* A look-up that fails may take long: not one for each of many calls. */
static void failure_stands_for_seconds(void **state)
{
    (void)state;
    const char *url = fresh_url();
    know(NULL, NULL);
    assert_string_equal(post(url), "resolve_failed");
    assert_string_equal(post(url), "resolve_failed");
    assert_int_equal(look_ups, 1);
    know("127.0.0.1", NULL);
    gr_clock_skip(5);
    assert_string_equal(post(url), "");
    assert_int_equal(look_ups, 2);
}

static void failure_is_told_as_libcurl_would(void **state)
{
    (void)state;
    know(NULL, NULL);
    struct gr_request request = named_request("GET", fresh_url());
    struct gr_op *op = gr_op_request(box, &request);
    assert_true(gr_op_wait(op, LONG));
    assert_int_equal(op->error.kind, GR_E_TRANSPORT);
    assert_true(op->error.retryable);
    assert_string_equal(op->error.message, curl_easy_strerror(CURLE_COULDNT_RESOLVE_HOST));
    assert_string_equal(outcome(op), "resolve_failed");
}

static void not_for_what_is_no_name(void **state)
{
    (void)state;
    assert_string_equal(post(with_host("http", "127.0.0.1")), "");
    assert_string_equal(post(with_host("http", "localhost")), "");
    assert_string_equal(post(with_host("http", "LocalHost")), "");
    assert_string_equal(post(with_host("http", "groove.localhost")), "");
    assert_string_equal(post(with_host("http", "[::1]")), "connect_failed");
    assert_int_equal(look_ups, 0);
}

static void names_are_told_apart(void **state)
{
    (void)state;
    assert_string_equal(post(with_host("http", "Case.test")), "");
    assert_string_equal(post(with_host("http", "case.TEST")), "");
    assert_string_equal(post(with_host("http", "case.test.")), "");
    assert_string_equal(looked_up, "Case.test case.test. ");
}

/* ---- addresses ---- */

static void each_address_is_tried(void **state)
{
    (void)state;
    know(DEAD, "127.0.0.1");
    assert_string_equal(post(fresh_url()), "");
}

static void addresses_of_both_families(void **state)
{
    (void)state;
    know("::1", "127.0.0.1");
    assert_string_equal(post(fresh_url()), "");
    know("fe80::1%1", "127.0.0.1"); /* libcurl takes none with a scope */
    assert_string_equal(post(fresh_url()), "");
    know("fe80::1%1", NULL);
    assert_string_equal(post(fresh_url()), "resolve_failed");
}

static void dead_address_is_looked_up_after_a_minute(void **state)
{
    (void)state;
    const char *url = fresh_url();
    know(DEAD, NULL);
    assert_string_equal(post(url), "connect_failed");
    know("127.0.0.1", NULL);
    gr_clock_skip(50);
    assert_string_equal(post(url), "connect_failed");
    assert_int_equal(look_ups, 1);
    gr_clock_skip(10);
    assert_string_equal(post(url), "");
    assert_int_equal(look_ups, 2);
    gr_clock_skip(60); /* it is not doubted any more */
    assert_string_equal(post(url), "");
    assert_int_equal(look_ups, 2);
}

/* Looking by age would hold up a host whose name servers do not answer. */
static void good_address_is_never_looked_up_again(void **state)
{
    (void)state;
    const char *url = fresh_url();
    assert_string_equal(post(url), "");
    know(DEAD, NULL);
    gr_clock_skip(1e6);
    assert_string_equal(post(url), "");
    assert_int_equal(look_ups, 1);
}

static void old_address_is_looked_up_when_a_source_is_opened(void **state)
{
    (void)state;
    const char *url = fresh_url();
    assert_string_equal(post(url), "");
    gr_clock_skip(200);
    gr_source_close(open_at(url), true);
    assert_int_equal(look_ups, 1);
    know(NULL, NULL);
    gr_clock_skip(100);
    gr_source_close(open_at(url), true);
    assert_int_equal(look_ups, 2);
    assert_string_equal(post(url), ""); /* the old one stays */
}

static void requests_do_not_wait_long_for_a_name(void **state)
{
    (void)state;
    struct gr_patience usual = {_res.retrans, _res.retry};
    const char *url = fresh_url();
    gr_source_close(open_at(url), true);
    assert_false(in_a_hurry);
    assert_string_equal(post(fresh_url()), "");
    assert_true(in_a_hurry);
    assert_int_equal(_res.retrans, usual.seconds);
    assert_int_equal(_res.retry, usual.times);
}

static void dead_address_is_kept_where_there_is_no_other(void **state)
{
    (void)state;
    const char *url = fresh_url();
    know(DEAD, NULL);
    assert_string_equal(post(url), "connect_failed");
    know(NULL, NULL);
    for (unsigned i = 0; i < 3; i++) {
        gr_clock_skip(60);
        assert_string_equal(post(url), "connect_failed");
        assert_string_equal(post(url), "connect_failed");
        assert_int_equal(look_ups, 2 + i);
    }
}

/* Seconds until the engine gives up, whatever the machine is doing meanwhile. */
static const char *outcome_when_late(struct gr_op *op)
{
    gr_clock_skip(LONG);
    return outcome(op);
}

static void request_that_was_sent(void **state)
{
    (void)state;
    struct gr_request request = named_request("GET", fresh_url());
    server_reply_once(server, &(struct reply){.hold = true});
    struct gr_op *op = gr_op_request(box, &request);
    EVENTUALLY(server_held(server) == 1);
    assert_string_equal(outcome_when_late(op), "timeout");
    gr_clock_skip(60);
    assert_string_equal(post(request.url), "");
    assert_int_equal(look_ups, 1);
}

/* The server speaks no TLS: it waits for the end of a request that never comes. */
static void connection_that_takes_too_long(void **state)
{
    (void)state;
    struct gr_request request = named_request("GET", fresh("https"));
    for (unsigned i = 1; i <= 3; i++) {
        struct gr_op *op = gr_op_request(box, &request);
        EVENTUALLY(server_connections(server) == i);
        assert_string_equal(outcome_when_late(op), "timeout");
        assert_int_equal(look_ups, i);
        gr_clock_skip(60);
    }
}

static void connection_that_libcurl_gives_up(void **state)
{
    (void)state;
    struct gr_request request = named_request("GET", fresh("https"));
    request.connect_timeout = 0.05;
    for (unsigned i = 1; i <= 3; i++) {
        assert_string_equal(outcome(gr_op_request(box, &request)), "connect_timeout");
        assert_int_equal(look_ups, i);
        gr_clock_skip(60);
    }
}

static void cache_is_bounded(void **state)
{
    (void)state;
    char url[64];
    know(NULL, NULL);
    for (int i = 0; i < 1000; i++) {
        snprintf(url, sizeof url, "http://many-%d.test", i);
        gr_prefetch(url, NULL, NULL);
    }
    assert_int_equal(look_ups, 1000);
    gr_prefetch("http://many-999.test", NULL, NULL);
    assert_int_equal(look_ups, 1000);
    gr_prefetch("http://many-0.test", NULL, NULL);
    assert_int_equal(look_ups, 1001);
}

/* ---- proxies ---- */

static const char *post_through(const char *url, const char *proxy)
{
    struct gr_request request = named_request("POST", url);
    request.proxy = proxy;
    looked_up[0] = '\0';
    return outcome(gr_op_request(box, &request));
}

static void proxy_knows_the_hosts(void **state)
{
    (void)state;
    assert_string_equal(post_through("http://api-1.test/", with_host("http", "proxy-1.test")), "");
    assert_string_equal(looked_up, "proxy-1.test ");
    know(DEAD, NULL);
    assert_string_equal(post_through("http://api-2.test/", with_host("socks5h", "proxy-2.test")),
                        "connect_failed");
    assert_string_equal(looked_up, "proxy-2.test ");
}

static void proxy_leaves_the_hosts_to_us(void **state)
{
    (void)state;
    know(DEAD, NULL);
    assert_string_equal(post_through("http://api-3.test/", with_host("socks5", "proxy-3.test")),
                        "connect_failed");
    assert_string_equal(looked_up, "proxy-3.test api-3.test ");
    assert_string_equal(post_through("http://api-4.test/", "proxy-4.test"), "connect_failed");
    assert_string_equal(looked_up, "proxy-4.test ");
    assert_string_equal(post_through("http://api-5.test/", "https://proxy-5.test"),
                        "connect_failed");
    assert_string_equal(looked_up, "proxy-5.test ");
    know(NULL, NULL);
    assert_string_equal(post_through("http://api-6.test/", "socks4://proxy-6.test"),
                        "resolve_failed");
    assert_string_equal(looked_up, "proxy-6.test ");
}

/* ---- certificates ---- */

static const char certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBeTCCAR+gAwIBAgIUVMO8P6D9X8Tt9a9eXv/lkTSx5iwwCgYIKoZIzj0EAwIw\n"
    "ETEPMA0GA1UEAwwGbm9ib2R5MCAXDTI2MTEyNTA5NDkxNloYDzIxMjYxMTAxMDk0\n"
    "OTE2WjARMQ8wDQYDVQQDDAZub2JvZHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC\n"
    "AATRDgziXBOalfte9szqCidbhIg+6cgBnTUZbniSG2kZn+AlgYIQdDfJHQdkTTEg\n"
    "sAqqjx3QOYDefW3VS4iUuEIAo1MwUTAdBgNVHQ4EFgQUm42j9s4m2Dj3QKj/XjaP\n"
    "dLXvNM0wHwYDVR0jBBgwFoAUm42j9s4m2Dj3QKj/XjaPdLXvNM0wDwYDVR0TAQH/\n"
    "BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiBDRhoPgsuNxT7ZilVmA8IW4dvxCnH8\n"
    "e5XAJyCI2Wk9MQIhAIWXEOMJ7JOQFsaVKz7lWrMnkQxRMSzSU/i3+rAdgilN\n"
    "-----END CERTIFICATE-----\n";

static const char *write_file(char *path, const char *content)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    close(fd);
    return path;
}

static const char *outcome_with(const char *ca_file, double connect_timeout)
{
    struct gr_request request = request_to("GET", with_host("https", "127.0.0.1"));
    request.connect_timeout = connect_timeout;
    request.ca_file = ca_file;
    return outcome(gr_op_request(box, &request));
}

/* The server speaks no TLS, but before that is known the certificates have been read. */
#define ASSERT_TRUSTED(path)   assert_string_equal(outcome_with(path, 0.05), "connect_timeout")
#define ASSERT_UNTRUSTED(path) assert_string_equal(outcome_with(path, LONG), "ca_file_unreadable")

static void certificates_outlive_their_file(void **state)
{
    (void)state;
    char kept[] = "/tmp/groove-test-XXXXXX", other[] = "/tmp/groove-test-XXXXXX";
    struct gr_options options = options_for(with_host("https", "127.0.0.1"));
    options.ca_file = write_file(kept, certificate);
    write_file(other, certificate);
    use(open_with(&options));
    unlink(kept);
    unlink(other);
    ASSERT_TRUSTED(kept);
    ASSERT_UNTRUSTED(other);
}

static void file_is_read_while_it_can_be(void **state)
{
    (void)state;
    char path[] = "/tmp/groove-test-XXXXXX";
    write_file(path, certificate);
    gr_prefetch("https://127.0.0.1/", NULL, path);
    assert_int_equal(truncate(path, 0), 0);
    ASSERT_UNTRUSTED(path);
    unlink(path);
    ASSERT_TRUSTED(path);
}

/* ---- processes ---- */

/* In a child nothing may be asserted: it says with its exit status which of its checks failed. */
#define CHILD(condition)               \
    do {                               \
        if (!(condition))              \
            _exit(__LINE__ % 200 + 1); \
    } while (0)

static int status_of_child(void (*run)(void))
{
    if (SANITIZED)
        pause_for(0.05); /* its allocator stays locked in a child where another thread was in it */
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20);
        run();
        _exit(0);
    }
    return await_child(pid);
}

static const char *given;

static void child_uses_the_cache(void)
{
    know(NULL, NULL);
    CHILD(strcmp(post(given), "") == 0);
    CHILD(look_ups == 1);
}

static void cache_is_inherited(void **state)
{
    (void)state;
    given = fresh_url();
    gr_prefetch(given, NULL, NULL);
    assert_int_equal(status_of_child(child_uses_the_cache), 0);
    assert_string_equal(post(given), "");
    assert_int_equal(look_ups, 1);
}

static void *nothing(void *arg)
{
    return arg;
}

/* The limit counts for ordinary users only. */
static void forbid_threads(void)
{
    pthread_t thread;
    const struct rlimit none = {0, 0};
    CHILD(setrlimit(RLIMIT_NPROC, &none) == 0);
    CHILD(geteuid() != 0 || (setgid(65534) == 0 && setuid(65534) == 0));
    CHILD(pthread_create(&thread, NULL, nothing, NULL) == EAGAIN);
}

/* Sources that say nothing: the engine finds out by itself. */
static void child_may_have_no_thread(void)
{
    forbid_threads();
    struct gr_options options = options_for(given);
    options.allow_http = options.thread = true;
    handle = open_with(&options);
    CHILD(look_ups == 0);
    CHILD(strncmp(token(), "token-", 6) == 0);
    CHILD(!gr_engine_threaded());
    CHILD(strcmp(post(given), "") == 0);
    struct gr_op *op = ask_anew();
    for (double until = gr_now() + LONG; !gr_op_done(op); gr_engine_pump())
        CHILD(gr_now() < until);
    CHILD(strncmp(result(op), "token-", 6) == 0);
    CHILD(look_ups == 1 && others == 0);
}

static void no_thread_is_to_be_had(void **state)
{
    (void)state;
    use_thread(true); /* until now the tests wanted none */
    given = fresh_url();
    assert_int_equal(status_of_child(child_may_have_no_thread), 0);
    use_thread(false);
}

/* libcurl goes by what it finds itself as soon as there is a thread. */
/* A proxy is known, the host behind it is not: libcurl's handle goes back unused, and to others. */
static void addresses_that_were_not_used_are_forgotten(void **state)
{
    (void)state;
    know(DEAD, NULL);
    gr_source_close(open_at(with_host("http", "proxy-7.test")), true);
    know(NULL, NULL);
    struct gr_request request = named_request("POST", "http://api-7.test/");
    request.proxy = with_host("socks5", "proxy-7.test");
    struct gr_op *op = gr_op_request(box, &request);
    assert_true(gr_op_wait(op, LONG)); /* kept: its addresses go with it */
    assert_string_equal(op->error.code, "resolve_failed");
    struct gr_options options = options_for(server_url(server));
    options.thread = true;
    use(open_with(&options));
    assert_string_equal(post(with_host("http", "proxy-7.test")), "resolve_failed");
    assert_int_equal(others, 1); /* libcurl has asked for itself */
    gr_op_release(op);
    others = 0;
    threads = 0;
}

/* Puts that in place of the resolver's file. false: not allowed. */
static bool put_resolver_file(const char *text)
{
    char path[] = "/tmp/groove-resolv-XXXXXX";
    int fd = mkstemp(path);
    bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
                mount(path, _PATH_RESCONF, "none", MS_BIND, NULL) == 0;
    close(fd);
    return good;
}

static const char *first_server(void)
{
    struct gr_patience usual;
    gr_port_resolver_hurry(&usual);
    gr_port_resolver_calm(&usual);
    return inet_ntoa(_res.nsaddr_list[0].sin_addr);
}

/* In a child: 0, or the number of what went wrong. */
static int follow_resolver_file(void)
{
    if (!put_resolver_file("nameserver 127.0.0.2\n"))
        return 1;
    res_init();
    if (strcmp(first_server(), "127.0.0.2") != 0)
        return 2;
    if (!put_resolver_file("nameserver 127.0.0.3\n"))
        return 3;
    if (strcmp(first_server(), "127.0.0.3") != 0)
        return 4;
    if (mkdir("/tmp/groove-empty", 0700) != 0 || chroot("/tmp/groove-empty") != 0)
        return 5;
    return strcmp(first_server(), "127.0.0.3") == 0 ? 0 : 6;
}

static void resolver_file_is_followed(void **state)
{
    (void)state;
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        bool own = unshare(CLONE_NEWNS) == 0 &&
                   mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
                   mount("none", "/tmp", "tmpfs", 0, NULL) == 0;
        _exit(own ? follow_resolver_file() : 77);
    }
    waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip(); /* it takes root, and a system that allows it */
    assert_int_equal(status, 0);
}

static void none_of_it_with_a_thread(void **state)
{
    (void)state;
    use_thread(true);
    use(open_again());
    assert_string_equal(post(fresh_url()), "resolve_failed");
    assert_true(gr_engine_threaded());
    assert_int_equal(look_ups, 0);
    assert_int_equal(others, 1);
    others = 0;
    threads = 0;
}

#define WATCHED(name)                                 \
    {                                                 \
#name, name, begin_watched, end_watched, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        WATCHED(when_a_source_is_opened),
        WATCHED(not_for_a_source_with_a_thread),
        WATCHED(once_for_all_sources),
        WATCHED(when_first_needed),
        WATCHED(by_a_host_that_polls),
        WATCHED(what_failed_ahead_is_tried_again),
        WATCHED(failure_stands_for_seconds),
        WATCHED(failure_is_told_as_libcurl_would),
        WATCHED(not_for_what_is_no_name),
        WATCHED(names_are_told_apart),
        WATCHED(each_address_is_tried),
        WATCHED(addresses_of_both_families),
        WATCHED(dead_address_is_looked_up_after_a_minute),
        WATCHED(good_address_is_never_looked_up_again),
        WATCHED(old_address_is_looked_up_when_a_source_is_opened),
        WATCHED(requests_do_not_wait_long_for_a_name),
        WATCHED(dead_address_is_kept_where_there_is_no_other),
        WATCHED(request_that_was_sent),
        WATCHED(connection_that_takes_too_long),
        WATCHED(connection_that_libcurl_gives_up),
        WATCHED(cache_is_bounded),
        WATCHED(proxy_knows_the_hosts),
        WATCHED(proxy_leaves_the_hosts_to_us),
        WATCHED(certificates_outlive_their_file),
        WATCHED(file_is_read_while_it_can_be),
        WATCHED(cache_is_inherited),
        WATCHED(no_thread_is_to_be_had),
        WATCHED(addresses_that_were_not_used_are_forgotten),
        WATCHED(resolver_file_is_followed),
        WATCHED(none_of_it_with_a_thread),
    };
    gr_source_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
