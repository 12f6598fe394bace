-- What of a secret from a file is in the memory of a process, and in a core dump of it, while its
-- source is open and after it was closed.

local child = require("spec.support.child")
local groove = require("groove")
local marks = require("spec.support.secrecy.marks")
local memory = require("spec.support.secrecy.memory")
local service = require("spec.support.service")
local shell = require("spec.support.shell")

describe("memory", function()
    if os.getenv("GROOVE_SANITIZER") then
        pending("is not looked at: a sanitizer keeps what was freed")
        return
    end

    local secret, control = marks.new(marks.AWKWARD), marks.new()
    local sandboxes, folder = {}, nil

    setup(function()
        for _, scheme in ipairs({ "http", "https" }) do
            sandboxes[scheme] = assert(groove.sandbox({
                client_secret = secret, tls = scheme == "https",
            }))
        end
        folder = shell.folder()
        shell.write(folder .. "/secret", secret)
        shell.write(folder .. "/control", control)
    end)
    teardown(function()
        for _, sandbox in pairs(sandboxes) do
            sandbox:stop()
        end
        shell.remove(folder)
    end)

    -- A program that has got a token, and has closed its source or not. It runs where its core dump
    -- may be left.
    local function start(case, close)
        os.remove(folder .. "/ready")
        local root, sandbox = shell.lines("pwd")[1], sandboxes[case.scheme]
        local variables = child.environment({
            token_url = sandbox.token_url, client_id = sandbox:options().client_id,
            ca_file = sandbox.ca_file, auth = case.auth, driver = case.driver,
            secret_file = folder .. "/secret", close = close and "yes" or "no",
            ready = folder .. "/ready", control = folder .. "/control",
        })
        local input = assert(io.popen(("cd '%s' && echo $$ >pid; ulimit -c unlimited 2>/dev/null; "
            .. "exec %s %s '%s/spec/support/forgetful.lua' >output 2>&1"):format(folder, variables,
            shell.interpreter, root), "w"))
        assert.is_true(service.eventually(function()
            return (shell.read(folder .. "/ready") or "") ~= ""
        end, 20), shell.read(folder .. "/output"))
        assert.equal("ready", shell.read(folder .. "/ready"))
        return shell.read(folder .. "/pid"):match("%d+"), input
    end

    -- Runs `look(pid)` beside such a program.
    local function beside(case, close, look)
        local pid, input = start(case, close)
        local ok, problem = pcall(look, pid)
        input:close()
        if not ok then
            error(problem, 0)
        end
    end

    local function look_at(pid)
        local control_anywhere, control_dumped = memory.holds(pid, control)
        if control_anywhere == nil then
            pending("this system lets nobody look at another process's memory")
        end
        -- The look finds what is there.
        assert.is_true(control_anywhere)
        assert.is_true(control_dumped)
        return memory.holds(pid, secret)
    end

    local function check_core(path)
        assert.is_true(memory.file_holds(path, control))
        local found = memory.file_holds(path, secret)
        os.remove(path)
        assert.is_false(found)
    end

    local function core_file()
        local found = shell.lines("ls '" .. folder .. "' | grep '^core'")
        return found[1] and folder .. "/" .. found[1]
    end

    local function kernel_dump(pid)
        shell.must("kill -ABRT " .. pid)
        -- Nobody has waited for it yet.
        assert.is_true(service.eventually(function()
            return (shell.read("/proc/" .. pid .. "/stat") or ""):find(") Z ", 1, true) ~= nil
        end, 20))
    end

    local function gdb_dump(pid)
        shell.succeeds(("cd '%s' && gcore -o core %s >/dev/null 2>&1"):format(folder, pid))
    end

    local function looks(case, name)
        it("holds no trace of a secret after close: " .. name, function()
            beside(case, true, function(pid)
                local anywhere = look_at(pid)
                assert.is_false(anywhere)
            end)
        end)

        it("keeps an open source's secret where no core dump looks: " .. name, function()
            beside(case, false, function(pid)
                local anywhere, dumped = look_at(pid)
                assert.is_true(anywhere)
                assert.is_false(dumped)
            end)
        end)
    end

    -- Real core dumps, where the system lets them be made.
    local function dumps(case, name, close)
        it("is dumped by the kernel without the secret: " .. name, function()
            if not memory.kernel_dumps() then
                pending("core dumps do not go into the folder of the program here")
            end
            beside(case, close, kernel_dump)
            if not core_file() then
                pending("the limits here forbid core dumps")
            end
            check_core(core_file())
        end)

        it("is dumped by gdb without the secret: " .. name, function()
            if not shell.succeeds("command -v gcore >/dev/null 2>&1") then
                pending("gdb is not installed")
            end
            beside(case, close, gdb_dump)
            if not core_file() then
                pending("gdb may not look at another process here")
            end
            check_core(core_file())
        end)
    end

    for _, auth in ipairs({ "post", "basic" }) do
        for _, scheme in ipairs({ "http", "https" }) do
            for _, driver in ipairs({ "waiting", "thread", "dispatch" }) do
                looks({ auth = auth, scheme = scheme, driver = driver },
                    ("%s over %s, by %s"):format(auth, scheme, driver))
            end
        end
        for _, close in ipairs({ false, true }) do
            dumps({ auth = auth, scheme = "https", driver = "waiting" },
                auth .. (close and ", after close" or ", before close"), close)
        end
    end
end)
