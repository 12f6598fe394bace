--- Lists in pages, and the opaque tokens that ask for the next one.
--
-- A token says which list it continues, and is sealed: a token made up, cut short, or of another
-- list is refused.
--
-- @module groove.sandbox.paging

local seal = require("groove.sandbox.seal")

local M = {}

--- Items of a page where nothing else is asked for; the most that may be asked for.
M.SIZE = 25

local MOST_DIGITS = 15

--- Makes a token.
-- @param place which list: a text
-- @param offset, size of the page that it asks for
function M.token(place, offset, size)
    return seal.close(("%d\n%d\n%s"):format(offset, size, place))
end

--- Reads a number from what was sealed. Whoever can seal can also write a huge one.
-- @param digits
-- @return number; or nil where sums of such numbers could overflow
function M.number(digits)
    return #digits <= MOST_DIGITS and tonumber(digits) or nil
end

--- Reads a token.
-- @return place, offset, size; or nil where it is not one of ours
function M.read(token)
    local payload = seal.open(token) or ""
    local offset, size, place = payload:match("^(%d+)\n(%d+)\n(.*)$")
    offset, size = M.number(offset or ""), M.number(size or "")
    if offset and size then
        return place, offset, size
    end
    return nil
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
