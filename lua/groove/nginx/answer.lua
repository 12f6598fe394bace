--- Answers of the content handlers: none may be kept by a cache, and nothing in them is from the
-- request.
--
-- @module groove.nginx.answer

local M = {}

--- The value of Retry-After.
-- @tparam ?table err why there is no token
-- @treturn integer seconds
function M.retry_after(err)
    return math.max(1, math.ceil(err and err.retry_after or 1))
end

--- Sends an answer.
-- @tparam integer status
-- @tparam string kind its content type
-- @tparam string body
-- @tparam[opt] table headers more of them
function M.send(status, kind, body, headers)
    ngx.status = status
    ngx.header["Content-Type"] = kind
    ngx.header["Content-Length"] = #body
    ngx.header["Cache-Control"] = "no-store"
    ngx.header["Pragma"] = "no-cache"
    ngx.header["X-Content-Type-Options"] = "nosniff"
    for name, value in pairs(headers or {}) do
        ngx.header[name] = value
    end
    ngx.print(body)
    return ngx.exit(ngx.OK)
end

--- Sends a page to who may read it: GET and HEAD only.
-- @tparam string kind its content type
-- @tparam function make `make() -> body`
-- @tparam[opt] table headers
function M.page(kind, make, headers)
    local method = ngx.req.get_method()
    if method ~= "GET" and method ~= "HEAD" then
        return M.send(405, "text/plain", "GET only\n", { Allow = "GET, HEAD" })
    end
    return M.send(200, kind, make(), headers)
end

return M
