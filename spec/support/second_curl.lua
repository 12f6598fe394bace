-- Run by hostile_host_spec.lua, by LuaJIT: a second user of libcurl in the process, before, between
-- and after groove's own requests. Prints what happened, a line each. Argument: "first" if that
-- user is there before groove.

local ffi = require("ffi")

ffi.cdef([[
    typedef void CURL;
    int curl_global_init(long flags);
    void curl_global_cleanup(void);
    CURL *curl_easy_init(void);
    int curl_easy_setopt(CURL *handle, int option, ...);
    int curl_easy_perform(CURL *handle);
    int curl_easy_getinfo(CURL *handle, int info, ...);
    void curl_easy_cleanup(CURL *handle);
    char *curl_easy_escape(CURL *handle, const char *text, int length);
    void curl_free(void *memory);
]])

local ALL, URL, CAINFO, NOBODY, RESPONSE_CODE = 3, 10002, 10065, 44, 0x200002
local curl = ffi.load("libcurl.so.4")

local function say(what, good)
    print(what .. ": " .. (good and "yes" or "no"))
end

-- One easy transfer, verified by the sandbox's certificate; its status. Tokens are for POST only.
local REFUSED = 405

local function transfer()
    local url, ca_file = os.getenv("SPEC_TOKEN_URL"), os.getenv("SPEC_CA_FILE")
    local easy = curl.curl_easy_init()
    local status = ffi.new("long[1]")
    curl.curl_easy_setopt(easy, URL, ffi.cast("const char *", url))
    curl.curl_easy_setopt(easy, CAINFO, ffi.cast("const char *", ca_file))
    curl.curl_easy_setopt(easy, NOBODY, ffi.cast("long", 1))
    local code = curl.curl_easy_perform(easy)
    curl.curl_easy_getinfo(easy, RESPONSE_CODE, status)
    curl.curl_easy_cleanup(easy)
    return code == 0 and tonumber(status[0])
end

local function second_user(name)
    say(name .. ": init", curl.curl_global_init(ALL) == 0)
    say(name .. ": transfer", transfer() == REFUSED)
    curl.curl_global_cleanup()
end

-- Whether libcurl frees by a function that zeroes, groove's, and so has never been initialised
-- anew. What free() itself leaves in a block is at its beginning.
local function zeroes()
    local easy = curl.curl_easy_init()
    local text = ("x"):rep(400)
    local copy = curl.curl_easy_escape(easy, text, #text)
    local same = ffi.string(copy, #text) == text
    curl.curl_free(copy)
    local rest = ffi.string(copy + 100, 200)
    curl.curl_easy_cleanup(easy)
    return same and rest == ("\0"):rep(200)
end

if arg[1] == "first" then
    second_user("before")
end

local groove = require("groove")
local child = require("spec.support.child")
local client = assert(groove.new(child.options()))
say("groove", client:search("love"))
say("zeroes", zeroes())
for i = 1, 3 do
    local call = client.async:search("night")
    second_user("between " .. i)
    say("groove again " .. i, call:wait(15) and client:refresh() and client:search("love"))
    say("zeroes again " .. i, zeroes())
end

-- One that is still at it when groove is not.
curl.curl_global_init(ALL)
groove.shutdown()
say("groove anew", client:search("love"))
client:close()
groove.shutdown()
say("after: transfer", transfer() == REFUSED)
curl.curl_global_cleanup()
second_user("last")
