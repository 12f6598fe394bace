-- What the service answers, and what methods make of it. Input: sections between lines of "---".
-- The first says what is called: "METHOD OPERATION LIST LIMIT", the operation being value, xml,
-- parse, next_page, collect or each. The others are the answers: a status, headers, an empty line,
-- a body. "$TOKEN" stands for the token that was sent.

package.path = "tests/fuzz/?.lua;" .. package.path

local cjson = require("cjson")
local core = require("groove.core")

-- Time stands still, but for pauses, which take none.
local clock = 0
local PAUSE = { wait = function() end, result = function() end }

function core.now()
    return clock
end

function core.time()
    return 1445412480 + clock
end

function core.sleep(seconds)
    clock = clock + seconds
    return PAUSE
end

local endpoints = require("groove.endpoints")
local errors = require("groove.errors")
local groove = require("groove")
local support = require("support")

local TOKEN = "EgCinvented/app+token=="
local SECRETS = { TOKEN, "EgCinvented%2Fapp%2Btoken%3D%3D" }
local REQUESTS_MAX = 20

-- --- the input -----------------------------------------------------------------------------------

local function answer_of(section)
    local head, body = section:match("^(.-)\n\n(.*)$")
    head = head or section
    local answer = { status = tonumber(head:match("^%d%d?%d?")) or 200, headers = {}, body = body }
    for name, value in head:gmatch("\n([^\n:]+): *([^\n]*)") do
        answer.headers[name] = value
    end
    return answer
end

local SEPARATOR = "\n---\n"

local function read(input)
    local sections = support.split(input, SEPARATOR)
    local method, operation, list, limit =
        sections[1]:match("^(%S*) ?(%S*) ?(%S*) ?(%d*)")
    local answers = {}
    for i = 2, #sections do
        answers[i - 1] = answer_of((sections[i]:gsub("%$TOKEN", TOKEN)))
    end
    answers[1] = answers[1] or answer_of("")
    return {
        method = method, operation = operation, list = list ~= "" and list or "Tracks",
        limit = tonumber(limit), answers = answers,
    }
end

-- --- the service ---------------------------------------------------------------------------------

local current, count, repeated

-- Gives the answers in turn, the last for ever; but no more than REQUESTS_MAX.
local function transport()
    count = count + 1
    if count > REQUESTS_MAX then
        return nil, errors.transport("enough", "enough", false)
    end
    local answer = current.answers[math.min(count, #current.answers)]
    repeated = repeated or answer.status == 429 or answer.status == 502 or answer.status == 503
    return { status = answer.status, headers = answer.headers, body = answer.body }
end

local client = groove.new({
    api_url = "https://music.example", user_token = TOKEN, client_instance_id = ("i"):rep(32),
    transport = transport,
})

local ARGUMENTS = {
    search = { "x" }, lookup = { "music.A" }, browse = { "tracks" }, moods = {}, new_releases = {},
    browse_items = { "artist", "music.A", "albums" }, radio_next = { "s" }, profile = {},
    collection_add = { "music.A" }, playlist_create = { { name = "x", tracks = "music.A" } },
}

-- Ids for three requests.
local many = {}
for i = 1, 250 do
    many[i] = "music." .. i
end
ARGUMENTS.lookup_many = { many }
ARGUMENTS.playlist_create_many = { { name = "x", tracks = many } }
ARGUMENTS.collection_add_many = { many }

local function start()
    clock, count, repeated = 0, 0, false
end

-- The method's name, and its arguments.
local function called()
    local arguments = ARGUMENTS[current.method]
    if not arguments then
        return "search", ARGUMENTS.search
    end
    return current.method:gsub("_many$", ""), arguments
end

local function call(format)
    local name, arguments = called()
    local more = { arguments[1], arguments[2], arguments[3] }
    more[#more + 1] = { format = format }
    return client[name](client, more[1], more[2], more[3], more[4])
end

-- --- what came of it -----------------------------------------------------------------------------

local function check_outcome(value, err)
    assert(value ~= nil or err ~= nil, "neither a value nor an error")
    if err ~= nil then
        support.check_error(err, SECRETS)
    end
    assert(count <= REQUESTS_MAX + 1, "went on when nothing came any more")
    return value, err
end

-- A value without nulls, which in arrays are left out.
local function without_nulls(value)
    if type(value) ~= "table" then
        return value
    end
    local out, length = {}, #value
    for i = 1, length do
        if value[i] ~= cjson.null then
            out[#out + 1] = without_nulls(value[i])
        end
    end
    for key, member in pairs(length == 0 and value or {}) do
        if member ~= cjson.null then
            out[key] = without_nulls(member)
        end
    end
    return out
end

local function check_value(value)
    local _, arguments = called()
    local split = type(arguments[1]) == "table"
    local answer = current.answers[math.min(count, #current.answers)]
    if value == nil or split or current.method == "collection_add" or answer.status == 204 then
        return
    end
    local aliases = endpoints.rows[called()].aliases
    assert(aliases or getmetatable(value) == nil, "a metatable that shows")
    assert(support.same(value, without_nulls(cjson.decode(answer.body))), "another value")
end

-- --- operations ----------------------------------------------------------------------------------

local OPERATIONS = {}

function OPERATIONS.value()
    check_value((check_outcome(call())))
end

function OPERATIONS.xml()
    local value = check_outcome(call("xml"))
    local first = current.answers[1].body or ""
    assert(value == nil or type(value) == "string" or first:find("^%s*{") or count > 1,
        "XML that is no text")
end

local function answer_without_token(answer)
    return {
        status = answer.status, headers = answer.headers,
        body = (answer.body or ""):gsub("EgCinvented", ""),
    }
end

function OPERATIONS.parse()
    local name, arguments = called()
    local built = client:build(name, arguments[1], arguments[2], arguments[3])
    local answer = current.answers[1]
    if built then
        check_outcome(client:parse(name, answer, built))
    end
    -- Which token was sent is known by the request alone.
    local page = check_outcome(client:parse(name, answer_without_token(answer)))
    if type(page) == "table" then
        local more, err = client:next_page(current.list, page)
        assert(more == nil and (err == nil or err.kind == "argument"), "continued from nothing")
    end
end

function OPERATIONS.next_page()
    local page, err = check_outcome(call())
    local pages = 0
    while type(page) == "table" do
        pages = pages + 1
        page, err = client:next_page(current.list, page)
        assert(page == nil or err == nil or type(page) == "table")
    end
    check_outcome(true, err)
    assert(pages <= REQUESTS_MAX, "more pages than answers")
end

-- The items of a list at the top of plain answers, by a way of its own; nil where they are not
-- plain.
local function expected_items()
    local items, asked = {}, {}
    if current.method:find("_many$") or current.method == "moods" or current.list:find("%A") then
        return nil
    end
    for n = 1, REQUESTS_MAX do
        local answer = current.answers[math.min(n, #current.answers)]
        local ok, page = pcall(cjson.decode, answer.body)
        local plain = ok and answer.status == 200 and type(page) == "table"
        if not plain or type(page.Error) == "table" then
            return nil
        end
        local list = without_nulls(page)[current.list]
        list = type(list) == "table" and list or {}
        local token = list.ContinuationToken
        if token ~= nil and asked[token] then
            return items
        end
        for _, item in ipairs(type(list.Items) == "table" and list.Items or list) do
            items[#items + 1] = item
        end
        if type(token) ~= "string" or token == "" then
            return items
        end
        asked[token] = true
    end
end

local function through_each()
    local items = {}
    local function iterate()
        for item in client:each(current.list, call()) do
            items[#items + 1] = item
        end
    end
    local ok, problem = pcall(iterate)
    if not ok then
        support.check_error(problem, SECRETS)
    end
    return items, not ok and problem or nil
end

function OPERATIONS.each()
    local items = check_outcome(through_each())
    local expected = expected_items()
    assert(not expected or support.same(items, expected), "other items")
end

function OPERATIONS.collect()
    local limit = current.limit and current.limit > 0 and current.limit or nil
    local page, problem = call()
    local items, err = check_outcome(client:collect(current.list, page, problem, { limit = limit }))
    assert(not limit or #items <= limit, "more than was wanted")
    if repeated then
        return
    end
    start()
    local others, other_err = through_each()
    local expected = expected_items()
    assert(not expected or support.same(others, expected), "other items")
    local wanted = limit and math.min(limit, #others) or #others
    assert(#items == wanted, "collect and each differ in number")
    for i = 1, wanted do
        assert(support.same(items[i], others[i]), "collect and each differ")
    end
    assert(limit or (err == nil) == (other_err == nil), "collect and each differ in the error")
end

-- --- mutations -----------------------------------------------------------------------------------

local NAMES = {
    "Items", "ContinuationToken", "TotalItemCount", "Tracks", "Artists", "Albums", "Error", "Id",
    "ErrorCode", "Message", "Description", "Results", "TrackActionResults", "InputId", "Culture",
    "PlaylistActionResult", "CatalogMoods", "1",
}

local function any_leaf()
    local leaves = {
        cjson.null, true, false, 0, -1, 1e300, "", "A", "B", "$TOKEN", "CATALOG_NO_RESULT", {},
        { {} }, "CATALOG-NO-RESULT", { Items = { { Id = "x" } }, ContinuationToken = "C" },
        { ErrorCode = "X", Message = "y" },
    }
    return leaves[math.random(#leaves)]
end

local function keys_of(object)
    local keys = {}
    for key in pairs(object) do
        keys[#keys + 1] = key
    end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
    return keys
end

-- Changes one member somewhere below; `whole` is where others are copied from.
local function change(object, whole)
    local keys = keys_of(object)
    local key = keys[math.random(math.max(1, #keys))]
    local deeper = key ~= nil and type(object[key]) == "table"
    if deeper and math.random(4) > 1 then
        return change(object[key], whole)
    end
    local kind = math.random(4)
    if #object > 0 then
        if kind == 1 then
            table.remove(object, key)
        else
            table.insert(object, key, kind == 2 and any_leaf() or support.copy(object[key]))
        end
    elseif kind == 1 and key ~= nil then
        object[key] = nil
    elseif kind == 2 and key ~= nil then
        object[key] = any_leaf()
    else
        object[NAMES[math.random(#NAMES)]] = kind == 3 and any_leaf() or support.copy(whole)
    end
end

-- An input with one of its answers changed in form; nil where there is none in JSON.
local function mutate(input, seed)
    math.randomseed(seed)
    local sections = support.split(input, SEPARATOR)
    local at = math.random(2, math.max(2, #sections))
    local head, body = (sections[at] or ""):match("^(.-\n\n)(.*)$")
    local ok, object = pcall(cjson.decode, body or "")
    if not ok or type(object) ~= "table" then
        return nil
    end
    for _ = 1, math.random(3) do
        change(object, support.copy(object))
    end
    local encoded, text = pcall(cjson.encode, object)
    if not encoded then
        return nil
    end
    sections[at] = head .. text
    if math.random(6) == 1 then
        table.insert(sections, at, sections[at])
    end
    return table.concat(sections, SEPARATOR)
end

return function(input)
    current = read(input)
    start()
    local run = OPERATIONS[current.operation] or OPERATIONS.collect
    run()
end, mutate
