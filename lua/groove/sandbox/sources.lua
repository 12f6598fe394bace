--- Where search and lookup look: in the catalogue, in the user's collection, or both.
--
-- @module groove.sandbox.sources

local M = {}

M.UNAUTHORIZED = {
    code = "INVALID_AUTHORIZATION_HEADER", message = "You need user authentication to use this API",
}

--- The sources of a request.
-- @param list "catalog" and "collection", or nil
-- @return set, of which one is there
function M.of(list)
    local out = {}
    for _, source in ipairs(list or { "catalog" }) do
        out[source] = true
    end
    return out
end

--- What serves the collection. A continuation does not say its source, so that nobody may have
-- looked yet whether there is a user.
-- @return module; or nil and an error
function M.collection(context)
    if not context.user then
        return nil, M.UNAUTHORIZED
    end
    return require("groove.sandbox.collection")
end

return M
