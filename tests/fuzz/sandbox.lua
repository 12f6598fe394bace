-- Requests to the sandbox, and its answers. Input: sections between lines of "===". Each is a
-- request: "METHOD TARGET", headers, an empty line, a body; a section that begins with "#" changes
-- settings for those after it. $APP, $USER, $POOR (has no subscription) and $OLD stand for tokens,
-- $ID and $SECRET for the client's, $NEXT, $SESSION, $ITEM and $AUDIO for what an answer has said
-- last, and $SEAL{...} for a text as the sandbox seals it.

package.path = "tests/fuzz/?.lua;" .. package.path

local cjson = require("cjson")
local codes = require("groove.sandbox.codes")
local requests = require("requests")
local seal = require("groove.sandbox.seal")
local servers = require("groove.sandbox.server")
local support = require("support")

local utf8 = rawget(_G, "utf8") -- where there is one

local JSON = { encode = cjson.encode, decode = cjson.decode, null = cjson.null }
local SECRET = "kq/8+invented=="
local API_URL = "https://sandbox.invalid"

-- The statuses of the documentation, and those of HTTP for what is no request of the API's.
local STATUSES = { [200] = true, [400] = true, [401] = true, [403] = true, [405] = true }
for _, code in pairs(codes) do
    STATUSES[code.status] = true
end

-- The same bytes for the same input.
local seed

local function random(count)
    local bytes = {}
    for i = 1, count do
        seed = seed * 16807 % 2147483647
        bytes[i] = string.char(math.floor(seed / 256) % 256)
    end
    return table.concat(bytes)
end

-- --- the input -----------------------------------------------------------------------------------

local function new_server(words)
    return servers.new({
        client_id = "fuzz-id", client_secret = SECRET, scope = "app.sandbox", lifetime = 3600,
        random = random, api_url = API_URL, key = "key of the controls",
        answer_style = words:find("camel") and "camel" or "snake",
        code_style = words:find("dashes") and "dashes" or "underscores",
        expires_as_string = words:find("text") ~= nil, refresh_in = words:find("refresh") and 60,
        collection_limit = words:find("small") and 3, playlist_limit = words:find("small") and 3,
    }, JSON)
end

local function new_session(words)
    local server = new_server(words)
    local function issue(name, subscription, lifetime)
        local user = server.users:get(name, subscription)
        return (server.tokens:issue(0, user, lifetime))
    end
    return {
        server = server, now = 100, spoken = {},
        texts = {
            APP = server.tokens:issue(0), USER = issue("user", true), POOR = issue("poor", false),
            OLD = issue("old", true, 50), ID = "fuzz-id", SECRET = SECRET,
        },
    }
end

-- With what stands for something put in. What is said thus in a place where it may be repeated, or
-- that nobody takes for a secret, is known to have been said.
local function filled(session, text, in_the_open)
    local said = text:gsub("%$(%u+)", function(name)
        local value = session.texts[name]
        if in_the_open and value then
            session.spoken[value] = true
        end
        return value
    end)
    return (said:gsub("%$SEAL(%b{})", function(payload)
        return seal.close((payload:sub(2, -2):gsub("\\n", "\n")))
    end))
end

local function request_of(session, section)
    local head, body = section:match("^(.-)\n\n(.*)$")
    local lines = support.split(head or section, "\n")
    local method, target = lines[1]:match("^(%S+) ?(.*)$")
    local path, query = (target or ""):match("^([^?]*)%??(.*)$")
    local headers = {}
    for i = 2, #lines do
        local name, value = lines[i]:match("^([^:]+): ?(.*)$")
        if name then
            headers[name:lower()] = filled(session, value, false)
        end
    end
    session.now = session.now + 1
    local is_form = path == "/token"
    return {
        method = method or "GET", path = filled(session, path, true),
        query = filled(session, query, not query:find("^accessToken=[^&$]*%$%u+$")),
        headers = headers, body = body and filled(session, body, not is_form),
        now = session.now, time = 1445412480 + session.now,
    }
end

-- --- the answer ----------------------------------------------------------------------------------

local ENTITIES = { amp = true, lt = true, gt = true, quot = true, ["#9"] = true, ["#10"] = true,
    ["#13"] = true }

local function check_text(text)
    assert(not text:find("[%z\1-\8\11\12\14-\31<>]"), "a character that XML cannot hold")
    for entity in text:gmatch("&([^;]*);?") do
        assert(ENTITIES[entity], "no entity of XML")
    end
end

-- Well-formed, as far as the sandbox's XML goes.
local function check_xml(body)
    local at, open = body:match('^<%?xml version="1.0" encoding="utf%-8"%?>()'), {}
    assert(at, "no XML")
    repeat
        local text, slash, name, after = body:match("^([^<]*)<(/?)([%a_][%w_.%-]*)>()", at)
        assert(text, "no element of XML")
        check_text(text)
        if slash == "" then
            open[#open + 1] = name
        else
            assert(table.remove(open) == name, "an element that is not closed")
        end
        at = after
    until #open == 0
    assert(at == #body + 1, "something after the root of the XML")
end

-- Whether a text is anywhere in a value.
local function holds(value, text)
    if type(value) == "string" then
        return value:find(text, 1, true) ~= nil
    elseif type(value) == "table" then
        for key, member in pairs(value) do
            if holds(key, text) or holds(member, text) then
                return true
            end
        end
    end
    return false
end

local function check_discretion(session, value, spoken)
    for token in pairs(session.server.tokens.grants) do
        assert(spoken[token] or not holds(value, token), "a token where none belongs")
    end
    assert(spoken[SECRET] or not holds(value, SECRET), "the secret")
end

local function check_error(object, request, status)
    local err = object.Error
    if status >= 400 then
        assert(type(err) == "table", "an error without its object")
    end
    if err then
        local row = codes[(err.ErrorCode:gsub("-", "_"))]
        assert(row, "an error of no documented code")
        assert(row.status == status or status == 200, "an error with another's status")
        assert(err.Description == row.description and not (err.Message or ""):find("%c"))
    end
    assert(request.path ~= "/token" and object.error == nil, "an error of the other kind")
end

-- What later requests can refer to.
local function learn(session, value)
    for key, member in pairs(value) do
        if type(member) == "table" then
            learn(session, member)
        end
        if key == "ContinuationToken" then
            session.texts.NEXT = member
        elseif key == "SessionId" then
            session.texts.SESSION = member
        elseif key == "Id" then
            session.texts.ITEM = member
        elseif key == "Url" and type(member) == "string" and member:sub(1, #API_URL) == API_URL then
            session.texts.AUDIO = member:sub(#API_URL + 1)
        end
    end
end

local function check_json(session, request, response)
    local object = cjson.decode(response.body)
    assert(type(object) == "table", "JSON that is no object")
    if request.path == "/token" then
        assert(response.status == 200 or type(object.error) == "string", "no error of OAuth's")
        assert(response.status ~= 200 or object.access_token or object.accessToken, "no token")
        object.access_token, object.accessToken = nil, nil
    else
        check_error(object, request, response.status)
        learn(session, object)
    end
    check_discretion(session, object, session.spoken)
end

local function check_headers(headers)
    for name, value in pairs(headers) do
        assert(name:find("^[%w-]+$") and type(value) == "string" and not value:find("%c"),
            "no header")
    end
end

local function check_answer(session, request, response)
    assert(STATUSES[response.status], "a status that is not documented")
    assert(type(response.body) == "string" and not response.close and not response.delay)
    check_headers(response.headers)
    local kind = response.headers["Content-Type"] or ""
    if kind == "application/json; charset=utf-8" then
        check_json(session, request, response)
    elseif kind == "application/xml; charset=utf-8" then
        check_xml(response.body)
        check_discretion(session, response.body, session.spoken)
    elseif kind == "audio/mpeg" then
        assert(response.status == 200 and #response.body > 1000, "a sound without a sound")
    else
        assert(response.status == 403 or response.status == 400, "an answer of no kind")
        assert(response.body == "", "a text that nobody can read")
    end
    assert(not utf8 or kind == "audio/mpeg" or utf8.len(response.body), "no UTF-8")
end

local NOTHING_SPOKEN = {}

local function check_log(session)
    local log = session.server:control({ op = "log" }, session.now)
    check_discretion(session, cjson.decode(cjson.encode(log)), NOTHING_SPOKEN)
end

local SEPARATOR = "\n===\n"
local SECTIONS_MAX = 8

-- The requests with one more, one in another's place, or one less.
local function mutate(input, number)
    math.randomseed(number)
    local sections = support.split(input, SEPARATOR)
    local at, kind = math.random(#sections), math.random(5)
    if kind == 1 and #sections > 1 then
        table.remove(sections, at)
    elseif kind == 2 then
        sections[at] = requests.make()
    elseif kind == 3 then
        table.insert(sections, sections[at])
    else
        table.insert(sections, at + 1, requests.make())
    end
    while #sections > SECTIONS_MAX do
        table.remove(sections, math.random(#sections))
    end
    return table.concat(sections, SEPARATOR)
end

return function(input)
    seed = 20151021
    local session = new_session("")
    for _, section in ipairs(support.split(input, SEPARATOR)) do
        if section:sub(1, 1) == "#" then
            session = new_session(section)
        else
            local request = request_of(session, section)
            check_answer(session, request, session.server:handle(request))
        end
    end
    check_log(session)
end, mutate
