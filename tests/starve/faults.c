#include "faults.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <netdb.h>
#include <pthread.h>
#include <search.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { MAX_DESCRIPTORS = 4096 };

static struct {
    _Atomic unsigned which;
    atomic_ulong first, count, seen, hit;
    atomic_long blocks;
    _Atomic ino_t open[MAX_DESCRIPTORS]; /* the core's, as fstat tells them apart; 0: not its own */
    _Atomic double wall_clock;
    struct { /* with forked processes */
        atomic_ulong total, called;
    } * shared;
} faults = {.which = FAULT_ANY};

static const char *const names[] = {
#define FAULT_NAME(name) #name,
    FAULTS_ALWAYS(FAULT_NAME) FAULTS_ONCE(FAULT_NAME)
#undef FAULT_NAME
};

static bool fails(enum fault call)
{
    unsigned which = atomic_load(&faults.which);
    unsigned long count = atomic_load(&faults.count);
    atomic_fetch_add(&faults.shared[call].called, 1);
    if (count == 0 || (which != FAULT_ANY && which != call))
        return false;
    unsigned long number = atomic_fetch_add(&faults.seen, 1) + 1,
                  first = atomic_load(&faults.first);
    if (number < first || number - first >= count)
        return false;
    atomic_fetch_add(&faults.hit, 1);
    atomic_fetch_add(&faults.shared[call].total, 1);
    return true;
}

/* As fails, for a function that says why in errno. */
static bool fails_with(enum fault call, int why)
{
    bool failing = fails(call);
    if (failing)
        errno = why;
    return failing;
}

/* ---- what tests ask ---- */

static void *counted_malloc(size_t size);
static void counted_free(void *memory);

void faults_init(void)
{
    faults.shared = mmap(NULL, FAULT_COUNT * sizeof *faults.shared, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (faults.shared == MAP_FAILED)
        abort();
    json_set_alloc_funcs(counted_malloc, counted_free);
}

void faults_set(enum fault which, unsigned long first, unsigned long count)
{
    faults_clear();
    atomic_store(&faults.which, which);
    atomic_store(&faults.first, first);
    atomic_store(&faults.seen, 0);
    atomic_store(&faults.hit, 0);
    for (int call = 0; call < FAULT_COUNT; call++)
        atomic_store(&faults.shared[call].called, 0);
    atomic_store(&faults.count, count);
}

void faults_clear(void)
{
    atomic_store(&faults.count, 0);
}

unsigned long faults_hit(void)
{
    return atomic_load(&faults.hit);
}

unsigned long faults_called(enum fault which)
{
    return atomic_load(&faults.shared[which].called);
}

unsigned long faults_total(enum fault which)
{
    return atomic_load(&faults.shared[which].total);
}

const char *faults_name(enum fault which)
{
    return which == FAULT_ANY ? "anything" : names[which];
}

static ino_t inode_of(int fd)
{
    struct stat about;
    return fstat(fd, &about) == 0 ? about.st_ino : 0;
}

long faults_blocks(void)
{
    return atomic_load(&faults.blocks);
}

long faults_descriptors(void)
{
    long count = 0;
    for (int fd = 0; fd < MAX_DESCRIPTORS; fd++)
        count += faults.open[fd] && inode_of(fd) == faults.open[fd];
    return count;
}

void faults_set_wall_clock(double seconds)
{
    atomic_store(&faults.wall_clock, seconds);
}

/* ---- memory ---- */

static void *block(void *memory)
{
    if (memory)
        atomic_fetch_add(&faults.blocks, 1);
    return memory;
}

void *__wrap_malloc(size_t size)
{
    return fails_with(FAULT_malloc, ENOMEM) ? NULL : block(malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails_with(FAULT_calloc, ENOMEM) ? NULL : block(calloc(count, size));
}

void *__wrap_realloc(void *memory, size_t size)
{
    if (fails_with(FAULT_realloc, ENOMEM))
        return NULL;
    return memory ? realloc(memory, size) : block(realloc(NULL, size));
}

char *__wrap_strdup(const char *text)
{
    return fails_with(FAULT_strdup, ENOMEM) ? NULL : block(strdup(text));
}

int __wrap_asprintf(char **text, const char *format, ...)
{
    va_list args;
    if (fails_with(FAULT_asprintf, ENOMEM))
        return -1;
    va_start(args, format);
    int len = vasprintf(text, format, args);
    va_end(args);
    if (len >= 0)
        block(*text);
    return len;
}

void __wrap_free(void *memory)
{
    if (memory)
        atomic_fetch_sub(&faults.blocks, 1);
    free(memory);
}

/* jansson (2.14) does not survive it: it asserts that a string it could not keep is what it was. */
static void *counted_malloc(size_t size)
{
    return block(malloc(size));
}

static void counted_free(void *memory)
{
    __wrap_free(memory);
}

void *__wrap_mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset)
{
    return fails_with(FAULT_mmap, ENOMEM) ? MAP_FAILED
                                          : mmap(at, len, protection, flags, fd, offset);
}

int __wrap_mlock(const void *at, size_t len)
{
    return fails_with(FAULT_mlock, ENOMEM) ? -1 : mlock(at, len);
}

int __wrap_madvise(void *at, size_t len, int advice)
{
    return fails_with(FAULT_madvise, EAGAIN) ? -1 : madvise(at, len, advice);
}

void *__wrap_tsearch(const void *key, void **root, int (*compare)(const void *, const void *))
{
    return fails_with(FAULT_tsearch, ENOMEM) ? NULL : tsearch(key, root, compare);
}

/* ---- descriptors ---- */

static int descriptor(int fd)
{
    if (fd >= 0 && fd < MAX_DESCRIPTORS)
        faults.open[fd] = inode_of(fd);
    return fd;
}

int __wrap_close(int fd)
{
    if (fd >= 0 && fd < MAX_DESCRIPTORS)
        faults.open[fd] = 0;
    return close(fd);
}

int __wrap_eventfd(unsigned count, int flags)
{
    return fails_with(FAULT_eventfd, EMFILE) ? -1 : descriptor(eventfd(count, flags));
}

int __wrap_timerfd_create(int clock, int flags)
{
    return fails_with(FAULT_timerfd_create, EMFILE) ? -1 : descriptor(timerfd_create(clock, flags));
}

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *fresh,
                           struct itimerspec *old)
{
    return fails_with(FAULT_timerfd_settime, ENOMEM) ? -1 : timerfd_settime(fd, flags, fresh, old);
}

int __wrap_epoll_create1(int flags)
{
    return fails_with(FAULT_epoll_create1, EMFILE) ? -1 : descriptor(epoll_create1(flags));
}

/* To change or take out what is there needs nothing that could be missing. */
int __wrap_epoll_ctl(int set, int what, int fd, struct epoll_event *event)
{
    if (what == EPOLL_CTL_ADD && fails_with(FAULT_epoll_ctl, ENOSPC))
        return -1;
    return epoll_ctl(set, what, fd, event);
}

int __wrap_socket(int domain, int type, int protocol)
{
    return fails_with(FAULT_socket, EMFILE) ? -1 : descriptor(socket(domain, type, protocol));
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len)
{
    return fails_with(FAULT_bind, EADDRINUSE) ? -1 : bind(fd, address, len);
}

int __wrap_listen(int fd, int backlog)
{
    return fails_with(FAULT_listen, EADDRINUSE) ? -1 : listen(fd, backlog);
}

int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *len)
{
    return fails_with(FAULT_getsockname, ENOBUFS) ? -1 : getsockname(fd, address, len);
}

int __wrap_pipe2(int ends[2], int flags)
{
    if (fails_with(FAULT_pipe2, EMFILE) || pipe2(ends, flags) != 0)
        return -1;
    descriptor(ends[0]);
    descriptor(ends[1]);
    return 0;
}

int __wrap_fcntl(int fd, int what, int number)
{
    return fails_with(FAULT_fcntl, EMFILE) ? -1 : descriptor(fcntl(fd, what, number));
}

/* EINTR: what is left of the ways in which a read or write of eight bytes could fail. One alone: whoever is
 * interrupted without end goes on without end. */
static bool interrupted(enum fault call)
{
    return atomic_load(&faults.count) <= 1 && fails_with(call, EINTR);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t len)
{
    return interrupted(FAULT_write) ? -1 : write(fd, bytes, len);
}

/* ---- files ---- */

ssize_t __wrap_read(int fd, void *bytes, size_t len)
{
    struct stat about;
    bool file = fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
    if (file ? fails_with(FAULT_read, EIO) : interrupted(FAULT_read))
        return -1;
    return read(fd, bytes, len);
}

int __wrap_open(const char *path, int flags)
{
    return fails_with(FAULT_open, EMFILE) ? -1 : descriptor(open(path, flags));
}

int __wrap_fstat(int fd, struct stat *about)
{
    return fails_with(FAULT_fstat, EIO) ? -1 : fstat(fd, about);
}

int __wrap_stat(const char *path, struct stat *about)
{
    return fails_with(FAULT_stat, ENOMEM) ? -1 : stat(path, about);
}

FILE *__wrap_fopen(const char *path, const char *mode)
{
    return fails_with(FAULT_fopen, EMFILE) ? NULL : fopen(path, mode);
}

/* Half of it, as a file may be cut short while it is read. */
size_t __wrap_fread(void *bytes, size_t size, size_t count, FILE *file)
{
    return fread(bytes, size, fails_with(FAULT_fread, EIO) ? count / 2 : count, file);
}

char *__wrap_getcwd(char *path, size_t size)
{
    return fails_with(FAULT_getcwd, ENOENT) ? NULL : getcwd(path, size);
}

char *__wrap_mkdtemp(char *path)
{
    return fails_with(FAULT_mkdtemp, ENOSPC) ? NULL : mkdtemp(path);
}

/* ---- threads, processes, the clock for people ---- */

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                          void *arg)
{
    return fails(FAULT_pthread_create) ? EAGAIN : pthread_create(thread, attr, run, arg);
}

int __wrap_pthread_attr_init(pthread_attr_t *attr)
{
    return fails(FAULT_pthread_attr_init) ? ENOMEM : pthread_attr_init(attr);
}

int __wrap_pthread_atfork(void (*before)(void), void (*parent)(void), void (*child)(void))
{
    return fails(FAULT_pthread_atfork) ? ENOMEM : pthread_atfork(before, parent, child);
}

int __wrap_atexit(void (*run)(void))
{
    return fails(FAULT_atexit) ? -1 : atexit(run);
}

typedef posix_spawn_file_actions_t actions;

int __wrap_posix_spawn_file_actions_init(actions *a)
{
    return fails(FAULT_posix_spawn_file_actions_init) ? ENOMEM : posix_spawn_file_actions_init(a);
}

int __wrap_posix_spawn_file_actions_addopen(actions *a, int fd, const char *path, int flags,
                                            mode_t mode)
{
    return fails(FAULT_posix_spawn_file_actions_addopen)
               ? ENOMEM
               : posix_spawn_file_actions_addopen(a, fd, path, flags, mode);
}

int __wrap_posix_spawn_file_actions_adddup2(actions *a, int from, int to)
{
    return fails(FAULT_posix_spawn_file_actions_adddup2)
               ? ENOMEM
               : posix_spawn_file_actions_adddup2(a, from, to);
}

int __wrap_posix_spawn_file_actions_addclosefrom_np(actions *a, int from)
{
    return fails(FAULT_posix_spawn_file_actions_addclosefrom_np)
               ? ENOMEM
               : posix_spawn_file_actions_addclosefrom_np(a, from);
}

int __wrap_posix_spawnattr_init(posix_spawnattr_t *attr)
{
    return fails(FAULT_posix_spawnattr_init) ? ENOMEM : posix_spawnattr_init(attr);
}

int __wrap_posix_spawnp(pid_t *pid, const char *file, const actions *a,
                        const posix_spawnattr_t *attr, char *const argv[], char *const env[])
{
    return fails(FAULT_posix_spawnp) ? EAGAIN : posix_spawnp(pid, file, a, attr, argv, env);
}

ssize_t __wrap_getrandom(void *bytes, size_t len, unsigned flags)
{
    return fails_with(FAULT_getrandom, EAGAIN) ? -1 : getrandom(bytes, len, flags);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    int failed = clock_gettime(clock, now);
    if (clock == CLOCK_REALTIME)
        now->tv_sec += (time_t)atomic_load(&faults.wall_clock);
    return failed;
}

time_t __wrap_time(time_t *now)
{
    return time(now) + (time_t)atomic_load(&faults.wall_clock);
}

/* ---- names ---- */

int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                       struct addrinfo **found)
{
    bool ours = strcmp(name, FAULTS_HOST) == 0;
    if (fails(FAULT_getaddrinfo))
        return EAI_MEMORY;
    return getaddrinfo(ours ? "127.0.0.1" : name, service, hints, found);
}

/* ---- libcurl, jansson ---- */

CURLcode __wrap_curl_global_init(long flags)
{
    return fails(FAULT_curl_global_init) ? CURLE_FAILED_INIT : curl_global_init(flags);
}

CURLcode __wrap_curl_global_init_mem(long flags, curl_malloc_callback m, curl_free_callback f,
                                     curl_realloc_callback r, curl_strdup_callback s,
                                     curl_calloc_callback c)
{
    return fails(FAULT_curl_global_init_mem) ? CURLE_FAILED_INIT
                                             : curl_global_init_mem(flags, m, f, r, s, c);
}

CURL *__wrap_curl_easy_init(void)
{
    return fails(FAULT_curl_easy_init) ? NULL : curl_easy_init();
}

/* The option's number says of which type its value is. */
CURLcode __wrap_curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
    CURLcode code = CURLE_OUT_OF_MEMORY;
    va_list args;
    if (fails(FAULT_curl_easy_setopt))
        return code;
    va_start(args, option);
    if (option < CURLOPTTYPE_OBJECTPOINT)
        code = (curl_easy_setopt)(easy, option, va_arg(args, long));
    else if (option >= CURLOPTTYPE_OFF_T && option < CURLOPTTYPE_BLOB)
        code = (curl_easy_setopt)(easy, option, va_arg(args, curl_off_t));
    else if (option >= CURLOPTTYPE_FUNCTIONPOINT && option < CURLOPTTYPE_OFF_T)
        code = (curl_easy_setopt)(easy, option, va_arg(args, void (*)(void)));
    else
        code = (curl_easy_setopt)(easy, option, va_arg(args, void *));
    va_end(args);
    return code;
}

CURLcode __wrap_curl_easy_getinfo(CURL *easy, CURLINFO info, void *out)
{
    return fails(FAULT_curl_easy_getinfo) ? CURLE_OUT_OF_MEMORY
                                          : (curl_easy_getinfo)(easy, info, out);
}

char *__wrap_curl_easy_escape(CURL *easy, const char *text, int len)
{
    return fails(FAULT_curl_easy_escape) ? NULL : curl_easy_escape(easy, text, len);
}

CURLM *__wrap_curl_multi_init(void)
{
    return fails(FAULT_curl_multi_init) ? NULL : curl_multi_init();
}

CURLMcode __wrap_curl_multi_setopt(CURLM *multi, CURLMoption option, long number)
{
    return fails(FAULT_curl_multi_setopt) ? CURLM_OUT_OF_MEMORY
                                          : (curl_multi_setopt)(multi, option, number);
}

CURLMcode __wrap_curl_multi_add_handle(CURLM *multi, CURL *easy)
{
    return fails(FAULT_curl_multi_add_handle) ? CURLM_OUT_OF_MEMORY
                                              : curl_multi_add_handle(multi, easy);
}

CURLMcode __wrap_curl_multi_perform(CURLM *multi, int *running)
{
    return fails(FAULT_curl_multi_perform) ? CURLM_OUT_OF_MEMORY
                                           : curl_multi_perform(multi, running);
}

CURLMcode __wrap_curl_multi_poll(CURLM *multi, struct curl_waitfd *extra, unsigned count, int ms,
                                 int *ready)
{
    return fails(FAULT_curl_multi_poll) ? CURLM_OUT_OF_MEMORY
                                        : curl_multi_poll(multi, extra, count, ms, ready);
}

CURLMcode __wrap_curl_multi_wait(CURLM *multi, struct curl_waitfd *extra, unsigned count, int ms,
                                 int *ready)
{
    return fails(FAULT_curl_multi_wait) ? CURLM_OUT_OF_MEMORY
                                        : curl_multi_wait(multi, extra, count, ms, ready);
}

CURLMcode __wrap_curl_multi_timeout(CURLM *multi, long *ms)
{
    return fails(FAULT_curl_multi_timeout) ? CURLM_BAD_HANDLE : curl_multi_timeout(multi, ms);
}

struct curl_slist *__wrap_curl_slist_append(struct curl_slist *list, const char *text)
{
    return fails(FAULT_curl_slist_append) ? NULL : curl_slist_append(list, text);
}

CURLU *__wrap_curl_url(void)
{
    return fails(FAULT_curl_url) ? NULL : curl_url();
}

CURLUcode __wrap_curl_url_set(CURLU *url, CURLUPart part, const char *text, unsigned flags)
{
    return fails(FAULT_curl_url_set) ? CURLUE_OUT_OF_MEMORY : curl_url_set(url, part, text, flags);
}

CURLUcode __wrap_curl_url_get(CURLU *url, CURLUPart part, char **text, unsigned flags)
{
    return fails(FAULT_curl_url_get) ? CURLUE_OUT_OF_MEMORY : curl_url_get(url, part, text, flags);
}

json_t *__wrap_json_loadb(const char *text, size_t len, size_t flags, json_error_t *error)
{
    if (!fails(FAULT_json_loadb))
        return json_loadb(text, len, flags, error);
    error->text[0] = '\0';
    return NULL;
}
