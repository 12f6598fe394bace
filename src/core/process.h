/* process: child processes that inherit sockets and end with this one, and their private folder.
 *
 * Used by the sandbox only. A child gets its descriptors from 3 upwards and nothing else that is open
 * here. No SIGCHLD handler is set: a child is reaped when it is waited for. Functions that fail return
 * an errno. */
#ifndef GROOVE_PROCESS_H
#define GROOVE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct gr_child {
    pid_t pid;    /* 0: none */
    pid_t owner;  /* the process that started it: a fork's copy neither signals nor reaps it */
    int lifeline; /* our end of the pipe; -1: none */
    int code;     /* once ended: the exit code, 128 + signal, or -1 where somebody else reaped it */
    bool ended;
};

struct gr_child_spec {
    char *const *argv; /* argv[0] is looked for along PATH */
    char *const *env;  /* the whole environment */
    const int *fds;    /* become 3, 4, ... */
    size_t fd_count;   /* <= GR_CHILD_FDS */
    bool lifeline; /* one more, after those: a pipe's end that reads end of file once we are gone */
    const char *output; /* file for standard output and error, appended to; NULL: /dev/null */
};

#define GR_CHILD_FDS 4

/* A child that was never started; every function below accepts it. */
#define GR_CHILD_NONE ((struct gr_child){.lifeline = -1})

/* Starts a child in a session of its own, so that a terminal's Ctrl-C reaches only this process. */
int gr_child_start(struct gr_child *child, const struct gr_child_spec *spec);

/* Waits up to `seconds` for the end. true: it has ended (or there is none), `code` is set. */
bool gr_child_wait(struct gr_child *child, double seconds);

/* Closes the lifeline, sends SIGTERM, after `seconds` SIGKILL. Idempotent. */
void gr_child_stop(struct gr_child *child, double seconds);

/* A socket listening on 127.0.0.1 at a free port. */
int gr_listen_loopback(int *fd, unsigned *port);

/* Makes a folder that only this user can enter, under $TMPDIR or /tmp. */
int gr_folder_make(char *path, size_t size);

/* Removes the folder and all in it, as far as it can. */
void gr_folder_remove(const char *path);

#endif
