/* fork and exit: a child goes on by itself, and a process may end at any moment. */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"

/* In a child nothing may be asserted: it says with its exit status which of its checks failed. */
#define CHILD(condition)               \
    do {                               \
        if (!(condition))              \
            _exit(__LINE__ % 200 + 1); \
    } while (0)

/* Runs it in a child, which leaves without the exit handlers. A sanitizer's allocator stays locked in a
 * child where another thread was in it: the server's threads are given time to end. */
static pid_t in_child(void (*run)(void))
{
    if (SANITIZED)
        pause_for(0.05);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20);
        run();
        _exit(0);
    }
    assert_true(pid > 0);
    return pid;
}

static bool readable(int fd, int milliseconds)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    return poll(&poller, 1, milliseconds) == 1;
}

/* ---- tokens ---- */

static void child_has_token_and_renews(void)
{
    CHILD(strcmp(peek(), "token-1") == 0);
    CHILD(info().origin == GR_ORIGIN_INHERITED);
    CHILD(strcmp(token(), "token-1") == 0);
    CHILD(strncmp(result(ask_anew()), "token-", 6) == 0);
    CHILD(info().origin == GR_ORIGIN_NETWORK);
    CHILD(strcmp(peek(), "token-1") != 0);
    CHILD(!gr_engine_threaded() || gr_hot_read(gr_source_hot(handle)) == info().generation);
}

static void after_a_request(void **state)
{
    (void)state;
    assert_string_equal(token(), "token-1");
    pid_t pid = in_child(child_has_token_and_renews);
    assert_string_equal(token(), "token-1");
    assert_int_equal(await_child(pid), 0);
    assert_int_equal(info().origin, GR_ORIGIN_NETWORK);
    assert_string_equal(token(), "token-1");
    assert_string_equal(result(ask_anew()), "token-3");
}

static void child_asks_first(void)
{
    CHILD(strcmp(peek(), "") == 0);
    CHILD(strncmp(token(), "token-", 6) == 0);
}

static void before_any_request(void **state)
{
    (void)state;
    pid_t pid = in_child(child_asks_first);
    assert_int_equal(strncmp(token(), "token-", 6), 0);
    assert_int_equal(await_child(pid), 0);
    assert_int_equal(server_count(server), 2);
}

static struct gr_op *waiting;

static void child_asks_again(void)
{
    CHILD(!gr_op_done(waiting));
    CHILD(strcmp(result(waiting), "token-2") == 0);
    CHILD(strcmp(peek(), "token-2") == 0);
    CHILD(info().counts.failures == 0);
}

static void during_a_request(void **state)
{
    (void)state;
    server_reply_once(server, &(struct reply){.body = TOKEN(3600), .hold = true});
    waiting = ask_of(handle);
    EVENTUALLY(server_held(server) == 1);
    pid_t pid = in_child(child_asks_again);
    assert_int_equal(await_child(pid), 0);
    assert_false(gr_op_done(waiting));
    server_release(server);
    assert_string_equal(result(waiting), "token-1");
    assert_int_equal(server_count(server), 2);
    assert_int_equal(server_connections(server), 2);
}

/* The attempt is queued, or has just been taken up, or is done: whatever the moment. */
static void child_gets_some_token(void)
{
    CHILD(strncmp(result(waiting), "token-", 6) == 0);
    CHILD(strncmp(token(), "token-", 6) == 0);
}

static void at_any_moment(void **state)
{
    enum { ROUNDS = SANITIZED ? 5 : 20 };
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        use(open_again());
        waiting = ask_of(handle);
        pause_for(0.0001 * round);
        gr_engine_pump();
        pid_t pid = in_child(child_gets_some_token);
        assert_int_equal(strncmp(result(waiting), "token-", 6), 0);
        assert_int_equal(await_child(pid), 0);
        gr_source_close(handle, true);
        handle = open_again();
    }
}

static void child_renews_in_the_background(void)
{
    CHILD(strcmp(peek(), "token-1") == 0); /* its first use starts its engine */
    double until = gr_now() + LONG;
    while (strcmp(peek(), "token-1") == 0 || !*peek()) {
        gr_engine_pump();
        pause_for(0.001);
        CHILD(gr_now() < until);
    }
    CHILD(info().counts.waits == 1); /* the parent's */
}

static void child_has_an_engine_of_its_own(void **state)
{
    (void)state;
    reply_with(200, TOKEN(1));
    assert_string_equal(token(), "token-1");
    assert_int_equal(await_child(in_child(child_renews_in_the_background)), 0);
}

/* ---- calls ---- */

static struct gr_op *request(const char *method)
{
    struct gr_request r = request_to(method, server_url(server));
    return gr_op_request(box, &r);
}

static void child_hears_of_the_fork(void)
{
    struct gr_op *op;
    struct gr_event event;
    CHILD(readable(gr_mailbox_fd(box), 1000));
    CHILD(gr_mailbox_next(box, &op, &event) == GR_MAIL_OP);
    CHILD(op == waiting && gr_op_done(op));
    CHILD(op->error.kind == GR_E_CANCELLED && op->error.retryable);
    CHILD(strcmp(op->error.code, "forked") == 0);
    gr_op_release(op);
    gr_op_release(op);
    CHILD(strcmp(outcome(request("GET")), "") == 0);
}

static void calls_under_way_are_the_parents(void **state)
{
    (void)state;
    server_reply_once(server, &(struct reply){.hold = true});
    waiting = request("POST");
    gr_op_watch(waiting);
    int fd = gr_mailbox_fd(box);
    EVENTUALLY(server_held(server) == 1);
    assert_int_equal(await_child(in_child(child_hears_of_the_fork)), 0);
    gr_engine_pump();
    assert_false(readable(fd, 0));
    server_release(server);
    EVENTUALLY(gr_op_done(waiting));
    assert_true(readable(fd, 0));
    struct gr_op *op;
    struct gr_event event;
    assert_int_equal(gr_mailbox_next(box, &op, &event), GR_MAIL_OP);
    assert_string_equal(op->error.code, "");
    gr_op_release(op);
    gr_op_release(waiting);
    assert_int_equal(server_count(server), 2); /* the parent's, once, and the child's own */
}

static int wake_fd;

static void child_wakes_itself(void)
{
    struct gr_op *op;
    struct gr_event event;
    CHILD(gr_mailbox_fd(box) == wake_fd);
    CHILD(!readable(wake_fd, 0));
    gr_mailbox_wake(box);
    CHILD(readable(wake_fd, 0));
    CHILD(gr_mailbox_next(box, &op, &event) == GR_MAIL_NONE);
    CHILD(!readable(wake_fd, 0));
    gr_mailbox_wake(box);
}

/* A timer or a connection of the tests before may want to be seen to first. */
static bool falls_silent(int fd)
{
    double until = gr_now() + LONG;
    while (readable(fd, 0) && gr_now() < until)
        gr_engine_pump();
    return !readable(fd, 0);
}

static void wake_descriptors_are_apart(void **state)
{
    struct gr_op *op;
    struct gr_event event;
    (void)state;
    wake_fd = gr_mailbox_fd(box);
    assert_int_equal(await_child(in_child(child_wakes_itself)), 0);
    assert_true(falls_silent(wake_fd)); /* the child's is another */
    gr_mailbox_wake(box);
    pid_t pid = fork();
    if (pid == 0) { /* what was raised stays raised */
        CHILD(readable(wake_fd, 0));
        CHILD(gr_mailbox_next(box, &op, &event) == GR_MAIL_NONE);
        _exit(0);
    }
    assert_int_equal(await_child(pid), 0);
    assert_true(readable(wake_fd, 0));
    assert_int_equal(gr_mailbox_next(box, &op, &event), GR_MAIL_NONE);
}

static unsigned sockets(void)
{
    char path[300], target[64];
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    for (struct dirent *entry; (entry = readdir(folder));) {
        snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
        ssize_t len = readlink(path, target, sizeof target - 1);
        count += len > 7 && memcmp(target, "socket:", 7) == 0;
    }
    closedir(folder);
    return count;
}

static unsigned sockets_before;

static void child_closes_the_parents_connections(void)
{
    CHILD(sockets() == sockets_before - 5);
    CHILD(strcmp(outcome(request("GET")), "") == 0);
}

/* A child that kept them open would keep the server from seeing the parent's end of them. */
static void connections_are_not_inherited(void **state)
{
    struct gr_op *ops[5];
    (void)state;
    server_reply(server, &(struct reply){.hold = true});
    for (size_t i = 0; i < COUNT(ops); i++)
        gr_op_watch(ops[i] = request("GET"));
    EVENTUALLY(server_held(server) == COUNT(ops));
    server_reply(server, &(struct reply){0});
    sockets_before = sockets();
    pid_t pid = in_child(child_closes_the_parents_connections);
    assert_int_equal(await_child(pid), 0);
    server_release(server);
    for (size_t i = 0; i < COUNT(ops); i++) {
        struct gr_op *mail;
        struct gr_event event;
        assert_string_equal(outcome(ops[i]), "");
        assert_int_equal(gr_mailbox_next(box, &mail, &event), GR_MAIL_OP);
        gr_op_release(mail);
    }
    assert_int_equal(server_connections(server), COUNT(ops) + 1);
}

/* ---- descriptors of the host ---- */

static int taken[3];

/* A service that does not take connections: its queue is full. */
static int full_service(char url[64])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 0), 0);
    getsockname(listener, (struct sockaddr *)&address, &len);
    for (int i = 0; i < 3; i++) {
        int queued = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(queued, (struct sockaddr *)&address, sizeof address);
        taken[i] = queued;
    }
    snprintf(url, 64, "http://127.0.0.1:%d", ntohs(address.sin_port));
    return listener;
}

static int files[40];

static void child_has_the_hosts_files(void)
{
    for (size_t i = 0; i < COUNT(files); i++)
        CHILD(fcntl(files[i], F_GETFD) >= 0);
}

/* libcurl 7.88 does not say that it closes what has not been connected yet. */
static void the_hosts_files_are_not_closed(void **state)
{
    char url[64];
    (void)state;
    int listener = full_service(url);
    assert_string_equal(outcome(request("GET")), ""); /* libcurl has sockets of its own */
    for (int i = 0; i < 5; i++) {
        unsigned before = sockets();
        struct gr_request r = request_to("GET", url);
        struct gr_op *op = gr_op_request(box, &r);
        gr_op_watch(op);
        EVENTUALLY(sockets() > before);
        assert_true(gr_op_cancel(op));
        EVENTUALLY(sockets() == before);
        gr_op_release(op);
    }
    for (size_t i = 0; i < COUNT(files); i++)
        files[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(await_child(in_child(child_has_the_hosts_files)), 0);
    for (size_t i = 0; i < COUNT(files); i++)
        close(files[i]);
    for (size_t i = 0; i < COUNT(taken); i++)
        close(taken[i]);
    close(listener);
}

static void grandchild(void)
{
    pid_t pid = in_child(child_has_token_and_renews);
    CHILD(await_child(pid) == 0);
    CHILD(strcmp(token(), "token-1") == 0);
    CHILD(strncmp(result(ask_anew()), "token-", 6) == 0);
    CHILD(gr_engine_shutdown(1));
}

static void generations(void **state)
{
    (void)state;
    assert_string_equal(token(), "token-1");
    assert_int_equal(await_child(in_child(grandchild)), 0);
}

/* Others call while one forks. */
static bool enough;

static bool read_enough(void)
{
    gr_engine_lock();
    bool value = enough;
    gr_engine_unlock();
    return value;
}

static void *call_until_told(void *arg)
{
    struct gr_mailbox *own = gr_mailbox_new();
    const char *code = "";
    while (!read_enough() && !*code) {
        struct gr_request r = request_to("GET", server_url(server));
        code = outcome(gr_op_request(own, &r));
    }
    gr_mailbox_release(own);
    return *code ? arg : NULL;
}

static void check_forks_beside_calls(void (*run)(void))
{
    enum { ROUNDS = SANITIZED ? 3 : 10 };
    pthread_t threads[3];
    void *failed;
    assert_string_equal(token(), "token-1");
    enough = false;
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_create(&threads[i], NULL, call_until_told, threads);
    for (int round = 0; round < ROUNDS; round++)
        assert_int_equal(await_child(in_child(run)), 0);
    gr_engine_lock();
    enough = true;
    gr_engine_unlock();
    for (size_t i = 0; i < COUNT(threads); i++) {
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
}

static void forks_beside_calls(void **state)
{
    (void)state;
    check_forks_beside_calls(child_has_token_and_renews);
}

static void child_does_nothing(void)
{
}

static void forks_of_programs(void **state)
{
    (void)state;
    check_forks_beside_calls(child_does_nothing);
}

/* ---- exit ---- */

static bool late_handler;

/* Registered before the library's own, so it runs after that. */
static void call_the_library_at_exit(void)
{
    if (!late_handler)
        return;
    struct gr_op *op = request("GET");
    gr_op_wait(op, INFINITY); /* comes back at once: there is no I/O any more */
    gr_op_cancel(op);
    gr_op_release(op);
    gr_engine_pump();
    gr_engine_shutdown(1);
    gr_source_close(handle, true);
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    if (await_child(pid) != 0)
        _exit(99);
}

static void exit_now(void)
{
    exit(0);
}

enum { CALLS = 12 };

static int exit_delay;

static void exit_with_calls_under_way(void)
{
    for (int i = 0; i < CALLS; i++)
        gr_op_watch(request(i % 2 ? "GET" : "POST"));
    gr_op_release(ask_of(handle));
    if (!gr_engine_threaded())
        for (int i = 0; i < exit_delay; i++)
            gr_engine_pump();
    pause_for(exit_delay * 1e-4);
    exit(0);
}

/* Meets TLS where it allocates most: each of these starts a handshake, which fails. */
static void exit_with_handshakes_under_way(void)
{
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%d/", server_port(server));
    for (int i = 0; i < CALLS; i++) {
        struct gr_request r = request_to("GET", url);
        gr_op_watch(gr_op_request(box, &r));
    }
    pause_for(exit_delay * 1e-3);
    exit(0);
}

static void exit_while_a_caller_waits(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, call_until_told, NULL);
    pause_for(exit_delay * 1e-4);
    exit(0);
}

static void check_exits(void (*run)(void), int rounds)
{
    double began = gr_now();
    enough = false;
    for (exit_delay = 0; exit_delay < rounds; exit_delay++)
        assert_int_equal(await_child(in_child(run)), 0);
    assert_true(gr_now() - began < (SANITIZED ? 60 : 0.1 * rounds + 1));
}

enum { EXITS = SANITIZED ? 5 : 26 }; /* in each of two modes */

static void exit_at_any_moment(void **state)
{
    (void)state;
    check_exits(exit_with_calls_under_way, EXITS);
}

static void exit_during_handshakes(void **state)
{
    (void)state;
#ifdef VALGRIND
    skip(); /* a step with all of them takes longer than an exit waits for it */
#endif
    check_exits(exit_with_handshakes_under_way, EXITS);
}

static void exit_beside_a_caller(void **state)
{
    (void)state;
    check_exits(exit_while_a_caller_waits, EXITS / 2);
}

static void exit_handlers_may_use_the_library(void **state)
{
    (void)state;
    late_handler = true;
    check_exits(exit_with_calls_under_way, 3);
    check_exits(exit_now, 1);
    late_handler = false;
}

#if defined(__SANITIZE_THREAD__)
/* By default it sleeps a second at each exit. */
__attribute__((visibility("default"))) const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "atexit_sleep_ms=0";
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(after_a_request),
        BOTH(before_any_request),
        BOTH(during_a_request),
        BOTH(calls_under_way_are_the_parents),
        BOTH(wake_descriptors_are_apart),
        BOTH(connections_are_not_inherited),
        BOTH(the_hosts_files_are_not_closed),
        BOTH(generations),
        BOTH(forks_of_programs),
        BOTH(exit_at_any_moment),
        BOTH(exit_during_handshakes),
        BOTH(exit_beside_a_caller),
        BOTH(exit_handlers_may_use_the_library),
    };
    const struct CMUnitTest busy[] = {
        BOTH(child_has_an_engine_of_its_own),
        BOTH(at_any_moment),
        BOTH(forks_beside_calls),
    };
    atexit(call_the_library_at_exit);
    gr_source_init();
    int failed = cmocka_run_group_tests_name("fork", tests, NULL, NULL);
    if (!SANITIZED)
        failed += cmocka_run_group_tests_name("fork beside threads", busy, NULL, NULL);
    return failed;
}
