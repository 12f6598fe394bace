#include "port.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <resolv.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

enum { THREAD_STACK = 512 * 1024 };

int gr_port_wake_new(void)
{
    return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void gr_port_wake_raise(int fd)
{
    uint64_t one = 1;
    while (write(fd, &one, sizeof one) < 0 && errno == EINTR) /* EAGAIN: it is readable already */
        continue;
}

void gr_port_wake_clear(int fd)
{
    uint64_t count;
    while (read(fd, &count, sizeof count) < 0 && errno == EINTR)
        continue;
}

int gr_port_set_new(void)
{
    return epoll_create1(EPOLL_CLOEXEC);
}

bool gr_port_set_put(int set, int fd, enum gr_watch watch)
{
    static const uint32_t events[] = {
        [GR_WATCH_READABLE] = EPOLLIN,
        [GR_WATCH_SIGNALS] = EPOLLIN | EPOLLET,
        [GR_WATCH_CHANGES] = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
    };
    struct epoll_event event = {.events = events[watch], .data.fd = fd};
    return epoll_ctl(set, watch == GR_WATCH_NOTHING ? EPOLL_CTL_DEL : EPOLL_CTL_ADD, fd, &event) ==
           0;
}

bool gr_port_set_holds(int set, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(set, EPOLL_CTL_MOD, fd, &event) == 0;
}

uint64_t gr_port_socket_id(int fd)
{
    struct stat about;
    return fstat(fd, &about) == 0 && S_ISSOCK(about.st_mode) ? about.st_ino : 0;
}

int gr_port_set_take(int set, int *fds, int max)
{
    struct epoll_event events[64];
    int limit = (int)(sizeof events / sizeof *events);
    int count = epoll_wait(set, events, max < limit ? max : limit, 0);
    for (int i = 0; i < count; i++)
        fds[i] = events[i].data.fd;
    return count < 0 ? 0 : count;
}

void gr_port_replace(int fd, int fresh)
{
    dup3(fresh, fd, O_CLOEXEC);
    close(fresh);
}

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool gr_port_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           is_same_time(&a->st_mtim, &b->st_mtim) && is_same_time(&a->st_ctim, &b->st_ctim);
}

/* glibc keeps to what has been changed in its state, and so would never look at its file again. In a chroot
 * without that file it is to keep what it has. */
static void refresh_resolver(void)
{
    static _Thread_local struct stat read;
    struct stat now;
    bool there = stat(_PATH_RESCONF, &now) == 0;
    bool changed = there && read.st_ino != 0 && !gr_port_same_file(&read, &now);
    if (changed || !(_res.options & RES_INIT))
        res_init();
    if (there)
        read = now;
}

void gr_port_resolver_hurry(struct gr_patience *usual)
{
    refresh_resolver();
    *usual = (struct gr_patience){_res.retrans, _res.retry};
    _res.retrans = 1;
    _res.retry = 1;
}

void gr_port_resolver_calm(const struct gr_patience *usual)
{
    _res.retrans = usual->seconds;
    _res.retry = usual->times;
}

int gr_port_timer_new(void)
{
    return timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
}

bool gr_port_timer_set(int fd, double at)
{
    double wait = fmax(at - gr_now(), 1e-6); /* zero would disarm it */
    wait = fmin(wait, 1e9);
    struct itimerspec spec = {
        .it_value = {.tv_sec = (time_t)wait, .tv_nsec = (long)((wait - floor(wait)) * 1e9)}};
    if (spec.it_value.tv_sec == 0 && spec.it_value.tv_nsec == 0)
        spec.it_value.tv_nsec = 1;
    return timerfd_settime(fd, 0, &spec, NULL) == 0;
}

void gr_port_timer_clear(int fd)
{
    gr_port_wake_clear(fd); /* both are read as one 64-bit number */
}

bool gr_port_thread(void *(*run)(void *), void *arg)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;
    if (pthread_attr_init(&attr) != 0)
        return false;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, THREAD_STACK);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread, &attr, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return !failed;
}

void gr_port_pin(void)
{
    static const char anchor;
    Dl_info info;
    if (dladdr(&anchor, &info) && info.dli_fname)
        (void)dlopen(info.dli_fname, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
}

/* A SIGPIPE can only be pending already where it was blocked already. */
void gr_port_signals_block(struct gr_signals *saved)
{
    sigset_t all, pending;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &saved->mask);
    saved->pending = false;
    if (sigismember(&saved->mask, SIGPIPE)) {
        sigpending(&pending);
        saved->pending = sigismember(&pending, SIGPIPE);
    }
}

void gr_port_signals_restore(const struct gr_signals *saved)
{
    sigset_t pipe;
    struct timespec now = {0, 0};
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    if (!saved->pending)
        while (sigtimedwait(&pipe, NULL, &now) == -1 && errno == EINTR)
            continue;
    pthread_sigmask(SIG_SETMASK, &saved->mask, NULL);
}

void gr_port_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

void gr_port_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, double seconds)
{
    struct timespec until;
    if (seconds > 1e8) {
        pthread_cond_wait(cond, mutex);
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    double at = (double)until.tv_nsec / 1e9 + fmax(seconds, 0);
    until.tv_sec += (time_t)at;
    until.tv_nsec = (long)((at - floor(at)) * 1e9);
    pthread_cond_timedwait(cond, mutex, &until);
}

double gr_port_random(void)
{
    uint64_t bits = 0;
    if (getrandom(&bits, sizeof bits, GRND_NONBLOCK) != (ssize_t)sizeof bits)
        bits = (uint64_t)(gr_now() * 1e9) * UINT64_C(0x9E3779B97F4A7C15); /* early boot only */
    return (double)(bits >> 11) * 0x1p-53;
}
