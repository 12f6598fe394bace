--- Lists in pages, and the opaque tokens that ask for the next one.
--
-- A token says which list it continues, and carries a check sum: a token made up, cut short, or of
-- another list is refused.
--
-- @module groove.sandbox.paging

local text = require("groove.sandbox.text")

local M = {}

--- Items of a page where nothing else is asked for; the most that may be asked for.
M.SIZE = 25

local function check_sum(payload)
    local sum = 7
    for i = 1, #payload do
        sum = (sum * 263 + payload:byte(i)) % 16777213
    end
    return ("%06x"):format(sum)
end

--- Makes a token.
-- @param place which list: text without line breaks, such as "search", "Albums", "daft punk"
function M.token(place, offset, size)
    local payload = ("%d\n%d\n%s"):format(offset, size, place)
    return text.base64url(check_sum(payload) .. payload)
end

--- Reads a token.
-- @return place, offset, size; or nil where it is not one of ours
function M.read(token)
    local bytes = text.unbase64(token)
    if not bytes or #bytes < 6 or check_sum(bytes:sub(7)) ~= bytes:sub(1, 6) then
        return nil
    end
    local offset, size, place = bytes:sub(7):match("^(%d+)\n(%d+)\n(.*)$")
    return place, tonumber(offset), tonumber(size)
end

--- One page of a list.
-- @param records the whole list
-- @param make function(record) -> wire object
-- @param place which list, for the token of the next page
-- @param offset, size where the page begins, from 0, and how many items it has at most
-- @return `{ Items, ContinuationToken, TotalItemCount }`, or nil where there is nothing
function M.list(records, make, place, offset, size)
    local items = {}
    for i = offset + 1, math.min(offset + size, #records) do
        items[#items + 1] = make(records[i])
    end
    if #items == 0 then
        return nil
    end
    local next_offset = offset + #items
    return {
        Items = items,
        ContinuationToken = next_offset < #records and M.token(place, next_offset, size) or nil,
        TotalItemCount = #records,
    }
end

return M
