-- Every list of the catalogue, walked page by page in every way there is: nothing is lost, nothing
-- comes twice, and the order is that of the whole list.

local groove = require("groove")
local catalogue = require("groove.sandbox.catalogue")
local orders = require("groove.sandbox.orders")
local stand_in = require("spec.support.stand_in")
local text = require("groove.sandbox.text")

local SIZE = 3000
local ORDERS = { "ReleaseDate", "AllTimePlayCount", "MostPopular" }
local NAMES = {
    artists = "Artists", albums = "Albums", tracks = "Tracks", playlists = "Playlists",
}

-- The walk is long: the other Luas take every eighth size, and make coverage some.
local STEP = os.getenv("GROOVE_COVERAGE") and 24 or _VERSION == "Lua 5.4" and 1 or 8

local all = catalogue.get(SIZE)
local server, token

setup(function()
    server = stand_in.new({ catalogue = SIZE })
    -- Answers as they are: JSON would take most of the time.
    server.json = { encode = function(object) return object end, null = {} }
    token = server.tokens:issue(1000)
end)

-- An answer's object, nil where there is nothing.
local function get(path, query)
    local response = server:handle({
        method = "GET", path = "/1/content/" .. path, query = query, now = 1000, time = 0,
        headers = { authorization = "Bearer " .. token },
    })
    assert(response.status == 200 or response.status == 404, response.status)
    return response.status == 200 and response.body or nil
end

local function longest(kind, list)
    local best = all[kind][1]
    for _, record in ipairs(all[kind]) do
        best = #record[list] > #best[list] and record or best
    end
    return best
end

local function top(kind)
    return function(answer)
        return answer[NAMES[kind]]
    end
end

local function nested(kind, member)
    return function(answer)
        return answer[NAMES[kind]].Items[1][member]
    end
end

local function id_of(item)
    local content = item.Album and item.Type and item.Album or item.Artist or item
    return content.Id
end

-- --- lists ---------------------------------------------------------------------------------------

-- A list: `path`, `query` of its first page, `find` in an answer, `ids` of the whole list; `paged`
-- where there are numbered pages, `sized` where there are sizes; `most` sizes to try.
local LISTS = {}

local function add(name, list)
    list.name = name
    list.sized = list.sized == nil or list.sized
    LISTS[#LISTS + 1] = list
end

local function ids_of(records, most)
    local out = {}
    for i = 1, math.min(#records, most or #records) do
        out[i] = records[i].id
    end
    return out
end

local function of_genre(kind, number)
    local out = {}
    for _, record in ipairs(all[kind]) do
        if (record.album or record).genre == number then
            out[#out + 1] = record
        end
    end
    return out
end

for _, kind in ipairs(catalogue.KINDS) do
    for _, order in ipairs(ORDERS) do
        local path = "music/catalog/" .. kind .. "/browse"
        add(kind .. " by " .. order, {
            path = path, query = "orderBy=" .. order, find = top(kind), paged = true,
            ids = ids_of(orders.sorted(all[kind], order), 1000),
        })
        local jazz = of_genre(kind, 7)
        add(kind .. " of a genre by " .. order, {
            path = path, query = "genre=Jazz&orderBy=" .. order, find = top(kind), paged = true,
            ids = ids_of(orders.sorted(jazz, order), 1000),
        })
    end
    add(kind .. " found", {
        path = "music/search", query = "q=night&filters=" .. kind, find = top(kind),
        ids = ids_of(all:search(kind, "night")),
    })
end

local artist, album = longest("artists", "albums"), longest("albums", "tracks")
local playlist = longest("playlists", "tracks")

local function tracks_of(of)
    local out = {}
    for _, record in ipairs(of.albums) do
        for _, track in ipairs(record.tracks) do
            out[#out + 1] = track
        end
    end
    return out
end

local function add_items(of, parent_type, extra, member, ids, order)
    add(("%s of an %s%s"):format(extra, parent_type, order and " by " .. order or ""), {
        path = ("%s/catalog/%s/%s/browse"):format(of.id, parent_type, extra),
        query = order and "orderBy=" .. order or "", find = nested(of.kind, member), paged = true,
        ids = ids,
    })
end

for _, order in ipairs(ORDERS) do
    add_items(artist, "artist", "albums", "Albums",
        ids_of(orders.sorted(artist.albums, order)), order)
    add_items(artist, "artist", "tracks", "Tracks",
        ids_of(orders.sorted(tracks_of(artist), order)), order)
end
add_items(artist, "artist", "topTracks", "TopTracks",
    ids_of(orders.sorted(tracks_of(artist), "MostPopular")))
add_items(album, "album", "tracks", "Tracks", ids_of(album.tracks))
add_items(playlist, "playlist", "tracks", "Tracks", ids_of(playlist.tracks))

local function add_extra(of, extra, member, ids)
    add(extra .. " looked up of " .. of.kind, {
        path = of.id .. "/lookup", query = "extras=" .. extra, find = nested(of.kind, member),
        ids = ids, sized = false,
    })
end

local function related_to(of)
    local others = {}
    for _, other in ipairs(of_genre("artists", of.genre)) do
        others[#others + 1] = other ~= of and other or nil
    end
    return ids_of(orders.sorted(others, "MostPopular"))
end

add_extra(artist, "albums", "Albums", ids_of(orders.sorted(artist.albums, "ReleaseDate")))
add_extra(artist, "relatedArtists", "RelatedArtists", related_to(artist))
add_extra(album, "tracks", "Tracks", ids_of(album.tracks))
add_extra(playlist, "tracks", "Tracks", ids_of(playlist.tracks))

-- --- walks ---------------------------------------------------------------------------------------

local function ask(list, query)
    local answer = get(list.path, query)
    return answer and list.find(answer)
end

local function check(list, items, from, size)
    assert(#items <= size, "too many items")
    for i, item in ipairs(items) do
        if id_of(item) ~= list.ids[from + i] then
            error(("%s: item %d of pages of %d"):format(list.name, from + i, size))
        end
    end
    return from + #items
end

local function by_token(list, size)
    local seen = 0
    local page = ask(list, list.query .. (list.sized and "&maxItems=" .. size or ""))
    while page do
        seen = check(list, page.Items, seen, size)
        assert(page.TotalItemCount == #list.ids, "another count")
        local next_page = page.ContinuationToken
        page = next_page
            and assert(ask(list, "continuationToken=" .. text.escape(next_page)), "no page")
    end
    return seen
end

local function by_number(list, size)
    local seen, number = 0, 0
    repeat
        local page = ask(list, ("%s&maxItems=%d&page=%d"):format(list.query, size, number))
        seen = check(list, page and page.Items or {}, seen, size)
        number = number + 1
    until not page
    return seen
end

-- Of long lists every third size is enough to try numbered pages with.
local function is_numbered(list, size)
    return list.paged and (#list.ids <= 300 or size % 3 == 1)
end

local function sizes_of(list)
    if not list.sized then
        return { 25 }
    end
    local out = {}
    for size = 1, 25, STEP do
        out[#out + 1] = size
    end
    return out
end

describe("a walk", function()
    for _, list in ipairs(LISTS) do
        it("meets all " .. list.name, function()
            assert.is_true(#list.ids > 0)
            for _, size in ipairs(sizes_of(list)) do
                assert.equal(#list.ids, by_token(list, size))
                if is_numbered(list, size) then
                    assert.equal(#list.ids, by_number(list, size))
                end
            end
        end)
    end

    it("meets every new release once", function()
        local seen, count, query = {}, 0, ""
        while query do
            local results = get("music/newreleases", query).Results
            for _, item in ipairs(results.Items) do
                assert.is_nil(seen[id_of(item)])
                seen[id_of(item)], count = true, count + 1
            end
            query = results.ContinuationToken
                and "continuationToken=" .. text.escape(results.ContinuationToken)
        end
        assert.equal(100, count)
    end)

    it("is what a client's each does", function()
        local sandbox = assert(groove.sandbox({ in_process = true, catalogue = SIZE }))
        local client = assert(sandbox:client())
        local expected, seen = ids_of(orders.sorted(all.albums, "MostPopular")), 0
        local page, err = client:browse("albums", { order_by = "MostPopular", max_items = 11 })
        for item in client:each("Albums", page, err) do
            seen = seen + 1
            assert.equal(expected[seen], item.Id)
        end
        assert.equal(#expected, seen)
        client:close()
        sandbox:stop()
    end)
end)
