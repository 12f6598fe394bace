-- Run by spec/secrecy_spec.lua in a process of its own: takes the module through success and every
-- failure with marked secrets and tokens, and says all that a program could say of it.
--
-- usage: lua spec/support/blabber.lua file|env|string FOLDER
-- The folder has the marks, a file each. With "env", MARKED_SECRET is in the environment.

local witness = require("spec.support.secrecy.witness")
witness.begin()

local groove = require("groove")
local shell = require("spec.support.shell")

local kind, folder = arg[1], arg[2]

local function mark(name)
    return (assert(shell.read(folder .. "/" .. name), "no mark of that name"))
end

local function json_string(text)
    return (text:gsub('["\\]', "\\%0"))
end

local secret, token = mark("secret"), mark("token")

local CREDENTIALS = {
    file = { client_secret_file = folder .. "/secret" },
    env = { client_secret_env = "MARKED_SECRET" },
    string = { client_secret = secret },
}

local run = {
    credentials = CREDENTIALS[kind], secret = secret, token = token, user = mark("user"),
    password = mark("password"), word = mark("word"), shows_environment = kind ~= "env",
    escaped_secret = json_string(secret), escaped_token = json_string(token),
    sandbox = assert(groove.sandbox({ client_secret = secret })),
}

-- Over TLS, with a certificate that is trusted and one that is not.
local function over_tls()
    local sandbox = assert(groove.sandbox({ client_secret = secret, tls = true }))
    for _, ca_file in ipairs({ sandbox:options().ca_file, "/etc/ssl/certs/ca-certificates.crt" }) do
        local source = assert(groove.token_source({
            token_url = sandbox.token_url, client_id = sandbox:options().client_id,
            client_secret_file = folder .. "/secret", ca_file = ca_file, on_event = witness.dump,
        }))
        witness.problem(source:token({ timeout = 1 }))
        witness.dump(source:info())
        source:close()
    end
    witness.say_processes(true)
    witness.say_logs(sandbox)
    sandbox:stop()
end

require("spec.support.secrecy.misuse").run(run)
require("spec.support.secrecy.tokens").run(run)
require("spec.support.secrecy.calls").run(run)
if kind == "file" then
    over_tls()
end
witness.dump({ run.sandbox:log() })
witness.dump(run.sandbox)
witness.say_processes(run.shows_environment)
witness.say_logs(run.sandbox)
run.sandbox:stop()
witness.finish()
