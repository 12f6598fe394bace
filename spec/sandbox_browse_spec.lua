-- Browsing the sandbox's catalogue and what its items hold.

local groove = require("groove")
local json = require("cjson")
local catalogue = require("groove.sandbox.catalogue")
local names = require("groove.sandbox.names")
local stand_in = require("spec.support.stand_in")
local text = require("groove.sandbox.text")

local SIZE = 2000
local ARTIST = "music.C61C0000-0200-11DB-89CA-0019B92A3933"
local ALBUM = "music.B13EB907-0100-11DB-89CA-0019B92A3933"
local TRACK = "music.A83EB907-0100-11DB-89CA-0019B92A3933"

local ORDERS = { "ReleaseDate", "AllTimePlayCount", "MostPopular" }
local LISTS = {
    albums = "Albums", artists = "Artists", tracks = "Tracks", playlists = "Playlists",
}

local all = catalogue.get(SIZE)
local anybody

setup(function()
    anybody = stand_in.user(stand_in.new({ catalogue = SIZE }))
end)

local function browse(kind, query)
    return anybody:get("music/catalog/" .. kind .. "/browse" .. (query and "?" .. query or ""))
end

local function refused(code, status, target)
    local answer, given = anybody:get(target)
    assert.equal(code, answer.Error and answer.Error.ErrorCode, target)
    assert.equal(status, given, target)
    return answer.Error
end

local function whole(kind, query)
    return anybody:all("music/catalog/" .. kind .. "/browse", "?" .. (query or ""),
        function(answer) return answer[LISTS[kind]] end)
end

local function ids(items)
    local out = {}
    for i, item in ipairs(items) do out[i] = item.Id or item.id end
    return out
end

describe("browsing the catalogue", function()
    it("gives a page of a kind", function()
        for kind, list in pairs(LISTS) do
            local answer = browse(kind)
            assert.equal(math.min(25, #all[kind]), #answer[list].Items)
            assert.equal(math.min(1000, #all[kind]), answer[list].TotalItemCount)
            assert.equal("en-US", answer.Culture)
        end
    end)

    it("does not mind upper and lower case", function()
        local answer = anybody:get("music/Catalog/Tracks/browse?orderBy=mostpopular")
        assert.same(browse("tracks", "orderBy=MostPopular"), answer)
    end)

    it("begins with the newest", function()
        local items = whole("albums")
        for i = 2, #items do
            assert.is_true(items[i - 1].ReleaseDate >= items[i].ReleaseDate)
        end
        assert.same(ids(whole("albums", "orderBy=ReleaseDate")), ids(items))
    end)

    it("has other orders of the same", function()
        local seen = {}
        for _, order in ipairs(ORDERS) do
            local list = ids(whole("artists", "orderBy=" .. order))
            seen[table.concat(list, " ")] = true
            table.sort(list)
            seen[#seen + 1] = table.concat(list, " ")
        end
        assert.equal(seen[1], seen[2])
        assert.equal(seen[1], seen[3])
        local different = 0
        for key in pairs(seen) do different = different + (type(key) == "string" and 1 or 0) end
        assert.equal(3, different)
    end)

    it("ends after 1,000 items", function()
        local items, pages = whole("tracks")
        assert.equal(1000, #items)
        assert.equal(40, pages)
        refused("CATALOG_NO_RESULT", 404, "music/catalog/tracks/browse?page=40")
        -- Times 25 it would be a small number again, or one below 0.
        for _, page in ipairs({ "7751640039368425470", "737869762948382065", ("9"):rep(400) }) do
            refused("CATALOG_NO_RESULT", 404, "music/catalog/tracks/browse?page=" .. page)
        end
    end)

    it("has numbered pages as well", function()
        local items = {}
        for page = 0, 3 do
            for _, item in ipairs(browse("albums", "maxItems=7&page=" .. page).Albums.Items) do
                items[#items + 1] = item.Id
            end
        end
        local first = ids(whole("albums"))
        for i, id in ipairs(items) do assert.equal(first[i], id) end
        assert.equal(28, #items)
    end)

    it("keeps to a genre, or a subgenre", function()
        local items = whole("albums", "genre=" .. text.escape("r&b / soul"))
        assert.is_true(#items > 5)
        for _, item in ipairs(items) do assert.same({ "R&B / Soul" }, item.Genres) end
        local album = all.albums[40]
        local sub = names.genres[album.genre][album.sub]
        items = whole("tracks", "genre=" .. text.escape(sub))
        assert.is_true(#items >= #album.tracks)
        for _, item in ipairs(items) do assert.same({ sub }, item.Subgenres) end
        items = whole("playlists", "genre=Jazz")
        assert.equal("Blue Hour", items[1].Name)
    end)

    it("keeps to a mood or an activity", function()
        local total = 0
        for _, mood in ipairs(names.moods) do
            for _, item in ipairs(whole("playlists", "mood=" .. mood.id:upper())) do
                assert.equal(mood.id, all:find(item.Id).mood)
                total = total + 1
            end
        end
        assert.equal(#all.playlists, total)
        local count = 0
        for _, activity in ipairs(names.activities) do
            count = count + browse("artists", "activity=" .. activity.id).Artists.TotalItemCount
        end
        assert.equal(#all.artists, count)
    end)

    it("goes on in the same language and country", function()
        local first = browse("tracks", "language=fr&country=ca&maxItems=1")
        local second = browse("tracks",
            "continuationToken=" .. text.escape(first.Tracks.ContinuationToken))
        assert.equal("fr-CA", second.Culture)
        assert.matches("locale=fr%-CA$", second.Tracks.Items[1].ImageUrl)
        assert.equal(1, #second.Tracks.Items)
        assert.equal(json.null, second.Albums)
    end)

    it("refuses what the service refuses", function()
        local target = "music/catalog/tracks/browse"
        refused("INVALID_INPUT_PARAMETER", 400, "music/catalog/songs/browse")
        refused("INVALID_INPUT_PARAMETER", 400, "music/catalog/playlistsforyou/browse")
        refused("INVALID_INPUT_PARAMETER", 400, "music/shop/tracks/browse")
        refused("INVALID_INPUT_PARAMETER", 400, target .. "?orderBy=CollectionDate")
        refused("INVALID_INPUT_PARAMETER", 400, target .. "?maxItems=26")
        refused("INVALID_INPUT_PARAMETER", 400, target .. "?page=-1")
        refused("INVALID_INPUT_PARAMETER", 400, target .. "?mood=Peckish")
        refused("DISCOVERY_INVALID_GENRE", 404, target .. "?genre=Skiffle")
        refused("INCOMPATIBLE_INPUT_PARAMETERS", 400, target .. "?genre=Jazz&mood=Chill")
        refused("INCOMPATIBLE_INPUT_PARAMETERS", 400, target .. "?mood=Chill&activity=Travel")
        refused("INVALID_AUTHORIZATION_HEADER", 401, "music/collection/tracks/browse")
    end)

    it("takes its own tokens only", function()
        local token = browse("tracks", "maxItems=3").Tracks.ContinuationToken
        local function with(bad)
            return "?continuationToken=" .. text.escape(bad)
        end
        for i = 1, #token do
            local other = token:sub(i, i) == "A" and "B" or "A"
            refused("CONTINUATION_TOKEN_INVALID_ERROR", 400, "music/catalog/tracks/browse"
                .. with(token:sub(1, i - 1) .. other .. token:sub(i + 1)))
        end
        for _, target in ipairs({
            "music/catalog/albums/browse", "music/search", "music/newreleases", TRACK .. "/lookup",
            ARTIST .. "/catalog/artist/tracks/browse", "music/catalog/genres", "music/spotlight",
        }) do
            refused("CONTINUATION_TOKEN_INVALID_ERROR", 400, target .. with(token))
        end
        for _, more in ipairs({ "maxItems=3", "page=1", "orderBy=ReleaseDate", "country=us" }) do
            refused("INCOMPATIBLE_INPUT_PARAMETERS", 400,
                "music/catalog/tracks/browse" .. with(token) .. "&" .. more)
        end
    end)

    it("has as many tracks as a sandbox is asked for", function()
        local sandbox = assert(groove.sandbox({ in_process = true, catalogue = 150 }))
        local client = assert(sandbox:client())
        assert.equal(150, assert(client:browse("tracks")).Tracks.TotalItemCount)
        client:close()
        sandbox:stop()
        for _, wrong in ipairs({ 99, 1000001, 150.5, "150" }) do
            local ok, problem = pcall(groove.sandbox, { in_process = true, catalogue = wrong })
            assert.is_false(ok)
            assert.matches("catalogue must be an integer from 100 to 1000000", problem)
        end
    end)

    it("leaves other catalogues alone", function()
        local another = stand_in.user(stand_in.new({ catalogue = 100 }))
        assert.equal(100,
            another:get("music/catalog/tracks/browse").Tracks.TotalItemCount)
        assert.equal(1000, browse("tracks").Tracks.TotalItemCount)
        local token = browse("tracks", "page=30").Tracks.ContinuationToken
        local _, status = another:get(
            "music/catalog/tracks/browse?continuationToken=" .. text.escape(token))
        assert.equal(400, status)
    end)
end)

describe("browsing what an item holds", function()
    local function items(target, query)
        return anybody:get(target .. "/browse" .. (query and "?" .. query or ""))
    end

    it("answers as lookup does", function()
        local album = items(ALBUM .. "/catalog/album/tracks", "maxItems=3").Albums.Items[1]
        assert.equal("Random Access Memories", album.Name)
        assert.equal(3, #album.Tracks.Items)
        assert.equal(13, album.Tracks.TotalItemCount)
        for i, track in ipairs(album.Tracks.Items) do assert.equal(i, track.TrackNumber) end
        local artist = items(ARTIST .. "/catalog/artist/albums").Artists.Items[1]
        assert.equal("Random Access Memories", artist.Albums.Items[1].Name)
        assert.equal(2, #artist.Albums.Items)
        local top = items(ARTIST .. "/catalog/artist/TOPTRACKS").Artists.Items[1].TopTracks
        assert.equal(23, top.TotalItemCount)
        assert.is_table(top.Items[1].Album)
        local list = all.playlists[1]
        local playlist = items(list.id .. "/catalog/playlist/tracks").Playlists.Items[1]
        assert.equal(list.tracks[1].id, playlist.Tracks.Items[1].Id)
    end)

    it("has orders", function()
        local oldest = items(ARTIST .. "/catalog/artist/tracks", "page=22&maxItems=1")
        assert.equal("Emotion", oldest.Artists.Items[1].Tracks.Items[1].Name)
        local popular = items(ARTIST .. "/catalog/artist/tracks", "orderBy=MostPopular")
        local top = items(ARTIST .. "/catalog/artist/toptracks")
        assert.same(ids(top.Artists.Items[1].TopTracks.Items),
            ids(popular.Artists.Items[1].Tracks.Items))
        assert.is_not.same(
            ids(items(ARTIST .. "/catalog/artist/tracks").Artists.Items[1].Tracks.Items),
            ids(popular.Artists.Items[1].Tracks.Items))
    end)

    it("goes on in its place", function()
        local target = ARTIST .. "/catalog/artist/tracks"
        local first = items(target, "maxItems=20&country=FR&orderBy=AllTimePlayCount")
        local token = first.Artists.Items[1].Tracks.ContinuationToken
        local second = items(target, "continuationToken=" .. text.escape(token))
        assert.equal(3, #second.Artists.Items[1].Tracks.Items)
        assert.is_nil(second.Artists.Items[1].Tracks.ContinuationToken)
        assert.equal(json.null, second.Tracks)
        assert.equal("en-FR", second.Culture)
        for _, other in ipairs({
            ARTIST .. "/catalog/artist/toptracks", ALBUM .. "/catalog/album/tracks",
            all.artists[20].id .. "/catalog/artist/tracks",
        }) do
            refused("CONTINUATION_TOKEN_INVALID_ERROR", 400,
                other .. "/browse?continuationToken=" .. text.escape(token))
        end
    end)

    it("refuses what does not fit", function()
        refused("INVALID_INPUT_PARAMETER", 400, ALBUM .. "/catalog/album/albums/browse")
        refused("INVALID_INPUT_PARAMETER", 400, ALBUM .. "/catalog/song/tracks/browse")
        refused("INVALID_INPUT_PARAMETER", 400, "nonsense/catalog/album/tracks/browse")
        refused("INVALID_INPUT_PARAMETER", 400,
            ALBUM .. "/catalog/album/tracks/browse?orderBy=TrackNumber")
        refused("CATALOG_NO_RESULT", 404, ALBUM .. "/catalog/artist/albums/browse")
        refused("CATALOG_NO_RESULT", 404, "music.0/catalog/album/tracks/browse")
        refused("CATALOG_NO_RESULT", 404, ALBUM .. "/catalog/album/tracks/browse?page=1")
        refused("INVALID_AUTHORIZATION_HEADER", 401, ALBUM .. "/collection/album/tracks/browse")
    end)
end)
