-- What the sandbox's catalogue shows of itself: genres, moods, activities, what is new, what is
-- recommended; and what more a lookup tells.

local json = require("cjson")
local catalogue = require("groove.sandbox.catalogue")
local names = require("groove.sandbox.names")
local objects = require("groove.sandbox.objects")
local stand_in = require("spec.support.stand_in")
local text = require("groove.sandbox.text")

local ARTIST = "music.C61C0000-0200-11DB-89CA-0019B92A3933"
local ALBUM = "music.B13EB907-0100-11DB-89CA-0019B92A3933"
local TRACK = "music.A83EB907-0100-11DB-89CA-0019B92A3933"

local all = catalogue.get()
local it_, anybody

setup(function()
    it_ = stand_in.new()
    anybody = stand_in.user(it_)
end)

local function get(target)
    local answer, status = anybody:get(target)
    assert.equal(200, status, target)
    return answer
end

local function refused(code, status, target)
    local answer, given = anybody:get(target)
    assert.equal(code, answer.Error and answer.Error.ErrorCode, target)
    assert.equal(status, given, target)
end

describe("genres", function()
    it("are listed with their subgenres, under any version", function()
        local answer = get("music/catalog/genres?language=fr&country=FR")
        assert.equal("fr-FR", answer.Culture)
        local seen, chosen = {}, 0
        for _, genre in ipairs(answer.CatalogGenres) do
            assert.is_nil(seen[genre.Name:lower()], genre.Name)
            seen[genre.Name:lower()] = true
            assert.is_boolean(genre.HasEditorialPlaylists)
            assert.is_truthy(genre.ParentName == nil or seen[genre.ParentName:lower()])
            chosen = chosen + (genre.HasEditorialPlaylists and 1 or 0)
        end
        assert.is_true(seen["jazz"] and seen["vocal jazz"])
        assert.is_true(chosen > 0 and chosen < #answer.CatalogGenres)
        local _, status = anybody:ask("GET", "/3/content/music/catalog/genres")
        assert.equal(200, status)
    end)

    it("can all be browsed", function()
        local found = 0
        for _, genre in ipairs(get("music/catalog/genres").CatalogGenres) do
            local answer, status = anybody:get(
                "music/catalog/tracks/browse?maxItems=1&genre=" .. text.escape(genre.Name))
            found = found + (status == 200 and answer.Tracks.TotalItemCount or 0)
        end
        -- every track has a genre and a subgenre; a list ends after 1,000
        assert.is_true(found > #all.tracks)
    end)
end)

describe("moods and activities", function()
    it("are listed, in French as well", function()
        for target, member in pairs({ moods = "CatalogMoods", activities = "CatalogActivities" }) do
            local english = get("music/catalog/" .. target .. "?language=de")[member]
            local french = get("music/catalog/" .. target .. "?language=FR&country=be")
            assert.equal("fr-BE", french.Culture)
            assert.is_true(#english >= 8)
            local same = 0
            for i, tag in ipairs(french[member]) do
                assert.equal(english[i].Id, tag.Id)
                same = same + (english[i].Description == tag.Description and 1 or 0)
                assert.matches("/music%.%l+%." .. tag.Id .. "/image%?locale=fr%-BE$", tag.ImageUrl)
            end
            assert.equal(0, same)
        end
    end)

    it("have playlists, every one", function()
        for by, list in pairs({ mood = get("music/catalog/moods").CatalogMoods,
            activity = get("music/catalog/activities").CatalogActivities }) do
            for _, tag in ipairs(list) do
                get("music/catalog/playlists/browse?" .. by .. "=" .. tag.Id)
            end
        end
    end)
end)

describe("new releases", function()
    local function releases(query)
        return anybody:all("music/newreleases", query or "",
            function(answer) return answer.Results end)
    end

    it("are albums, the newest first, and artists of them", function()
        local items, pages = releases()
        assert.equal(4, pages)
        assert.equal(100, #items)
        local day, artists = "9999", 0
        for _, item in ipairs(items) do
            if item.Type == "Albums" then
                assert.is_true(item.Album.ReleaseDate <= day)
                day = item.Album.ReleaseDate
            else
                assert.equal("Artists", item.Type)
                assert.is_string(item.Artist.Name)
                artists = artists + 1
            end
        end
        assert.is_true(artists > 5)
    end)

    it("keep to a genre", function()
        for _, item in ipairs((releases("?genre=jazz"))) do
            assert.is_truthy(item.Artist or item.Album.Genres[1] == "Jazz")
        end
        refused("DISCOVERY_INVALID_GENRE", 404, "music/newreleases?genre=Skiffle")
    end)

    it("can be none", function()
        local small = stand_in.user(stand_in.new({ catalogue = 100 }))
        local found, none = 0, 0
        for _, row in ipairs(names.genres) do
            local answer, status = small:get("music/newreleases?genre=" .. text.escape(row[1]))
            if status == 200 then
                found = found + 1
            else
                assert.equal("DISCOVERY_NO_RESULT", answer.Error.ErrorCode)
                none = none + 1
            end
        end
        assert.is_true(found > 0 and none > 0)
    end)
end)

describe("the spotlight", function()
    it("shows a short list", function()
        local results = get("music/spotlight?country=FR&language=FR").Results
        assert.equal(12, #results.Items)
        assert.is_nil(results.ContinuationToken)
        assert.equal("Albums", results.Items[1].Type)
        refused("CONTINUATION_TOKEN_INVALID_ERROR", 400, "music/spotlight?continuationToken=x")
    end)
end)

describe("a lookup", function()
    it("takes bar codes and recording codes", function()
        local album, track = all:find(ALBUM), all:find(TRACK)
        local answer = get("music.icpn." .. catalogue.icpn(album) .. "+music.isrc."
            .. catalogue.isrc(track) .. "/lookup")
        assert.equal(ALBUM, answer.Albums.Items[1].Id)
        assert.equal(TRACK, answer.Tracks.Items[1].Id)
        assert.equal(catalogue.icpn(album), answer.Albums.Items[1].OtherIds["music.icpn"])
        assert.equal(catalogue.isrc(track), answer.Tracks.Items[1].OtherIds["music.isrc"])
        refused("CATALOG_NO_RESULT", 404, "music.isrc.GBDJQ8800006/lookup")
        refused("CATALOG_NO_RESULT", 404, "music.onedrive.ABC!1/lookup")
    end)

    it("gives the extras of each kind, and no others", function()
        local extras = "albums+topTracks+relatedArtists+tracks+artistDetails+albumDetails"
        local answer = get(table.concat({ ARTIST, ALBUM, TRACK, all.playlists[2].id }, "+")
            .. "/lookup?extras=" .. extras)
        local artist, album = answer.Artists.Items[1], answer.Albums.Items[1]
        assert.equal("Random Access Memories", artist.Albums.Items[1].Name)
        assert.equal(23, artist.TopTracks.TotalItemCount)
        assert.is_nil(artist.Tracks)
        for _, other in ipairs(artist.RelatedArtists.Items) do
            assert.same(artist.Genres, other.Genres)
            assert.is_not.equal(ARTIST, other.Id)
        end
        assert.equal(13, #album.Tracks.Items)
        assert.is_table(album.Artists[1].Artist.Genres)
        local track = answer.Tracks.Items[1]
        assert.equal("Columbia", track.Album.LabelName)
        assert.is_table(track.Artists[1].Artist.Genres)
        assert.equal(25, #answer.Playlists.Items[1].Tracks.Items)
    end)

    it("goes on with the lists of what it found, each with its own token", function()
        local long
        for _, artist in ipairs(all.artists) do long = #artist.albums > 25 and artist or long end
        local target = ARTIST .. "+" .. long.id .. "/lookup"
        local artist = get(target .. "?extras=albums+topTracks").Artists.Items[2]
        for member, count in pairs({ Albums = #long.albums - 25, TopTracks = 25 }) do
            local more = get(target .. "?continuationToken="
                .. text.escape(artist[member].ContinuationToken))
            assert.equal(json.null, more.Artists.Items[1].Id)
            assert.equal(json.null, more.Albums)
            assert.equal(count, #more.Artists.Items[2][member].Items)
        end
        local token = text.escape(artist.Albums.ContinuationToken)
        refused("CONTINUATION_TOKEN_INVALID_ERROR", 400,
            ARTIST .. "/lookup?continuationToken=" .. token)
        refused("INCOMPATIBLE_INPUT_PARAMETERS", 400,
            target .. "?extras=albums&continuationToken=" .. token)
    end)
end)

describe("rights", function()
    it("differ by country, the same every time", function()
        local here, there, different = { culture = "en-US" }, { culture = "fr-FR" }, 0
        for _, track in ipairs(all.tracks) do
            local can = objects.can_stream(track, here)
            assert.equal(can, objects.can_stream(track, { culture = "de-US" }))
            different = different + (can ~= objects.can_stream(track, there) and 1 or 0)
        end
        assert.is_true(different > #all.tracks / 20 and different < #all.tracks / 5)
        assert.is_true(objects.can_stream(all:find(TRACK), there))
    end)
end)

describe("searching the catalogue and the collection", function()
    local somebody

    setup(function()
        somebody = stand_in.user(it_, "somebody")
        local ids = {}
        for i = 1, 30 do ids[i] = catalogue.search("tracks", "night")[i].id end
        local _, status = somebody:post("collection/add", { TrackIds = ids })
        assert.equal(200, status)
    end)

    local function whole(source)
        return somebody:all("music/search",
            "?q=night&filters=tracks&maxItems=20&source=" .. source,
            function(answer) return answer.Tracks end)
    end

    it("puts the catalogue's first, in one list", function()
        local catalog, collection, both = whole("catalog"), whole("collection"),
            whole("collection+catalog")
        assert.equal(#catalogue.search("tracks", "night"), #catalog)
        assert.equal(30, #collection)
        assert.equal(#catalog + 30, #both)
        for i, item in ipairs(both) do
            assert.same(catalog[i] or collection[i - #catalog], item)
        end
    end)

    it("does not go on for others", function()
        local answer = somebody:get("music/search?q=night&maxItems=5&source=collection")
        local target = "music/search?continuationToken="
            .. text.escape(answer.Tracks.ContinuationToken)
        refused("INVALID_AUTHORIZATION_HEADER", 401, target)
        local _, status = somebody:get(target)
        assert.equal(200, status)
    end)

    it("looks up in either", function()
        local mine = whole("collection")[1].Id
        local answer = somebody:get(mine .. "+" .. TRACK .. "/lookup?source=catalog+collection")
        assert.equal("Collection", answer.Tracks.Items[1].Source)
        assert.equal("Catalog", answer.Tracks.Items[2].Source)
        answer = somebody:get("music.0/lookup?source=collection")
        assert.equal("COLLECTION_NO_RESULT", answer.Error.ErrorCode)
        refused("CATALOG_NO_RESULT", 404, mine .. "/lookup")
    end)
end)
