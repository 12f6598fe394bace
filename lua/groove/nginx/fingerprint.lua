--- What tells credentials apart, for the names of keys in a shared dictionary: a hash of all that
-- makes a token request what it is, the secret included, so that a reload with another secret finds
-- nothing of the old one's.
--
-- A secret of a file or an environment variable is hashed where it lies, and becomes no Lua string.
-- The hash is nginx's own SHA-1, cut to 80 bits; it leads back to nothing but a guessed secret.
--
-- @module groove.nginx.fingerprint

local ffi = require("ffi")

local M = {}

local SECRET_MAX = 65536
local DIGEST, KEPT = 20, 10
local O_RDONLY_CLOEXEC = 0x80000

ffi.cdef([[
    char *getenv(const char *name);
    int open(const char *path, int flags, ...);
    long read(int fd, void *buffer, size_t count);
    int close(int fd);
]])

local C = ffi.C

local NAMES = {
    "token_url", "client_id", "client_secret", "client_secret_file", "client_secret_env", "scope",
    "auth", "ca_file", "proxy", "allow_http", "user_agent",
}

local function add(parts, name, value)
    value = tostring(value)
    parts[#parts + 1] = ("%s=%d:%s;"):format(name, #value, value)
end

local function add_all(parts, name, values)
    local names = {}
    for key in pairs(values) do
        names[#names + 1] = key
    end
    table.sort(names)
    for _, key in ipairs(names) do
        add(parts, name, key)
        add(parts, name, values[key])
    end
end

local function text_of(options)
    local parts = {}
    for _, name in ipairs(NAMES) do
        if options[name] ~= nil then
            add(parts, name, options[name])
        end
    end
    add_all(parts, "params", options.params or {})
    add_all(parts, "headers", options.headers or {})
    return table.concat(parts)
end

local function read_variable(name, to)
    local value = C.getenv(name)
    if value == nil then
        return 0
    end
    local length = 0
    while length < SECRET_MAX and value[length] ~= 0 do
        to[length] = value[length]
        length = length + 1
    end
    return length
end

-- Line breaks at the end are not part of the secret.
local function read_file(path, to)
    local fd = C.open(path, O_RDONLY_CLOEXEC)
    if fd < 0 then
        return 0
    end
    local length = math.max(0, tonumber(C.read(fd, to, SECRET_MAX)))
    C.close(fd)
    while length > 0 and (to[length - 1] == 10 or to[length - 1] == 13) do
        length = length - 1
    end
    return length
end

local function read_secret(options, to)
    if options.client_secret_file then
        return read_file(options.client_secret_file, to)
    elseif options.client_secret_env then
        return read_variable(options.client_secret_env, to)
    end
    return 0
end

--- The fingerprint of a source's options.
-- @tparam table options checked
-- @treturn string 20 hexadecimal digits
function M.of(options)
    local text = text_of(options)
    local size = #text + SECRET_MAX
    local buffer = ffi.new("unsigned char[?]", size)
    ffi.copy(buffer, text, #text)
    local length = read_secret(options, buffer + #text)
    local digest = ffi.new("unsigned char[?]", DIGEST)
    C.ngx_http_lua_ffi_sha1_bin(buffer, #text + length, digest)
    ffi.fill(buffer, size)
    return (ffi.string(digest, KEPT):gsub(".", function(byte)
        return ("%02x"):format(byte:byte())
    end))
end

return M
