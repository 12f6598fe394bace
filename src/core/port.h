/* port: what differs between systems. Linux today; each function here is one to write for another. */
#ifndef GROOVE_PORT_H
#define GROOVE_PORT_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* A descriptor that becomes readable when raised, until cleared. -1: no descriptors left. */
int gr_port_wake_new(void);
void gr_port_wake_raise(int fd);
void gr_port_wake_clear(int fd);

/* A descriptor that is readable while one of those put into it is. -1: no descriptors left. */
int gr_port_set_new(void);

/* Puts a descriptor into a set or takes it out, which must be done before it is closed. With
 * GR_WATCH_SIGNALS the set is readable from when it becomes readable, is raised again or fires until it
 * has been taken; with GR_WATCH_CHANGES, for sockets, from when anything happens to it. */
enum gr_watch { GR_WATCH_NOTHING, GR_WATCH_READABLE, GR_WATCH_SIGNALS, GR_WATCH_CHANGES };
bool gr_port_set_put(int set, int fd, enum gr_watch watch);

/* Whether `set` is a set, and holds `fd` with GR_WATCH_READABLE. Any other descriptor is left as it is, so
 * this tells whether the number still means what it did. */
bool gr_port_set_holds(int set, int fd);

/* A number that no other open socket of the system has; 0: the descriptor is no socket. */
uint64_t gr_port_socket_id(int fd);

/* Takes at most `max` of the descriptors that make a set readable; never waits. Their number. */
int gr_port_set_take(int set, int *fds, int max);

/* Makes `fd` what `fresh` is, keeping its number, as a host may have it in its event loop; closes
 * `fresh`. For what a fork shares with the parent. */
void gr_port_replace(int fd, int fresh);

/* Whether two looks at a path have found the same file, unchanged. */
bool gr_port_same_file(const struct stat *a, const struct stat *b);

/* In between, names are asked for in a hurry: once, and for a second at each name server. For the calling
 * thread alone. */
struct gr_patience {
    int seconds, times;
};
void gr_port_resolver_hurry(struct gr_patience *usual);
void gr_port_resolver_calm(const struct gr_patience *usual);

/* A descriptor that becomes readable at a moment on gr_now's clock, also right after a suspend, which
 * the time-out of poll() would sleep through. */
int gr_port_timer_new(void);
bool gr_port_timer_set(int fd, double at); /* false: it could not be set */
void gr_port_timer_clear(int fd);

/* Starts a detached thread with every signal blocked, so that the host's handlers never run on it.
 * false: the system gives no thread (RLIMIT_NPROC, seccomp). */
bool gr_port_thread(void *(*run)(void *), void *arg);

/* Keeps this library in memory for the life of the process: lua_close unloads C modules, and a thread
 * or a fork or exit handler of ours may still have to run. */
void gr_port_pin(void);

/* Blocks all signals in this thread; restore gives back the mask, and swallows a SIGPIPE that came
 * between. */
struct gr_signals {
    sigset_t mask;
    bool pending; /* a SIGPIPE of somebody else's was, before */
};
void gr_port_signals_block(struct gr_signals *saved);
void gr_port_signals_restore(const struct gr_signals *saved);

/* Initialises a condition whose timed waits go by gr_port_cond_wait. */
void gr_port_cond_init(pthread_cond_t *cond);

/* Waits until signalled or for `seconds` at most (INFINITY: for ever). Spurious returns are possible. */
void gr_port_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, double seconds);

/* Uniform in [0, 1), from the kernel's generator: jitter that two processes started together share
 * would be no jitter. Any thread. */
double gr_port_random(void);

#endif
