-- Run by blabber.lua: token sources, through success and every failure of the token service.

local core = require("groove.core")
local groove = require("groove")
local service = require("spec.support.service")
local witness = require("spec.support.secrecy.witness")

local M = {}

local dump, problem = witness.dump, witness.problem

-- Seconds for what shall end of itself, and for what nothing else ends.
local PATIENCE, BRIEFLY = 5, 0.1

local function options(run, more)
    local out = service.options(run.sandbox, run.credentials)
    out.client_secret = run.credentials.client_secret
    out.on_event = dump
    for name, value in pairs(more or {}) do
        out[name] = value
    end
    return out
end

local function talk(source)
    problem(source:token({ wait = false }))
    problem(source:token({ timeout = 1e-9 }))
    local token, err = source:token()
    dump(err)
    dump(source)
    dump(source:info())
    problem(source:token({ wait = false }))
    problem(source:authorization({ timeout = BRIEFLY }))
    problem(source:wait_ready(BRIEFLY))
    problem(source:refresh({ timeout = BRIEFLY }))
    local call = source.async:token()
    dump(call)
    problem(call:result())
    if token then
        dump(source:invalidate(token))
    end
    groove.dispatch(1)
    dump(groove.metrics())
    dump(source:info())
end

local function use(run, more)
    local source, err = groove.token_source(options(run, more))
    dump(err)
    if source then
        talk(source)
        source:close()
        witness.try(source.token, source)
    end
end

-- A service that repeats the secret in all places it has.
local function echo(run, code)
    return ('{"error":"%s","error_description":"wrong secret %s","error_uri":"http://a/%s"}')
        :format(code, run.escaped_secret, run.escaped_secret)
end

local OAUTH_CODES = {
    "invalid_client", "unauthorized_client", "invalid_scope", "invalid_grant", "invalid_request",
    "unsupported_grant_type", "access_denied", "invalid_target", "temporarily_unavailable",
    "server_error", "slow_down", "authorization_pending",
}

-- What the token service does. Of a secret that looks like an error code, no part may come back.
local function faults(run)
    local token = '{"access_token":"' .. run.escaped_token .. '","expires_in":60'
    local out = {
        { body = token .. "}" }, { body = token .. ',"refresh_in":0.1}' },
        { body = token:sub(1, -3) }, { body = token:gsub("60", "1e999") .. "}" },
        { body = '{"access_token":"' .. run.escaped_token .. [[\r\nX: y","expires_in":60}]] },
        { body = run.secret }, { body = '["' .. run.escaped_secret .. '"]' }, { body = "" },
        { body = "{}" }, { body = 70000 }, { close = true }, { close = 12 },
        { status = 302, headers = { Location = "http://127.0.0.1/" .. run.word } },
        { status = 429, body = run.secret }, { status = 418, body = run.secret },
        { status = 500, body = echo(run, run.word) }, { status = 503, retry_after = 1 },
        { headers = { ["Content-Encoding"] = "gzip" }, body = run.secret },
        { delay = 2, briefly = true },
    }
    for _, code in ipairs({ run.escaped_secret, run.word, run.word:upper(), run.word:sub(4, 14),
        "a." .. run.word:lower():sub(2) }) do
        out[#out + 1] = { status = 401, body = echo(run, code) }
        out[#out + 1] = { status = 400, body = echo(run, code) }
    end
    for _, code in ipairs(OAUTH_CODES) do
        out[#out + 1] = { status = 400, body = echo(run, code) }
    end
    return out
end

local function each_fault(run)
    for i, fault in ipairs(faults(run)) do
        local timeout = fault.briefly and BRIEFLY or PATIENCE
        fault.on, fault.briefly = "token", nil
        local active = assert(run.sandbox:fault(fault))
        use(run, { auth = i % 2 == 0 and "post" or "basic", timeout = timeout })
        active:clear()
    end
end

-- What keeps a request from being answered at all.
local function unreachable(run)
    local listener = assert(core.process.listen())
    local silent = ("127.0.0.1:%d"):format(listener:port())
    local served = run.sandbox.token_url
    local cases = {
        { token_url = "http://127.0.0.1:1/token" }, { token_url = "https://none.invalid/token" },
        { token_url = served:gsub("^http:", "https:") },
        { token_url = served:gsub("^http:", "https:"), ca_file = "/nonexistent/ca" },
        { token_url = "https://" .. silent .. "/", connect_timeout = 0.05 },
        { token_url = "http://" .. silent .. "/", timeout = BRIEFLY },
    }
    for _, case in ipairs(cases) do
        case.timeout = case.timeout or PATIENCE
        use(run, case)
    end
    listener:close()
end

-- A proxy with a password, which is answered, refused, or not spoken to at all.
local function proxied(run)
    local served = run.sandbox.token_url:match("//([^/]+)")
    for _, proxy in ipairs({ "http://me:%s@" .. served, "socks5://me:%s@" .. served,
        "http://me:%s@127.0.0.1:1", "https://me:%s@" .. served, "http://me:%s@none.invalid:1",
        "bogus://me:%s@127.0.0.1:1" }) do
        use(run, {
            token_url = "http://token.example/token", allow_http = true, timeout = PATIENCE,
            proxy = proxy:format(run.password),
        })
    end
    local fault = assert(run.sandbox:fault({ on = "token", status = 407, body = run.password }))
    use(run, {
        token_url = "http://token.example/token", allow_http = true, timeout = PATIENCE,
        proxy = ("http://me:%s@%s"):format(run.password, served),
    })
    fault:clear()
end

-- Secrets that cannot be had.
local function absent(run)
    for _, more in ipairs({ { client_secret_file = "/nonexistent/file" },
        { client_secret_file = "/dev/null" }, { client_secret_file = "/tmp" },
        { client_secret_env = "GROOVE_SPEC_NOT_SET" } }) do
        local out = options(run, more)
        for name in pairs(run.credentials) do
            out[name] = more[name]
        end
        out.timeout = PATIENCE
        local source, err = groove.token_source(out)
        dump(err)
        if source then
            problem(source:token())
            source:close()
        end
    end
end

-- Calls that end before their answer.
local function interrupted(run)
    local fault = assert(run.sandbox:fault({ on = "token", delay = 2 }))
    local source = assert(groove.token_source(options(run)))
    local cancelled, closed = source.async:token(), source.async:authorization()
    problem(cancelled:result())
    dump(cancelled:cancel())
    problem(cancelled:result())
    witness.say_processes(run.shows_environment)
    source:close()
    problem(closed:result())
    source = assert(groove.token_source(options(run)))
    local call = source.async:token()
    groove.shutdown(0)
    problem(call:result())
    source:close()
    -- As the core says it, without the calls around.
    source = assert(groove.token_source(options(run)))
    local first, second = source[1]:acquire(5, false), source[1]:acquire(5, false)
    problem(first:result())
    first:cancel()
    problem(first:result())
    source:close()
    problem(second:result())
    fault:clear()
end

function M.run(run)
    use(run)
    each_fault(run)
    unreachable(run)
    proxied(run)
    absent(run)
    interrupted(run)
end

return M
