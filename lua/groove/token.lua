--- The hot path: `source:token()` while a usable token is at hand.
--
-- Each source has a word in the core that tells which token may be used (src/core/hot.h); whoever
-- has the string of that token needs nothing else. From Lua 5.2 on a C function compares the two.
-- LuaJIT does not compile calls of C functions, but of C function pointers: there the comparison is
-- Lua and only the look at the word is C. It has to be a call: a load through the FFI is moved out
-- of loops, which then never see a change. In Lua 5.1 what a C function calls cannot yield, and
-- `suspend` may want to.
--
-- @module groove.token

local core = require("groove.core")

local M = {}

-- "double read(const void *word)", for compiled code to call; nil where there is no such code.
local function word_reader()
    local jit = rawget(_G, "jit")
    local ok, ffi = pcall(require, "ffi")
    if not ok or not jit or not jit.status() then
        return nil
    end
    local address = ffi.cast("uintptr_t", core.word_reader())
    return ffi.cast("double (*)(const void *)", address), ffi
end

local read, ffi = word_reader()

--- `read(word) -> generation` for compiled code; nil where there is none.
M.read = read

--- A source's word, for `read`: the generation of its token while that may be used.
-- @param handle of the core
-- @return a pointer
function M.word(handle)
    return ffi.cast("const void *", ffi.cast("uintptr_t", handle:word()))
end

-- Under this key, which nobody else has, a source keeps `{ word, generation, token }`: a table of
-- its own, so that a copy of the source does not outlive its end.
local HOT = {}

--- Gets a new source ready.
-- @tparam table source
-- @param handle of the core
function M.prepare(source, handle)
    if read then
        source[HOT] = { word = M.word(handle) }
    end
end

--- Drops the token at hand, and what says that it may be used.
-- @tparam table source
function M.forget(source)
    local hot = source[HOT]
    if hot then
        hot.generation, hot.token = nil, nil
    end
end

-- The methods where the core's will not do. `slow` is for options, and for when there may be
-- something to wait for.

local function interpreted(slow)
    return function(source, ...)
        local token = select("#", ...) == 0 and core.current(source)
        if token then
            return token
        end
        return slow(source, ...)
    end
end

local function compiled(slow)
    local function ask(source)
        local token, generation = core.current(source)
        if not token then
            return slow(source)
        end
        local hot = source[HOT]
        if hot then
            hot.generation, hot.token = generation, token
        end
        return token
    end
    return function(source, opts)
        if opts ~= nil or type(source) ~= "table" then
            return slow(source, opts)
        end
        local hot = source[HOT]
        if hot and read(hot.word) == hot.generation then
            return hot.token
        end
        return ask(source)
    end
end

--- The method `token`.
-- @tparam function slow the method that a flow makes
-- @treturn function
function M.method(slow)
    if core.token_method then
        return core.token_method(slow)
    end
    return (read and compiled or interpreted)(slow)
end

return M
