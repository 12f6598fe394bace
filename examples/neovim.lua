-- A small plugin for Neovim: `:GrooveSearch daft punk` shows artists and tracks, `:GrooveAlbums
-- daft punk` the albums of an artist, and the editor never waits for the network.
--
--     make LUA=jit && eval "$(make -s env LUA=jit)"
--     nvim -c 'luafile examples/neovim.lua' -c 'GrooveSearch daft punk'
--
-- and without a screen, where it shows what it does, and quits:
--
--     nvim --headless -u NONE -c 'luafile examples/neovim.lua' -c cq
--
-- Needs Neovim 0.7 and the build for its Lua, which is LuaJIT. The editor's loop watches
-- groove.fd(). What that calls is a "fast event", where most of vim.api is forbidden (E5560), so
-- callbacks that touch the editor go through vim.schedule. With `--cmd 'let g:groove_thread =
-- v:false'` the loop does the I/O as well.

-- luacheck: globals vim

local groove = require "groove"

local options = {
    thread = vim.g.groove_thread,
    json = { decode = vim.json.decode, encode = vim.json.encode, null = vim.NIL },
}
local client = assert(os.getenv("GROOVE_API_URL") and groove.new(options)
    or groove.sandbox({ lifetime = 2 }):client(options))

local poll = vim.loop.new_poll(groove.fd())
poll:start("r", function() groove.dispatch() end)

-- Fills a buffer with lines, or with what went wrong.
local function fill(buffer, lines, err)
    if not vim.api.nvim_buf_is_valid(buffer) then return end -- closed meanwhile
    vim.bo[buffer].modifiable = true
    vim.api.nvim_buf_set_lines(buffer, 0, -1, true, lines or { tostring(err) })
    vim.bo[buffer].modifiable = false
end

-- A window with a buffer to be filled.
local function open(title)
    vim.cmd("new")
    vim.bo.buftype, vim.bo.bufhidden, vim.bo.swapfile = "nofile", "wipe", false
    local buffer = vim.api.nvim_get_current_buf()
    fill(buffer, { title .. " ..." })
    return buffer
end

-- With a callback.

local function found(page)
    local lines = {}
    for _, kind in ipairs({ "Artists", "Tracks" }) do
        for _, item in ipairs(page[kind] and page[kind].Items or {}) do
            lines[#lines + 1] = kind:sub(1, -2):lower() .. "  " .. item.Name
        end
    end
    return lines
end

local function search(command)
    local buffer = open("searching " .. command.args)
    client.async:search(command.args, { filters = { "artists", "tracks" }, max_items = 5 })
        :on_done(vim.schedule_wrap(function(page, err)
            fill(buffer, page and found(page), err)
        end))
end

vim.api.nvim_create_user_command("GrooveSearch", search, { nargs = "+" })

-- With a coroutine, which reads like blocking code and may touch the editor between its calls.

local function resume(thread, ...)
    local ok, problem = coroutine.resume(thread, ...)
    if not ok then error(debug.traceback(thread, tostring(problem)), 0) end
end

-- How a coroutine waits: a call that has finished resumes it. (`seconds` would be for call:wait.)
local patient = client:with({
    suspend = function(call)
        local thread = coroutine.running()
        call:on_done(vim.schedule_wrap(function() resume(thread) end))
        coroutine.yield()
    end,
})

-- Two calls, the second with what the first has found.
local function albums_of(name)
    local page, err = patient:search(name, { filters = { "artists" }, max_items = 1 })
    if not page then return nil, err end
    local details
    details, err = patient:lookup(page.Artists.Items[1].Id, { extras = { "albums" } })
    if not details then return nil, err end
    local lines = {}
    for album in patient:each("Artists.1.Albums", details) do
        lines[#lines + 1] = "album  " .. album.Name
    end
    return lines
end

local function albums(command)
    resume(coroutine.create(function()
        fill(open("albums of " .. command.args), albums_of(command.args))
    end))
end

vim.api.nvim_create_user_command("GrooveAlbums", albums, { nargs = "+" })

if #vim.api.nvim_list_uis() > 0 then return end

-- Without a screen: runs the commands, and prints what is in their buffers.

local function say(...)
    io.stdout:write(table.concat({ ... }, " "), "\n")
end

local ticks = 0
local ticker = vim.fn.timer_start(10, function() ticks = ticks + 1 end, { ["repeat"] = -1 })

local function lines()
    return vim.api.nvim_buf_get_lines(0, 0, -1, true)
end

-- Runs a command, prints what it fills the buffer with, and looks at the first line.
local function show(command, expected)
    vim.cmd(command)
    assert(vim.wait(10000, function() return not lines()[1]:find(" %.%.%.$") end), "no answer")
    for _, line in ipairs(lines()) do say(line) end
    assert(lines()[1]:find(expected), command)
end

local function renewals()
    return client:info().counts.renewals
end

local function demonstrate()
    show("GrooveSearch daft punk", "^artist")
    show("GrooveAlbums daft punk", "^album")
    show("GrooveAlbums nobody", "NO_RESULT")
    say("ticks of the editor's timer:", ticks)
    assert(vim.wait(10000, function() return renewals() >= 3 end), "no renewals")
    say("renewals:", renewals())
end

local ok, problem = pcall(demonstrate)
if not ok then say("failed:", problem) end
vim.fn.timer_stop(ticker)
poll:close()
client:close()
vim.cmd(ok and "qa!" or "cq!")
