#include "process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FIRST_FD 3

/* Above every number that a child is given, so that one dup2 never overwrites the source of another. */
#define SAFE_FD 64

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* --- start ------------------------------------------------------------------------------------------ */

/* Copies of the descriptors to hand over, close-on-exec here. */
struct handover {
    int fds[GR_CHILD_FDS + 1];
    size_t count;
};

static int handover_add(struct handover *h, int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, SAFE_FD);

    if (copy < 0)
        return errno;
    h->fds[h->count++] = copy;
    return 0;
}

static void handover_close(struct handover *h)
{
    for (size_t i = 0; i < h->count; i++)
        close(h->fds[i]);
    h->count = 0;
}

static int handover_add_lifeline(struct handover *h, int *ours)
{
    int ends[2];
    int err;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    err = handover_add(h, ends[0]);
    close(ends[0]);
    if (err == 0)
        *ours = ends[1];
    else
        close(ends[1]);
    return err;
}

static int handover_fill(struct handover *h, const struct gr_child_spec *spec, int *lifeline)
{
    int err = spec->fd_count <= GR_CHILD_FDS ? 0 : EINVAL;

    for (size_t i = 0; err == 0 && i < spec->fd_count; i++)
        err = handover_add(h, spec->fds[i]);
    if (err == 0 && spec->lifeline)
        err = handover_add_lifeline(h, lifeline);
    return err;
}

static int add_actions(posix_spawn_file_actions_t *actions, const struct handover *h,
                       const char *output)
{
    int err = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);

    if (err == 0)
        err = posix_spawn_file_actions_addopen(actions, 1, output != NULL ? output : "/dev/null",
                                               O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (err == 0)
        err = posix_spawn_file_actions_adddup2(actions, 1, 2);
    for (size_t i = 0; err == 0 && i < h->count; i++)
        err = posix_spawn_file_actions_adddup2(actions, h->fds[i], FIRST_FD + (int)i);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
    if (err == 0)
        err = posix_spawn_file_actions_addclosefrom_np(actions, FIRST_FD + (int)h->count);
#endif
    return err;
}

/* The calling thread may block signals, and the host may ignore some: neither is for the child. */
static int set_attributes(posix_spawnattr_t *attr)
{
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    sigset_t set;
    int err;

    sigemptyset(&set);
    err = posix_spawnattr_setsigmask(attr, &set);
    sigfillset(&set);
    sigdelset(&set, SIGKILL);
    sigdelset(&set, SIGSTOP);
    if (err == 0)
        err = posix_spawnattr_setsigdefault(attr, &set);
#ifdef POSIX_SPAWN_SETSID
    flags |= POSIX_SPAWN_SETSID;
#else
    flags |= POSIX_SPAWN_SETPGROUP;
#endif
    if (err == 0)
        err = posix_spawnattr_setflags(attr, flags);
    return err;
}

/* posix_spawn, not fork: it is safe beside threads, and runs no fork handlers. */
static int spawn(pid_t *pid, const struct gr_child_spec *spec, const struct handover *h)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int err = posix_spawn_file_actions_init(&actions);

    if (err != 0)
        return err;
    err = posix_spawnattr_init(&attr);
    if (err == 0) {
        err = add_actions(&actions, h, spec->output);
        if (err == 0)
            err = set_attributes(&attr);
        if (err == 0)
            err = posix_spawnp(pid, spec->argv[0], &actions, &attr, spec->argv, spec->env);
        posix_spawnattr_destroy(&attr);
    }
    posix_spawn_file_actions_destroy(&actions);
    return err;
}

int gr_child_start(struct gr_child *child, const struct gr_child_spec *spec)
{
    struct handover h = {.count = 0};
    int err;

    *child = GR_CHILD_NONE;
    err = handover_fill(&h, spec, &child->lifeline);
    if (err == 0)
        err = spawn(&child->pid, spec, &h);
    handover_close(&h);
    if (err != 0) {
        close_fd(&child->lifeline);
        child->pid = 0;
    }
    child->owner = getpid();
    return err;
}

/* --- end -------------------------------------------------------------------------------------------- */

static int code_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool is_ours(const struct gr_child *child)
{
    return child->pid > 0 && child->owner == getpid();
}

/* Only a child seen running here may be signalled: once reaped, its number can be anybody's. */
static bool reap(struct gr_child *child)
{
    int status = 0;
    pid_t got;

    if (child->ended || !is_ours(child))
        return true;
    do
        got = waitpid(child->pid, &status, WNOHANG);
    while (got < 0 && errno == EINTR);
    if (got == 0)
        return false;
    child->code = got > 0 ? code_of(status) : -1;
    child->ended = true;
    return true;
}

static double seconds_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void pause_for(double seconds)
{
    struct timespec t = {.tv_sec = (time_t)seconds};

    t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
    nanosleep(&t, NULL);
}

bool gr_child_wait(struct gr_child *child, double seconds)
{
    double until = seconds_now() + seconds;
    double step = 0.0002;

    while (!reap(child)) {
        double left = until - seconds_now();

        if (left <= 0)
            return false;
        pause_for(step < left ? step : left);
        step = step < 0.01 ? step * 1.5 : step;
    }
    return true;
}

void gr_child_stop(struct gr_child *child, double seconds)
{
    close_fd(&child->lifeline);
    if (reap(child))
        return;
    kill(child->pid, SIGTERM);
    if (gr_child_wait(child, seconds))
        return;
    kill(child->pid, SIGKILL);
    gr_child_wait(child, 0.2);
}

/* --- socket and folder ------------------------------------------------------------------------------ */

static int bind_loopback(int fd, unsigned *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 1024) != 0)
        return errno;
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        return errno;
    *port = ntohs(address.sin_port);
    return 0;
}

/* Not blocking: whoever inherits it may accept until there is nothing left. */
int gr_listen_loopback(int *fd, unsigned *port)
{
    int err;

    *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0)
        return errno;
    err = bind_loopback(*fd, port);
    if (err != 0)
        close_fd(fd);
    return err;
}

int gr_folder_make(char *path, size_t size)
{
    const char *parent = getenv("TMPDIR");
    int n;

    if (parent == NULL || *parent == '\0')
        parent = "/tmp";
    n = snprintf(path, size, "%s/groove-XXXXXX", parent);
    if (n < 0 || (size_t)n >= size)
        return ENAMETOOLONG;
    return mkdtemp(path) != NULL ? 0 : errno;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    (void)remove(path);
    return 0;
}

void gr_folder_remove(const char *path)
{
    (void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
