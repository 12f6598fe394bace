-- What stands between a program and a service, or in its place: network.c in processes of its own,
-- and certificates of every kind.

local core = require("groove.core")
local service = require("spec.support.service")
local shell = require("spec.support.shell")

local M = {}

local CONFIG = [[
[ca]
default_ca = here
[here]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[right]
basicConstraints = critical, CA:FALSE
subjectAltName = IP:127.0.0.1, DNS:token.groove.test, DNS:api.groove.test
[elsewhere]
basicConstraints = critical, CA:FALSE
subjectAltName = IP:127.0.0.9, DNS:elsewhere.groove.test
]]

-- Certificates by name: who signs, their names, from when and until when (years).
local CERTIFICATES = {
    right = { "ca", "right", 20, 40 },
    elsewhere = { "ca", "elsewhere", 20, 40 },
    expired = { "ca", "right", 20, 21 },
    early = { "ca", "right", 45, 49 },
    strange = { "stranger", "right", 20, 40 },
}

local KEY = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -config openssl.cnf"

local function authority(name, extensions)
    return ("openssl req -x509 %s -days 3000 -subj /CN=%s -extensions %s -keyout %s.key "
        .. "-out %s.pem"):format(KEY, name, extensions, name, name)
end

local function certificate(name, signer, names, from, to)
    return ("openssl req %s -subj /CN=%s -keyout %s.key -out %s.csr && openssl ca -batch -notext "
        .. "-config openssl.cnf -cert %s.pem -keyfile %s.key -extensions %s -in %s.csr "
        .. "-startdate %02d0101000000Z -enddate %02d0101000000Z -out %s.pem"):format(
        KEY, name, name, name, signer, signer, names, name, from, to, name)
end

--- Makes certificates in a folder, with their keys: of `ca.pem`, for 127.0.0.1 and *.groove.test,
-- `right`, `elsewhere` (for others), `expired`, `early` (not valid yet); `strange`, of another
-- authority; `own`, which has signed itself.
-- @tparam string folder
function M.certificates(folder)
    shell.write(folder .. "/openssl.cnf", CONFIG)
    local commands = { ("cd %s"):format(shell.quoted(folder)), ": >index.txt", "echo 01 >serial",
        authority("ca", "authority"), authority("stranger", "authority"),
        authority("own", "right") }
    for name, how in pairs(CERTIFICATES) do
        commands[#commands + 1] = certificate(name, how[1], how[2], how[3], how[4])
    end
    shell.must(table.concat(commands, " && "))
end

--- Builds network.c.
-- @tparam string folder for the program
-- @treturn ?string nil: it cannot be built here
function M.program(folder)
    local path = folder .. "/network"
    local build = "cc -std=c11 -D_GNU_SOURCE -O1 -o %s spec/support/network.c -lssl -lcrypto "
        .. "-pthread >/dev/null 2>&1"
    return shell.succeeds(build:format(shell.quoted(path))) and path or nil
end

local started = {}

local mt = {}
mt.__index = mt

--- All that it has been sent.
function mt:log()
    return (shell.read(self._output):gsub("^%(ready%)\n", ""))
end

--- Its address, by any name.
function mt:url(scheme, host)
    return ("%s://%s:%d"):format(scheme or "http", host or "127.0.0.1", self._port)
end

function mt:stop()
    self._child:stop(1)
    os.remove(self._output)
end

--- Starts network.c.
-- @tparam string program as of `program`
-- @param ... its words
-- @treturn table
function M.start(program, ...)
    local listener = assert(core.process.listen())
    local it = setmetatable({ _port = listener:port(), _output = os.tmpname() }, mt)
    it._child = assert(core.process.spawn({
        argv = { program, ... }, env = { "PATH=/usr/bin:/bin" }, listeners = { listener },
        lifeline = true, output = it._output,
    }))
    listener:close()
    started[#started + 1] = it
    assert(service.eventually(function()
        return (shell.read(it._output) or ""):find("^%(ready%)\n")
    end, 20), "network.c does not start")
    return it
end

--- Stops all that have been started.
function M.stop_all()
    while started[1] do
        table.remove(started):stop()
    end
end

--- An answer as it goes over the wire, as a text for network.c.
-- @tparam string body
-- @tparam[opt] string head lines, each with its end
-- @tparam[opt=200] integer status
-- @treturn string
function M.answer(body, head, status)
    return ("HTTP/1.1 %d Said\\r\\nContent-Length: %d\\r\\n%s\\r\\n%s"):format(status or 200, #body,
        head or "", body)
end

return M
