--- The Groove API as data: one row an endpoint, keyed by the client's method name.
--
-- The methods of a client and of `client.async`, the checks of their arguments, the reference, and
-- the sandbox's routes and checks are read from here; an endpoint is added by adding a row to
-- `groove.endpoints.catalog` (what an application may ask) or `groove.endpoints.user`.
--
-- A row:
--   method    "GET" or "POST"
--   path      the documented path; `{namespace}` is always "music", other `{name}`s are `segments`
--   auth      "app" (an application's or a user's token) or "user"
--   collection_auth  "user" where `source` with "collection" needs a user's token
--   args      names of the positional arguments, in order; each is a segment, a parameter, or a
--             part of the body
--   takes     name of the one positional argument whose fields are the parts of the body
--   segments  path parameters by name
--   params    query parameters in wire order; `endpoints.common` follows them on the wire
--   body      parts of the JSON body; the body has Content-Type application/json
--   one_of    parts of the body of which at least one must be there
--   splits    what is spread over several requests where it is too long
--   rest      the row of the requests after the first, which get the Id of what the first has made
--   results   of a row with `splits` and a body: where the answer has its list of results
--   aliases   other names under which members of the answer are found
--   returns   the object of the answer
--   doc, errors, example  for the reference: what it does, what the service refuses, and how to use
--             it; examples of rows with auth "user" have a user's client
--
-- A parameter, segment or part of a body:
--   name, wire       the option's name, the name on the wire
--   type             "string", "integer", "boolean", "list" (a string or a table of strings), "id",
--                    "ids" (one id or a table of ids)
--   values           what is allowed; the service compares without case
--   values_by        the same, where it depends on others: see `endpoints.allowed`
--   default          of a segment that is no positional argument, or of a part of a body
--   min, max         of an integer
--   min_length, max_length  of a string, in characters; of "ids" in a path, all joined by "+"
--   max_items        of "ids" in a body: how many one request takes
--   letters          the string's exact count of letters
--   session          of an id: not one of a namespace, but what an earlier answer gave
--   exclusive        not together with these
--   only_with        `{ name, value }`: only where that other has this value
--   needs            only together with this other
--   required         must be given
--   required_unless  must be given, except together with this other parameter
--   default_from     taken from the client's option of this name where the call does not give it
--   after            stands after the common parameters on the wire
--   action           of a body: the ids become `{ Id, Action }` in TrackActions, in the row's order
--   seed             of a body: becomes `{ Id, Type }` in Seeds
--
-- Where the limits come from: the public Groove API documentation, "Groove Service REST Reference",
-- of each endpoint, "orderBy", "Extras", and "Parameters common to every Groove RESTful API".
--
-- @module groove.endpoints

local M = {}

--- The only namespace of the service.
M.namespace = "music"

--- Query parameters of every endpoint, in wire order, after the row's own.
M.common = {
    {
        name = "country", wire = "country", type = "string", letters = 2,
        default_from = "country",
        doc = "Two letters (ISO 3166-1). Default: the client's, or the service's guess.",
    },
    {
        name = "language", wire = "language", type = "string", letters = 2,
        default_from = "language",
        doc = "Two letters (ISO 639-1). Default: the client's, or the service's guess.",
    },
    {
        name = "format", wire = "contentType", type = "string", values = { "json", "xml" },
        doc = "\"xml\": the answer's text is returned as it came. Default \"json\".",
    },
    {
        name = "continuation_token", wire = "continuationToken", type = "string", min_length = 1,
        doc = "Of an earlier answer's list: its next items. No other optional parameter may go "
            .. "with it, but `format`.",
    },
}

--- The rows.
M.rows = {}

for _, part in ipairs({ "catalog", "user" }) do
    for name, row in pairs(require("groove.endpoints." .. part)) do
        M.rows[name] = row
    end
end

--- Whether a call needs a user's token.
-- @tparam table row
-- @tparam ?string|table source where the call looks, "collection" or a list
-- @treturn boolean
function M.needs_user(row, source)
    if row.auth == "user" or not source then
        return row.auth == "user"
    end
    local all = type(source) == "table" and table.concat(source, "+") or source
    return row.collection_auth == "user" and all:lower():find("collection", 1, true) ~= nil
end

local NOTHING = {}

--- What a parameter may be, given the others.
--
-- `values_by = { by = { "source", "type" }, catalog = list, collection = { albums = list } }`: the
-- list under the first name's value, or in the table there under the second one's; where there is
-- none, nothing is allowed.
-- @tparam table parameter
-- @tparam table values of the segments, by name
-- @treturn ?table list of values, nil where any will do
function M.allowed(parameter, values)
    local found = parameter.values_by
    if not found then
        return parameter.values
    end
    local by = found.by
    for i = 1, #by do
        local value = values[by[i]] or ""
        found = found[value] or found[value:lower()]
        if not found or found[1] then
            break
        end
    end
    return found or NOTHING
end

return M
