-- What a host does with a descriptor, by number: by LuaJIT's FFI, or luv where there is one.
-- `available` says whether there is either.

local M = {}

local function by_ffi()
    local ffi = require("ffi")
    ffi.cdef([[
        typedef struct { int fd; short events; short revents; } spec_pollfd;
        int poll(spec_pollfd *fds, unsigned long count, int timeout);
        int close(int fd);
        int open(const char *path, int flags, ...);
    ]])
    local one = ffi.new("spec_pollfd[1]")

    function M.readable(fd)
        one[0].fd, one[0].events = fd, 1
        return ffi.C.poll(one, 1, 0) == 1 and one[0].revents % 2 == 1
    end

    function M.close(fd)
        return ffi.C.close(fd) == 0
    end

    function M.open(path)
        return ffi.C.open(path, 0)
    end
end

local function by_luv(uv)
    function M.readable(fd)
        local seen = false
        local poll = assert(uv.new_poll(fd))
        poll:start("r", function(err) seen = not err end)
        uv.run("nowait")
        poll:close()
        uv.run("nowait")
        return seen
    end

    function M.close(fd)
        return uv.fs_close(fd) == true
    end

    function M.open(path)
        return assert(uv.fs_open(path, "r", 0))
    end
end

--- M.readable(fd): whether it is, now. M.close(fd) -> boolean. M.open(path) -> fd, for reading.

local found, uv = pcall(require, "luv")
if rawget(_G, "jit") then
    by_ffi()
elseif found then
    by_luv(uv)
end
M.available = M.readable ~= nil

return M
