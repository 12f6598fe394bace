-- The sandbox's logic without a server, and what asks it.

local catalogue = require("groove.sandbox.catalogue")
local json = require("cjson")
local server = require("groove.sandbox.server")
local text = require("groove.sandbox.text")

local M = {}

M.SECRET = "a+b/c=d&e%f g\195\169"

local draw = 0

--- A server. Nothing about it is random.
-- @param settings that are not the usual ones
function M.new(settings)
    local all = {
        client_id = "me & co", client_secret = M.SECRET, scope = "a.scope", lifetime = 100,
        key = "key", api_url = "http://127.0.0.1:1", answer_style = "snake",
        random = function(n)
            draw = draw + 1
            return (("%d "):format(draw)):rep(n):sub(1, n)
        end,
    }
    for name, value in pairs(settings or {}) do
        all[name] = value
    end
    return server.new(all, json)
end

--- Asks a server.
-- @param request `method`, `target`, `headers`, `body`, `now`, `time`
-- @return the response, and its object where it is JSON
function M.ask(it, request)
    local path, query = (request.target or "/token"):match("^([^?]*)%??(.*)$")
    local response = it:handle({
        method = request.method or "GET", path = path, query = query,
        headers = request.headers or {}, body = request.body, now = request.now or 1000,
        time = request.time or 7,
    })
    local kind = response.headers["Content-Type"] or ""
    return response, kind:find("json", 1, true) and response.body and json.decode(response.body)
end

-- --- users ---------------------------------------------------------------------------------------

local users_mt = {}
users_mt.__index = users_mt

--- Somebody with a token of a server's.
-- @param it the server
-- @param name the user's; nil: an application
-- @param opts of the token: `subscription`, `lifetime`
function M.user(it, name, opts)
    local token
    if name then
        opts = opts or {}
        token = it:control({
            op = "user_token", name = name, subscription = opts.subscription,
            lifetime = opts.lifetime,
        }, 1000).token
    else
        token = it.tokens:issue(1000)
    end
    return setmetatable({ server = it, token = token }, users_mt)
end

--- Asks with the token.
-- @return the answer's object, its status
function users_mt:ask(method, target, body, request)
    request = request or {}
    if type(body) == "table" then
        body = json.encode(body)
    end
    local response, object = M.ask(self.server, {
        method = method, target = target, body = body, now = request.now, time = request.time,
        headers = {
            authorization = "Bearer " .. self.token,
            ["content-type"] = request.content_type or body and "application/json",
        },
    })
    return object or nil, response.status, response
end

function users_mt:get(target, request)
    return self:ask("GET", "/1/content/" .. target, nil, request)
end

function users_mt:post(target, body, request)
    return self:ask("POST", "/1/content/music/" .. target, body, request)
end

--- All items of a list, page by page.
-- @param path without a query, as of `get`
-- @param query of the first page
-- @param list function(answer) -> the list in it
-- @return the items, and the number of pages
function users_mt:all(path, query, list)
    local items, pages, answer = {}, 0, self:get(path .. query)
    repeat
        local page = list(answer)
        pages = pages + 1
        for _, item in ipairs(page.Items) do
            items[#items + 1] = item
        end
        local token = page.ContinuationToken
        answer = token and self:get(path .. "?continuationToken=" .. text.escape(token))
    until not token
    return items, pages
end

--- What the user's profile says of the collection.
function M.collection_of(user)
    return user:ask("GET", "/1/user/music/profile").Collection
end

-- --- answers -------------------------------------------------------------------------------------

--- The code of an answer's, or a result's, error; nil where there is none.
function M.code_of(answer)
    return answer and answer.Error and answer.Error.ErrorCode
end

--- One member of every item of a list.
function M.mapped(list, member)
    local out = {}
    for i, item in ipairs(list) do
        out[i] = item[member]
    end
    return out
end

--- Ids of records or of objects.
function M.ids_of(list)
    return M.mapped(list, list[1] and list[1].id and "id" or "Id")
end

--- Tracks from all over the catalogue.
function M.tracks(count)
    local out = {}
    for i = 1, count do
        out[i] = catalogue.get().tracks[i * 37]
    end
    return out
end

return M
