/* The mailbox's descriptor, closed by a host that must not: what has its number then is left alone. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"

static bool readable(int fd)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    return poll(&poller, 1, 0) == 1;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) != -1;
}

/* What a host may open next, and so get the number. */
static int open_file(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int open_set(void)
{
    return epoll_create1(EPOLL_CLOEXEC);
}

static int open_wake(void)
{
    return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static int (*const foreign[])(void) = {open_file, open_set, open_wake};

/* The mailbox's descriptor, closed, and its number taken by something of the host's. In one step: between
 * two of them the accept of the server's thread would take the number. */
static int stolen(struct gr_mailbox *from, int (*open_one)(void))
{
    int fd = gr_mailbox_fd(from);
    int other = open_one();
    assert_int_equal(dup2(other, fd), fd);
    close(other);
    return fd;
}

static void drain(void)
{
    struct gr_op *op;
    struct gr_event event;
    while (gr_mailbox_next(box, &op, &event) == GR_MAIL_OP)
        gr_op_release(op);
}

static void next_one_works(int before)
{
    int fd = gr_mailbox_fd(box);
    assert_true(fd >= 0 && fd != before);
    assert_int_equal(gr_mailbox_fd(box), fd);
    drain();
    assert_false(readable(fd));
    gr_mailbox_wake(box);
    assert_true(readable(fd));
    drain();
    assert_false(readable(fd));
}

static void another_is_made(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(foreign); i++) {
        int fd = stolen(box, foreign[i]);
        gr_mailbox_wake(box);
        assert_string_equal(token(), "token-1");
        drain();
        assert_false(readable(fd) && foreign[i] != open_file);
        next_one_works(fd);
        assert_true(is_open(fd));
        close(fd);
    }
}

static void another_is_made_of_a_number_that_is_free(void **state)
{
    (void)state;
    int fd = gr_mailbox_fd(box);
    close(fd);
    assert_string_equal(token(), "token-1");
    int fresh = gr_mailbox_fd(box);
    assert_true(is_open(fresh));
    gr_mailbox_wake(box);
    assert_true(readable(fresh));
    drain();
}

static void end_leaves_it_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(foreign); i++) {
        struct gr_mailbox *other = gr_mailbox_new();
        struct stat before, after;
        int fd = stolen(other, foreign[i]);
        fstat(fd, &before);
        gr_mailbox_release(other);
        assert_int_equal(fstat(fd, &after), 0);
        assert_int_equal(before.st_ino, after.st_ino);
        close(fd);
    }
}

static void end_closes_what_is_its_own(void **state)
{
    (void)state;
    struct gr_mailbox *other = gr_mailbox_new();
    int fd = gr_mailbox_fd(other);
    gr_mailbox_release(other);
    assert_false(is_open(fd));
}

static int kept;

/* In a child nothing may be asserted. */
static void run_child(void)
{
    struct stat now, parent;
    bool good = fstat(kept, &now) == 0 && stat("/dev/null", &parent) == 0 &&
                now.st_rdev == parent.st_rdev && now.st_ino == parent.st_ino;
    int fd = gr_mailbox_fd(box);
    gr_mailbox_wake(box);
    good = good && fd >= 0 && fd != kept && readable(fd);
    good = good && strcmp(token(), "token-1") == 0;
    _exit(good ? 0 : 1);
}

static void fork_leaves_it_alone(void **state)
{
    (void)state;
    assert_string_equal(token(), "token-1");
    kept = stolen(box, open_file);
    if (SANITIZED)
        pause_for(0.05);
    pid_t pid = fork();
    if (pid == 0)
        run_child();
    assert_int_equal(await_child(pid), 0);
    assert_true(is_open(kept));
    close(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(another_is_made),      BOTH(another_is_made_of_a_number_that_is_free),
        BOTH(end_leaves_it_alone),  BOTH(end_closes_what_is_its_own),
        BOTH(fork_leaves_it_alone),
    };
    gr_source_init();
    return cmocka_run_group_tests_name("descriptor", tests, NULL, NULL);
}
