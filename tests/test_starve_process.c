/* What a process may lack as a whole: memory or a handler when it begins, descriptors, stack, the means to
 * start another process. Mostly in a forked process. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine_state.h"
#include "lack.h"
#include "process.h"

/* Else so many calls are left out between two that fail. */
enum { SOME = SANITIZED ? 211 : 37 };

static void open_source(const char *id)
{
    struct gr_options made = options();
    made.client_id = id;
    open_as(&made);
}

static void begin_work(void)
{
    trying.brief = 1;
    gr_source_init();
    box = gr_mailbox_new();
    open_source("id");
}

/* Nothing is left. */
static void end_work(void)
{
    gr_source_close(handle, true);
    gr_engine_shutdown(0);
    gr_mailbox_release(box);
    REQUIRE(gr_secret_count() == 0 && gr_engine.timers.members == 0);
}

/* ---- a process that begins ---- */

static bool is_done_once(enum fault fault)
{
    return fault == FAULT_atexit || fault == FAULT_curl_global_init ||
           fault == FAULT_curl_global_init_mem || fault == FAULT_pthread_atfork;
}

static int begin_to_work(void)
{
    faults_set(trying.fault, trying.first, trying.count);
    begin_work();
    ends(acquire());
    ends(call());
    ends(box ? gr_op_sleep(box, 0.001) : NULL);
    int status = faults_hit() > 0 ? PASSED : NOTHING_FAILED;
    faults_clear();
    recover();
    if (status == PASSED && is_done_once(trying.fault)) /* and so has to be done again */
        REQUIRE(faults_called(trying.fault) > faults_hit());
    int pid = settled_fork(); /* with its handlers */
    if (pid == 0) {
        recover();
        _exit(PASSED);
    }
    REQUIRE(await_child(pid) == PASSED);
    end_work();
    return status;
}

static unsigned stride;

static void try_each(int (*body)(void), enum fault fault, unsigned long count, unsigned step)
{
    int status = PASSED;
    for (unsigned long first = 1; status == PASSED; first += step) {
        trying.fault = fault;
        trying.first = first;
        trying.count = count;
        status = run_in_child(body);
        assert_true(status == PASSED || status == NOTHING_FAILED);
    }
}

static void first_use(void **state)
{
    static const enum fault each[] = {FAULT_pthread_create,
                                      FAULT_pthread_attr_init,
                                      FAULT_atexit,
                                      FAULT_curl_global_init,
                                      FAULT_curl_global_init_mem,
                                      FAULT_pthread_atfork,
                                      FAULT_mmap,
                                      FAULT_mlock,
                                      FAULT_madvise,
                                      FAULT_calloc,
                                      FAULT_realloc};
    (void)state;
    trying.what = "first use";
    for (int i = 0; i < 2; i++) {
        threaded = i == 0;
        for (size_t k = 0; k < COUNT(each); k++)
            try_each(begin_to_work, each[k], 1, 1);
        try_each(begin_to_work, FAULT_realloc, ULONG_MAX, 1);
        try_each(begin_to_work, FAULT_ANY, 1, stride);
        try_each(begin_to_work, FAULT_ANY, ULONG_MAX, stride * 3);
    }
}

/* Waits as a host does that polls. The op may not need its deadline, nor the host another sign. */
static int watch_while_failing(struct gr_op *(*start)(void))
{
    struct gr_op *op = NULL;
    struct gr_event event;
    faults_set(trying.fault, trying.first, trying.count);
    int fd = gr_mailbox_fd(box);
    struct gr_op *started = start();
    gr_op_watch(started);
    while (gr_mailbox_next(box, &op, &event) == GR_MAIL_NONE) {
        struct pollfd poller = {.fd = fd >= 0 ? fd : gr_mailbox_fd(box), .events = POLLIN};
        REQUIRE(poll(&poller, 1, (int)LONG * 900) == 1);
        gr_engine_pump();
    }
    check_error(&op->error);
    gr_op_release(op);
    gr_op_release(started);
    int status = faults_hit() > 0 ? PASSED : NOTHING_FAILED;
    faults_clear();
    recover();
    end_work();
    return status;
}

/* The descriptor is asked for when there is a connection already. */
static int ask_late(void)
{
    begin_work();
    trying.brief = LONG;
    REQUIRE(ends(call()));
    return watch_while_failing(call);
}

static struct gr_op *start_pause(void)
{
    return gr_op_sleep(box, 0.01);
}

/* Whoever drives waits for other things, and for long. */
static int lose_a_timer(void)
{
    begin_work();
    trying.brief = LONG;
    gr_mailbox_fd(box);
    REQUIRE(ends(call()));
    pause_for(0.15); /* the thread polls again by then */
    return watch_while_failing(start_pause);
}

static void lost_signs(void **state)
{
    (void)state;
    trying.what = "lost signs";
    server_reply(api, &(struct reply){.delay = 0.03}); /* not there already when a step ends */
    threaded = false;
    try_each(ask_late, FAULT_epoll_ctl, 1, 1);
    try_each(ask_late, FAULT_epoll_create1, 1, 1);
    for (int i = 0; i < 2; i++) {
        threaded = i == 0;
        try_each(lose_a_timer, FAULT_timerfd_settime, 1, 1);
        try_each(lose_a_timer, FAULT_write, 1, 1);
    }
    server_reply(api, &(struct reply){0});
}

/* Whoever lacks something for longer does not use the processor up by asking for it. */
static int want_for_longer(void)
{
    static const enum fault each[] = {FAULT_curl_multi_init, FAULT_curl_multi_poll,
                                      FAULT_pthread_create, FAULT_eventfd};
    begin_work();
    for (size_t i = 0; i < COUNT(each); i++) {
        trying.what = faults_name(each[i]);
        gr_engine_shutdown(0);
        faults_set(each[i], 1, ULONG_MAX);
        ends(acquire());
        ends(call());
        ends(gr_op_sleep(box, 0.2));
        REQUIRE(faults_hit() > 0 || (each[i] == FAULT_pthread_create && !threaded) ||
                each[i] == FAULT_eventfd);
        REQUIRE(faults_hit() < 200);
        faults_clear();
        recover();
    }
    return PASSED;
}

static void patience(void **state)
{
    (void)state;
    run_both(want_for_longer);
}

/* ---- no descriptors left ---- */

static int held[512];
static size_t held_count;

static void take_all(void)
{
    for (int fd; held_count < COUNT(held) && (fd = open("/dev/null", O_RDONLY)) >= 0;)
        held[held_count++] = fd;
    REQUIRE(errno == EMFILE);
}

static void give_back(void)
{
    while (held_count)
        close(held[--held_count]);
}

static void limit(void)
{
    const struct rlimit few = {128, 128};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
}

static int none_from_the_beginning(void)
{
    limit();
    take_all();
    begin_work();
    REQUIRE(box && handle);
    REQUIRE(!ends(acquire()) && !ends(call()));
    REQUIRE(gr_mailbox_fd(box) < 0);
    give_back();
    recover();
    REQUIRE(gr_mailbox_fd(box) >= 0);
    return PASSED;
}

static int none_before_the_first_token(void)
{
    limit();
    begin_work();
    int fd = gr_mailbox_fd(box);
    REQUIRE(ends(gr_op_sleep(box, 0.001))); /* the engine has its own */
    take_all();
    REQUIRE(!ends(acquire()) && !ends(call()));
    REQUIRE(ends(gr_op_sleep(box, 0.001)));
    give_back();
    recover();
    REQUIRE(gr_mailbox_fd(box) == fd);
    return PASSED;
}

/* What is at hand serves on: the token, and a connection that is open. */
static int none_between_calls(void)
{
    limit();
    begin_work();
    REQUIRE(ends(acquire()) && ends(call()));
    take_all();
    REQUIRE(ends(acquire()) && ends(call()) && ends(call()));
    struct gr_request post = request_to("POST", server_url(api)); /* wants a fresh one */
    REQUIRE(!ends(gr_op_request(box, &post)));
    open_source("another");
    REQUIRE(handle && !ends(acquire()));
    give_back();
    recover();
    return PASSED;
}

/* A child of a fork has to make its own. */
static int none_after_a_fork(void)
{
    limit();
    begin_work();
    REQUIRE(ends(acquire()));
    struct gr_op *waiting = gr_op_sleep(box, 0.05);
    int pid = settled_fork();
    if (pid == 0) {
        take_all();
        REQUIRE(ends(acquire())); /* it is inherited */
        REQUIRE(gr_op_wait(waiting, LONG));
        REQUIRE(!ends(call()));
        give_back();
        recover();
        _exit(PASSED);
    }
    REQUIRE(ends(waiting));
    REQUIRE(await_child(pid) == PASSED);
    return PASSED;
}

static void no_descriptors(void **state)
{
    (void)state;
    run_both(none_from_the_beginning);
    run_both(none_before_the_first_token);
    run_both(none_between_calls);
    run_both(none_after_a_fork);
}

/* ---- little stack ---- */

enum { LITTLE = (SANITIZED ? 512 : 64) * 1024 };

static void *work_with_little(void *arg)
{
    begin_work();
    recover();
    gr_source_close(handle, true);
    gr_mailbox_release(box);
    return arg;
}

/* The thread of the host does all of it itself. */
static int little_stack(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    gr_source_init();
    pthread_attr_init(&attr);
    REQUIRE(pthread_attr_setstacksize(&attr, LITTLE) == 0);
    REQUIRE(pthread_create(&thread, &attr, work_with_little, NULL) == 0);
    pthread_join(thread, NULL);
    return PASSED;
}

static void stack(void **state)
{
    (void)state;
    run_both(little_stack);
}

/* ---- a process that is to be started ---- */

/* A child as the sandbox has one. Whether all of it could be had. */
static bool start_child(void)
{
    char *const argv[] = {"true", NULL}, *const env[] = {NULL};
    char folder[PATH_MAX];
    struct gr_child child = GR_CHILD_NONE;
    unsigned port;
    int fd = -1, err = gr_listen_loopback(&fd, &port);
    int no_folder = gr_folder_make(folder, sizeof folder);
    struct gr_child_spec spec = {.argv = argv,
                                 .env = env,
                                 .fds = &fd,
                                 .fd_count = 1,
                                 .lifeline = true,
                                 .output = "/dev/null"};
    if (!err)
        err = gr_child_start(&child, &spec);
    if (!err)
        assert_true(gr_child_wait(&child, LONG) && child.code == 0);
    gr_child_stop(&child, 1);
    if (fd >= 0)
        close(fd);
    if (!no_folder)
        gr_folder_remove(folder);
    assert_true(no_folder || access(folder, F_OK) != 0);
    return !err && !no_folder;
}

static void children(void **state)
{
    (void)state;
    assert_true(start_child());
    long before = faults_descriptors();
    for (int fault = 0; fault < FAULT_COUNT; fault++) {
        bool failing = true;
        for (unsigned long n = 1; failing; n++) {
            faults_set((enum fault)fault, n, 1);
            bool good = start_child();
            failing = faults_hit() > 0;
            faults_clear();
            assert_true(good != failing);
            assert_int_equal(faults_descriptors(), before);
        }
    }
    assert_true(start_child());
}

/* ---- what the core calls ---- */

/* Whether the name is a word of tests/starve/cannot_fail.txt, behind no "#". */
static bool cannot_fail(const char *name)
{
    char line[512];
    bool found = false;
    FILE *file = fopen("tests/starve/cannot_fail.txt", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        for (char *save, *word = strtok_r(line, " \n", &save); word && *word != '#';
             word = strtok_r(NULL, " \n", &save))
            found = found || strcmp(word, name) == 0;
    fclose(file);
    return found;
}

/* What comes from the compiler and its sanitizers is no call that is written here. */
static bool is_called_by_us(const char *name)
{
    static const char *const others[] = {"__wrap_",     "__asan",      "__ubsan", "__tsan",
                                         "__sanitizer", "__stack_chk", "__gcov"};
    for (size_t i = 0; i < COUNT(others); i++)
        if (strncmp(name, others[i], strlen(others[i])) == 0)
            return false;
    return true;
}

static void every_call_is_known(void **state)
{
    char name[256];
    unsigned wrapped = 0;
    (void)state;
    FILE *names = popen("nm -u " STARVED, "r");
    assert_non_null(names);
    while (fscanf(names, " %*c %255s", name) == 1) {
        wrapped += strncmp(name, "__wrap_", 7) == 0;
        if (is_called_by_us(name) && !cannot_fail(name))
            fail_msg("%s is called, and neither made to fail nor known not to", name);
    }
    assert_int_equal(pclose(names), 0);
    assert_true(wrapped >= FAULT_COUNT);
}

static void each_has_failed(void **state)
{
    (void)state;
    check_totals(FAULT_ONCE_FIRST, FAULT_COUNT);
}

/* ---- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_is_known),
        cmocka_unit_test(first_use),
        cmocka_unit_test(lost_signs),
        cmocka_unit_test(patience),
        cmocka_unit_test(no_descriptors),
        cmocka_unit_test(stack),
        cmocka_unit_test(children),
        cmocka_unit_test(each_has_failed),
    };
    if (!FORKS) {
        puts("1..0 # SKIP ThreadSanitizer knows the threads of one process only");
        return 0;
    }
    stride = tries_all() ? 1 : SOME;
    faults_init();
    return cmocka_run_group_tests_name("starve_process", tests, begin_services, end_services);
}
