local pages = require("groove.pages")
local api = require("spec.support.api")

local function list(first, count, token)
    local items = {}
    for i = 1, count do
        items[i] = '{"Id":"' .. (first + i - 1) .. '"}'
    end
    return '{"Items":[' .. table.concat(items, ",") .. "]"
        .. (token and ',"ContinuationToken":"' .. token .. '"' or "") .. "}"
end

local function tracks(...)
    return '{"Tracks":' .. list(...) .. "}"
end

local function ids(items)
    local text = {}
    for i, item in ipairs(items) do
        text[i] = item.Id
    end
    return table.concat(text, " ")
end

local THREE = { tracks(1, 2, "A+1"), tracks(3, 2, "B"), tracks(5, 1) }

describe("paging", function()
    it("iterates to the end by the same URL without optional parameters", function()
        local client, seen = api.client(THREE, { country = "FR" })
        local items = {}
        for track in client:each("Tracks", client:search("x", { max_items = 2 })) do
            items[#items + 1] = track
        end
        assert.equal("1 2 3 4 5", ids(items))
        local url = "https://api.test/1/content/music/search?"
        assert.equal(url .. "q=x&maxItems=2&country=FR", seen[1].url)
        assert.equal(url .. "continuationToken=A%2B1", seen[2].url)
        assert.equal(url .. "continuationToken=B", seen[3].url)
        assert.equal(3, #seen)
    end)

    it("takes the list itself for its name", function()
        local client = api.client(THREE)
        local page = client:search("x")
        assert.equal("1 2 3 4 5", ids(client:collect(page.Tracks, page)))
    end)

    it("shows nothing of it in the page", function()
        local client = api.client(THREE)
        local page = client:search("x")
        assert.equal("Tracks", next(page))
        assert.is_nil(next(page, "Tracks"))
        assert.is_nil(getmetatable(page))
    end)

    it("gives pages one by one, and nil at the end", function()
        local client = api.client(THREE)
        local page = client:search("x")
        local second = client:next_page("Tracks", page)
        local third = client:next_page("Tracks", second)
        assert.equal("3 4", ids(second.Tracks.Items))
        assert.equal("5", ids(third.Tracks.Items))
        assert.equal(0, select("#", client:next_page("Tracks", third)) - 2)
        assert.same({ nil, nil }, { client:next_page("Tracks", third) })
    end)

    it("is empty where there is no such list", function()
        local client = api.client({ "{}" })
        assert.same({}, (client:collect("Tracks", client:search("x"))))
        for _ in client:each("Albums.3.Tracks", client:search("x")) do
            error("an item out of nothing")
        end
    end)

    it("stops at a limit, without asking for more than that needs", function()
        local client, seen = api.client(THREE)
        local page = client:search("x")
        assert.equal("1 2 3", ids(client:collect("Tracks", page, nil, { limit = 3 })))
        assert.equal(2, #seen)
        assert.equal("1 2", ids(client:collect("Tracks", page, { limit = 2 })))
        assert.equal(2, #seen)
        local _, err = client:collect("Tracks", page, nil, { limit = 0 })
        assert.equal("limit", err.argument)
    end)

    it("finds a nested list in a continuation by its owner's id", function()
        local client, seen = api.client({
            '{"Albums":{"Items":[{"Id":"a","Tracks":{"Items":[]}},{"Id":"b","Tracks":'
                .. list(1, 2, "N") .. "}]}}",
            '{"Artists":null,"Albums":{"Items":[null,{"Id":"b","Tracks":'
                .. list(3, 1, "M") .. "}]}}",
            '{"Albums":{"Items":[{"Id":"zz","Tracks":' .. list(4, 1) .. "}]}}",
        })
        local page = client:lookup({ "a", "b" }, { extras = "tracks" })
        assert.equal("1 2 3 4", ids(client:collect("Albums.2.Tracks", page)))
        assert.equal("https://api.test/1/content/a+b/lookup?continuationToken=N", seen[2].url)
        assert.equal(3, #seen)
    end)

    it("raises the error of a call in the middle, after the items before it", function()
        local client = api.client({ tracks(1, 2, "A"), api.failure(500, "INTERNAL_SERVER_ERROR") })
        local items = {}
        local ok, err = pcall(function()
            for track in client:each("Tracks", client:search("x")) do
                items[#items + 1] = track
            end
        end)
        assert.is_false(ok)
        assert.equal("INTERNAL_SERVER_ERROR", err.code)
        assert.equal("1 2", ids(items))
    end)

    it("collects what there is, and returns the error", function()
        local client = api.client({ tracks(1, 2, "A"), api.failure(500, "INTERNAL_SERVER_ERROR") })
        local items, err = client:collect("Tracks", client:search("x"))
        assert.equal("1 2", ids(items))
        assert.equal("INTERNAL_SERVER_ERROR", err.code)
    end)

    it("takes a failed call's results", function()
        local client = api.client({ api.failure(404, "CATALOG_NO_RESULT") })
        local ok, err = pcall(client.each, client, "Tracks", client:search("x"))
        assert.is_false(ok)
        assert.is_true(err.no_result)
        local items
        items, err = client:collect("Tracks", client:search("x"))
        assert.same({}, items)
        assert.is_true(err.no_result)
    end)

    it("gives the items of an answer with an error first, then the error", function()
        local client = api.client({ '{"Tracks":' .. list(1, 2) .. ',"Error":{"ErrorCode":"E_X"}}' })
        local count = 0
        local ok, err = pcall(function()
            for _ in client:each("Tracks", client:search("x")) do
                count = count + 1
            end
        end)
        assert.is_false(ok)
        assert.equal("E_X", err.code)
        assert.equal(2, count)
    end)

    it("does not go round in a circle", function()
        local client, seen = api.client({ tracks(1, 1, "A"), tracks(2, 0, "A") })
        local items, err = client:collect("Tracks", client:search("x"))
        assert.equal("1", ids(items))
        assert.equal("invalid_response", err.code)
        assert.equal(2, #seen)
    end)

    it("does not go round in a larger one", function()
        local client, seen = api.client({
            tracks(1, 1, "A"), tracks(2, 1, "B"), tracks(3, 1, "C"), tracks(4, 1, "B"),
        })
        local items, err = client:collect("Tracks", client:search("x"))
        assert.equal("1 2 3", ids(items))
        assert.equal("invalid_response", err.code)
        assert.equal(4, #seen)
    end)

    it("may be walked twice", function()
        local client = api.client({
            tracks(1, 1, "A"), tracks(2, 1, "B"), tracks(3, 1), tracks(2, 1, "B"), tracks(3, 1),
        })
        local page = client:search("x")
        assert.equal("1 2 3", ids(client:collect("Tracks", page)))
        assert.equal("1 2 3", ids(client:collect("Tracks", page)))
    end)

    it("goes on with an empty page", function()
        local client = api.client({ tracks(1, 1, "A"), tracks(2, 0, "B"), tracks(2, 1) })
        assert.equal("1 2", ids(client:collect("Tracks", client:search("x"))))
    end)

    it("says so when it does not know the request", function()
        local client = api.client(THREE)
        local page, err = client:next_page("Tracks", {
            Tracks = { Items = {}, ContinuationToken = "x" },
        })
        assert.is_nil(page)
        assert.equal("page", err.argument)
    end)

    it("continues what parse read, given what build built", function()
        local client, seen = api.client({ tracks(2, 1) })
        local built = client:build("search", "x", { max_items = 1 })
        local page = client:parse("search", { status = 200, body = tracks(1, 1, "A") }, built)
        assert.equal("1 2", ids(client:collect("Tracks", page)))
        assert.equal("https://api.test/1/content/music/search?continuationToken=A", seen[1].url)
    end)

    it("takes no answer for a request that build has made", function()
        local client = api.client(THREE)
        local page = client:search("x")
        local again = assert(client:parse("search", { status = 200, body = "{}" }, page))
        assert.same({}, again)
    end)

    it("uses the token and time of the call that it continues", function()
        local client, seen = api.client(THREE)
        local page = client:search("x", { user_token = "user's", timeout = 7 })
        client:next_page("Tracks", page)
        assert.equal("Bearer user's", seen[2].headers.Authorization)
        assert.is_true(seen[2].timeout <= 7)
    end)

    it("raises on a wrong page or list", function()
        local client = api.client(THREE)
        assert.equal("client:next_page: page must be a table, got nil",
            (api.raised(client.next_page, client, "Tracks")))
        assert.equal("client:each: list must be a table, got nil",
            (api.raised(client.each, client, nil, {})))
    end)

    it("forgets pages that nobody holds", function()
        local plan = {}
        local page = pages.remember({}, plan, "/x")
        assert.equal(plan, pages.record(page).plan)
        local weak = setmetatable({ page }, { __mode = "v" })
        page = nil -- luacheck: ignore 311
        collectgarbage()
        collectgarbage()
        assert.is_nil(weak[1])
    end)
end)
