/* Loaded by confined.lua (package.loadlib): what a server does to itself between its start and its work.
 * Ends the program where it cannot, or where something is not as it should be. */
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { NOBODY = 65534 };

static void check(int good, const char *what)
{
    if (good)
        return;
    printf("%s failed\n", what);
    fflush(stdout);
    _exit(1);
}

static void *nothing(void *arg)
{
    return arg;
}

/* Threads of this process. The folder is opened once: /proc is out of reach later. */
static int tasks(void)
{
    static DIR *folder;
    int count = 0;
    if (!folder)
        folder = opendir("/proc/self/task");
    check(folder != NULL, "opendir");
    rewinddir(folder);
    while (readdir(folder))
        count++;
    return count;
}

/* There are as many threads as at the first call. */
int alone(void *state)
{
    static int before;
    (void)state;
    if (!before)
        before = tasks();
    check(tasks() == before, "being without a thread");
    return 0;
}

/* The limit counts for ordinary users only. In a user namespace root is one, and there is no other. */
static void become_nobody(void)
{
    setgroups(0, NULL);
    check(setgid(NOBODY) == 0 || errno == EINVAL, "setgid");
    check(setuid(NOBODY) == 0 || errno == EINVAL, "setuid");
}

/* No new threads; where SPEC_ROOT is given, in that folder. */
int confine(void *state)
{
    const char *root = getenv("SPEC_ROOT");
    const struct rlimit none = {0, 0};
    pthread_t thread;
    (void)state;
    if (root)
        check(chroot(root) == 0 && chdir("/") == 0, "chroot");
    check(setrlimit(RLIMIT_NPROC, &none) == 0, "setrlimit");
    become_nobody();
    check(pthread_create(&thread, NULL, nothing, NULL) == EAGAIN, "having no thread to start");
    return 0;
}

/* Ends the program without what a leak checker does then, which needs a thread. */
int leave(void *state)
{
    (void)state;
    fflush(stdout);
    _exit(0);
}
