-- What of a secret is left in the memory of a process that has closed its source.

local groove = require("groove")
local shell = require("spec.support.shell")
local service = require("spec.support.service")

-- Whether a text stands anywhere in the writable memory of a process; nil: it may not be looked at.
local function memory_holds(pid, text)
    local mem = io.open("/proc/" .. pid .. "/mem", "rb")
    if not mem then return nil end
    local found = false
    for line in io.lines("/proc/" .. pid .. "/maps") do
        local from, to = line:match("^(%x+)%-(%x+) rw")
        if from and #from <= 12 then
            from, to = tonumber(from, 16), tonumber(to, 16)
            if mem:seek("set", from) and to - from < 2 ^ 28 then
                found = found or (mem:read(to - from) or ""):find(text, 1, true) ~= nil
            end
        end
    end
    mem:close()
    return found
end

describe("memory", function()
    -- the second half is the same in every encoding of a form
    local UNCHANGED = ("0123456789abcdef"):rep(4)
    local SECRET = "kept in memory for a while: " .. UNCHANGED
    local sandbox, secret_file, ready_file

    setup(function()
        sandbox = assert(groove.sandbox({ client_secret = SECRET }))
        secret_file, ready_file = os.tmpname(), os.tmpname()
        local file = assert(io.open(secret_file, "w"))
        file:write(SECRET)
        file:close()
    end)
    teardown(function()
        sandbox:stop()
        os.remove(secret_file)
        os.remove(ready_file)
    end)

    local function held(auth, close)
        os.remove(ready_file)
        local pid_file = os.tmpname()
        local child = assert(io.popen(("echo $$ >'%s'; SPEC_TOKEN_URL='%s' SPEC_CLIENT_ID='%s' "
            .. "SPEC_SECRET_FILE='%s' SPEC_AUTH='%s' SPEC_CLOSE='%s' SPEC_READY='%s' "
            .. "exec %s spec/support/forgetful.lua"):format(pid_file, sandbox.token_url,
            sandbox:options().client_id, secret_file, auth, close, ready_file,
            shell.interpreter), "w"))
        assert.is_true(service.eventually(function()
            return (shell.read(ready_file) or "") ~= ""
        end, 20))
        assert.equal("ready", shell.read(ready_file))
        local pid = shell.read(pid_file):match("%d+")
        local plain, encoded = memory_holds(pid, SECRET), memory_holds(pid, UNCHANGED)
        child:close()
        os.remove(pid_file)
        return plain, encoded
    end

    for _, auth in ipairs({ "post", "basic" }) do
        it("holds no trace of a secret after close (" .. auth .. ")", function()
            if os.getenv("GROOVE_SANITIZER") then
                pending("a sanitizer keeps freed memory")
            end
            local plain = held(auth, "no")
            if plain == nil then
                pending("this system lets nobody look at another process's memory")
            end
            assert.is_true(plain) -- the look finds what is there
            local encoded
            plain, encoded = held(auth, "yes")
            assert.is_false(plain)
            assert.is_false(encoded)
        end)
    end
end)
