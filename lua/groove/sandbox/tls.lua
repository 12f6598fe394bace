--- A certificate authority made on the spot, and a certificate of it for the loopback addresses.
--
-- Both last 30 days. The authority's key is removed as soon as it has signed, so nobody can make
-- another certificate that a client of this sandbox would accept.
--
-- @module groove.sandbox.tls

local core = require("groove.core")

local M = {}

-- Each run of openssl takes about 10 ms.
local RUN_SECONDS = 10

local CONFIG = [[
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = IP:127.0.0.1, DNS:localhost
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
]]

--- Files that `make` leaves in the folder.
M.files = { "openssl.cnf", "ca.key", "ca.pem", "server.key", "server.pem" }

local function arguments(folder, name, subject, extensions, ...)
    local argv = {
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-nodes", "-sha256", "-days", "30", "-config", folder .. "/openssl.cnf",
        "-subj", "/CN=" .. subject, "-extensions", extensions,
        "-keyout", ("%s/%s.key"):format(folder, name), "-out", ("%s/%s.pem"):format(folder, name),
    }
    for _, argument in ipairs({ ... }) do
        argv[#argv + 1] = argument
    end
    return argv
end

local function run(argv, output)
    local child, message = core.process.spawn({
        argv = argv, env = { "PATH=/usr/local/bin:/usr/bin:/bin" }, output = output,
    })
    if not child then
        return nil, "the openssl command cannot be started: " .. message
    end
    -- -1: the program has its children reaped by somebody else. A missing file is seen by nginx.
    local code = child:wait(RUN_SECONDS)
    child:close()
    if code ~= 0 and code ~= -1 then
        return nil, "openssl (version 3 or later is needed) could not make a certificate"
    end
    return true
end

--- Makes `ca.pem`, `server.pem` and `server.key` in a folder.
-- @tparam string folder
-- @tparam function write `write(name, content)` writes a file into the folder; true, or nil and why
-- @tparam string output file for what openssl has to say
-- @treturn[1] string path of the authority's certificate
-- @treturn[2] nil
-- @treturn[2] string what went wrong
function M.make(folder, write, output)
    local ca, key = folder .. "/ca.pem", folder .. "/ca.key"
    local made, message = write("openssl.cnf", CONFIG)
    if made then
        made, message = run(arguments(folder, "ca", "groove sandbox", "authority"), output)
    end
    if made then
        made, message = run(arguments(folder, "server", "127.0.0.1", "server",
            "-CA", ca, "-CAkey", key), output)
    end
    os.remove(key)
    if not made then
        return nil, message
    end
    return ca
end

return M
