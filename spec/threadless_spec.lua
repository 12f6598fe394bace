-- Programs that never have the engine's thread: everything they do, in processes of their own.
-- tests/test_threadless.c polls the descriptor; tests/test_prefetch.c resolves names as it likes.

local core = require("groove.core")
local groove = require("groove")
local child = require("spec.support.child")
local shell = require("spec.support.shell")
local tls = require("groove.sandbox.tls")

-- Runs a program with SPEC_ variables; what it prints.
local function run(program, variables, prefix)
    local pipe = assert(io.popen(("%s%s %s spec/support/%s 2>&1"):format(prefix or "",
        child.environment(variables), shell.interpreter, program)))
    local said = pipe:read("*a")
    pipe:close()
    return said
end

local function assert_said(what, said)
    assert.truthy(("\n" .. said):find("\n" .. what .. ": yes\n", 1, true), said)
end

describe("thread = false", function()
    local sandbox, said

    setup(function()
        sandbox = assert(groove.sandbox())
        said = run("lone.lua", child.variables(sandbox:options()))
    end)

    teardown(function() sandbox:stop() end)

    for _, what in ipairs({ "blocking", "dispatch", "wait", "several", "suspend", "token",
        "wait = false", "descriptor", "alone", "not yet", "thread", "still" }) do
        it("works: " .. what, function() assert_said(what, said) end)
    end
end)

-- Seconds: short, so that tokens are renewed while a test waits.
local LIFETIME = 2

-- Where libcurl looks for certificates by default, on Debian and its like.
local BUNDLE = "/etc/ssl/certs/ca-certificates.crt"

-- A name of 127.0.0.1 that the machine has anyhow, and that is not localhost.
local function own_name()
    for line in io.lines("/etc/hosts") do
        for name in (line:match("^127%.0%.0%.1%s+([^#]*)") or ""):gmatch("%S+") do
            if name ~= "localhost" and not name:find("%.localhost$") then
                return name
            end
        end
    end
end

-- How a program is to be started in a file system of its own; nil: only as it is.
local function unshare()
    for _, command in ipairs({ "unshare -m", "unshare -rm" }) do
        if shell.succeeds(command .. " mount --bind /etc/hosts /etc/hosts 2>/dev/null") then
            return command
        end
    end
end

-- Starts a TLS sandbox whose certificate is for those names, too.
local function sandbox_named(names)
    local make = tls.make
    function tls.make(folder, write_file, output)
        return make(folder, function(file, content)
            return write_file(file, (content:gsub("DNS:localhost",
                ("%%0, DNS:%s, DNS:%s"):format(names.token_url, names.api_url))))
        end, output)
    end
    local sandbox, err = groove.sandbox({ tls = true, lifetime = LIFETIME })
    tls.make = make
    return assert(sandbox, err)
end

describe("without a thread to be had", function()
    local folder, names, own_files, problem

    setup(function()
        own_files = unshare()
        local name = own_name()
        if own_files then
            names = { token_url = "token.groove.test", api_url = "api.groove.test" }
        elseif name and core.process.is_root() then
            names = { token_url = name, api_url = name }
        else
            problem = "needs root or user namespaces"
            return
        end
        folder = shell.folder()
        shell.must(("mkdir '%s/root' && chmod 755 '%s'"):format(folder, folder))
        shell.write(folder .. "/hosts", ("127.0.0.1 localhost %s %s\n"):format(names.token_url,
            names.api_url))
        if not shell.succeeds(("cc -shared -fPIC -pthread -o '%s/confine.so' "
            .. "spec/support/confine.c"):format(folder)) then
            problem = "needs a C compiler"
        end
    end)

    teardown(function()
        if folder then shell.remove(folder) end
    end)

    -- In front of a command: puts files of `folder` in the place of others, for it alone.
    local function with_files(replaced)
        if not own_files then
            return ""
        end
        local commands = {}
        for file, place in pairs(replaced) do
            commands[#commands + 1] = ("mount --bind '%s/%s' %s && "):format(folder, file, place)
        end
        local script = table.concat(commands) .. 'exec "$@"'
        return own_files .. " sh -c " .. shell.quoted(script) .. " sh "
    end

    -- The variables for confined.lua, and the files that it reads while it can.
    local function variables(sandbox)
        local options = sandbox:options()
        local out = child.variables(options)
        for url, name in pairs(names) do
            out[url] = options[url]:gsub("127%.0%.0%.1", name)
        end
        shell.write(folder .. "/secret", options.client_secret)
        out.client_secret, out.secret_file = nil, folder .. "/secret"
        shell.must("chmod 600 " .. folder .. "/secret")
        if options.ca_file then
            out.ca_file = folder .. "/ca.pem"
            shell.must(("install -m 644 '%s' '%s'"):format(options.ca_file, out.ca_file))
        end
        out.helper = folder .. "/confine.so"
        return out
    end

    local function check(sandbox, more, files)
        finally(function() sandbox:stop() end)
        local all = variables(sandbox)
        for key, value in pairs(more) do
            all[key] = value or nil
        end
        local replaced = { hosts = "/etc/hosts" }
        for file, place in pairs(files or {}) do
            replaced[file] = place
        end
        local said = run("confined.lua", all, with_files(replaced))
        for _, what in ipairs({ "confined", "blocking", "dispatch", "first token by dispatch",
            "fetch", "renewals", "no failure", "alone" }) do
            assert_said(what, said)
        end
    end

    it("works in a chroot", function()
        if problem then return pending(problem) end
        check(assert(groove.sandbox({ lifetime = LIFETIME })), { root = folder .. "/root" })
    end)

    it("works in a chroot over TLS, with ca_file", function()
        if problem then return pending(problem) end
        check(sandbox_named(names), { root = folder .. "/root" })
    end)

    it("works in a chroot over TLS, with the system's certificates", function()
        if problem then return pending(problem) end
        if not own_files or not io.open(BUNDLE) then
            return pending("needs a file system of its own, and certificates in " .. BUNDLE)
        end
        check(sandbox_named(names), { root = folder .. "/root", ca_file = false },
            { ["ca.pem"] = BUNDLE })
    end)

    it("works for sources that say nothing about it", function()
        if problem then return pending(problem) end
        check(sandbox_named(names), { ordinary = true })
    end)
end)
