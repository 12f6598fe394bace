/* native: what the benchmark needs and Lua has not: an empty function, a clock, plain libcurl loops,
 * processes, the memory in use. Only for `make bench`. */
#include <lauxlib.h>
#include <lua.h>
#include <malloc.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "curl_loop.h"

#define MAX_ARGS 64

#if LUA_VERSION_NUM >= 502
#define length_of lua_rawlen
#else
#define length_of lua_objlen
#endif

int luaopen_native(lua_State *L);

/* empty(...): nothing. */
static int empty(lua_State *L)
{
    (void)L;
    return 0;
}

/* now() -> seconds, monotonic. */
static int now(lua_State *L)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    lua_pushnumber(L, (double)t.tv_sec + 1e-9 * (double)t.tv_nsec);
    return 1;
}

/* busy() -> seconds of the processor that this thread has had. */
static int busy(lua_State *L)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    lua_pushnumber(L, (double)t.tv_sec + 1e-9 * (double)t.tv_nsec);
    return 1;
}

/* sleep(seconds) */
static int pause_for(lua_State *L)
{
    double seconds = luaL_checknumber(L, 1);
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};

    nanosleep(&t, NULL);
    return 0;
}

/* poll(fd, seconds): until fd is readable. */
static int poll_fd(lua_State *L)
{
    struct pollfd fd = {.fd = (int)luaL_checkinteger(L, 1), .events = POLLIN};

    poll(&fd, 1, (int)(1000 * luaL_checknumber(L, 2)));
    return 0;
}

/* rss() -> bytes of memory resident in this process. */
static int rss(lua_State *L)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1)
        return luaL_error(L, "/proc/self/statm cannot be read");
    fclose(file);
    lua_pushinteger(L, (lua_Integer)pages * sysconf(_SC_PAGESIZE));
    return 1;
}

/* allocated() -> bytes that malloc has given out in this process. */
static int allocated(lua_State *L)
{
    struct mallinfo2 info = mallinfo2();

    lua_pushnumber(L, (lua_Number)(info.uordblks + info.hblkhd));
    return 1;
}

/* free_port() -> a TCP port of the loopback interface that nobody listens on. */
static int free_port(lua_State *L)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return luaL_error(L, "no free port");
    close(fd);
    lua_pushinteger(L, ntohs(address.sin_port));
    return 1;
}

static void read_args(lua_State *L, const char *args[])
{
    int count = (int)length_of(L, 1);

    luaL_argcheck(L, count > 0 && count < MAX_ARGS, 1, "too many arguments");
    luaL_checkstack(L, count, NULL);
    for (int i = 0; i < count; i++) {
        lua_rawgeti(L, 1, i + 1);
        args[i] = luaL_checkstring(L, -1);
    }
    args[count] = NULL;
}

static pid_t launch(const char *args[])
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    execvp(args[0], (char *const *)args);
    _exit(127);
}

/* start({ program, ... }) -> process id. It ends with this process. */
static int start(lua_State *L)
{
    const char *args[MAX_ARGS];
    pid_t pid;

    read_args(L, args);
    pid = launch(args);
    if (pid < 0)
        return luaL_error(L, "%s cannot be started", args[0]);
    lua_pushinteger(L, pid);
    return 1;
}

/* stop(process id) */
static int stop(lua_State *L)
{
    pid_t pid = (pid_t)luaL_checkinteger(L, 1);

    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    return 0;
}

static double seconds_since(const struct timespec *began)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)(t.tv_sec - began->tv_sec) + 1e-9 * (double)(t.tv_nsec - began->tv_nsec);
}

/* run({ program, ... }) -> seconds it took, exit status; its output is thrown away. */
static int run(lua_State *L)
{
    const char *args[MAX_ARGS];
    struct timespec began;
    int status = 0;
    extern char **environ;
    posix_spawn_file_actions_t actions;
    pid_t pid;

    read_args(L, args);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", 1, 0);
    clock_gettime(CLOCK_MONOTONIC, &began);
    if (posix_spawnp(&pid, args[0], &actions, NULL, (char *const *)args, environ) != 0)
        return luaL_error(L, "%s cannot be started", args[0]);
    waitpid(pid, &status, 0);
    posix_spawn_file_actions_destroy(&actions);
    lua_pushnumber(L, seconds_since(&began));
    lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status) : 255);
    return 2;
}

/* Gives an answer to the Lua function at index 3. */
static int decode(void *context, const char *body, size_t len)
{
    lua_State *L = context;

    lua_pushvalue(L, 3);
    lua_pushlstring(L, body, len);
    lua_call(L, 1, 0);
    return 0;
}

/* curl(url, header, decode, count, in_flight): `count` GETs, each body handed to decode(body). With
 * in_flight 1 an easy loop, otherwise a multi loop. */
static int curl(lua_State *L)
{
    size_t count = (size_t)luaL_checkinteger(L, 4);
    size_t width = (size_t)luaL_checkinteger(L, 5);
    struct loop *loop = loop_new(luaL_checkstring(L, 1), luaL_checkstring(L, 2), width);
    int failed;

    luaL_argcheck(L, loop != NULL, 5, "no memory");
    failed = width == 1 ? loop_easy(loop, count, decode, L) : loop_multi(loop, count, decode, L);
    loop_free(loop);
    if (failed != 0)
        return luaL_error(L, "the plain libcurl loop failed with %d", failed);
    return 0;
}

int luaopen_native(lua_State *L)
{
    static const luaL_Reg functions[] = {{"empty", empty},
                                         {"now", now},
                                         {"busy", busy},
                                         {"sleep", pause_for},
                                         {"poll", poll_fd},
                                         {"rss", rss},
                                         {"allocated", allocated},
                                         {"free_port", free_port},
                                         {"start", start},
                                         {"stop", stop},
                                         {"run", run},
                                         {"curl", curl},
                                         {NULL, NULL}};

    lua_newtable(L);
    for (const luaL_Reg *f = functions; f->name; f++) {
        lua_pushcfunction(L, f->func);
        lua_setfield(L, -2, f->name);
    }
    return 1;
}
