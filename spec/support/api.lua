-- Clients whose API is a function of the spec's: no server, no waiting.

local groove = require("groove")

local M = {}

M.token = "spec-token"

local function answer_of(given)
    if type(given) == "string" then
        return { status = 200, headers = {}, body = given }
    end
    return given
end

--- A client whose requests are answered one after another by what is given: a body, a whole answer,
-- a function of the request, or { false, err } for no answer. The last serves for all that follow.
-- @treturn table client
-- @treturn table the requests seen
function M.client(answers, opts)
    local seen = {}
    local options = { api_url = "https://api.test", source = groove.static_token(M.token) }
    for name, value in pairs(opts or {}) do
        options[name] = value
    end
    options.transport = function(request)
        seen[#seen + 1] = request
        local given = answers[math.min(#seen, #answers)]
        if type(given) == "function" then
            given = given(request)
        end
        if type(given) == "table" and given[1] == false then
            return nil, given[2]
        end
        return answer_of(given)
    end
    return assert(groove.new(options)), seen
end

--- An answer with an Error object.
function M.failure(status, code, headers)
    return {
        status = status,
        headers = headers or {},
        body = '{"Error":{"ErrorCode":"' .. code .. '","Description":"as asked for"}}',
    }
end

--- What a function raises, as a text without its position, and the position.
function M.raised(fn, ...)
    local ok, problem = pcall(fn, ...)
    assert(not ok, "nothing was raised")
    local position, text = tostring(problem):match("^(.-:%d+:) (.*)$")
    return text or tostring(problem), position
end

return M
