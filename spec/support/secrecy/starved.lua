-- Run by spec/secrecy_spec.lua in a process of its own: no descriptors are left before the module's
-- first request.
--
-- usage: lua spec/support/secrecy/starved.lua FOLDER      with few descriptors (ulimit -n)

local witness = require("spec.support.secrecy.witness")
witness.begin()

local core = require("groove.core")
local groove = require("groove")

local files, file = {}, true
while file do
    file = io.open("/dev/null", "rb")
    files[#files + 1] = file
end
assert(#files > 0)
local source = assert(groove.token_source({
    token_url = "http://127.0.0.1:1/", client_id = "x", client_secret_file = arg[1] .. "/secret",
    on_event = witness.dump,
}))
witness.problem(source:token({ timeout = 1 }))
witness.dump(source:info())
local op = core.request({ url = "http://127.0.0.1:1/", timeout = 1 })
op:wait()
witness.problem(op:result())
source:close()
witness.finish()
