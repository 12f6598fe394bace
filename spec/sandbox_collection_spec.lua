-- A user's collection: what changes it, and what it shows then.

local catalogue = require("groove.sandbox.catalogue")
local names = require("groove.sandbox.names")
local stand_in = require("spec.support.stand_in")
local text = require("groove.sandbox.text")

local TRACK = "music.A83EB907-0100-11DB-89CA-0019B92A3933"
local ALBUM = "music.B13EB907-0100-11DB-89CA-0019B92A3933"
local ARTIST = "music.C61C0000-0200-11DB-89CA-0019B92A3933"

local code_of, ids_of, mapped = stand_in.code_of, stand_in.ids_of, stand_in.mapped
local profile, sample = stand_in.collection_of, stand_in.tracks

local tracks = catalogue.get().tracks

local function some_user(settings)
    return stand_in.user(stand_in.new(settings), "ann")
end

local function add(user, ids)
    return user:post("collection/add", { TrackIds = ids })
end

local function reversed(list)
    local out = {}
    for i = #list, 1, -1 do
        out[#out + 1] = list[i]
    end
    return out
end

describe("adding tracks", function()
    it("gives each an id in the collection, the same one again", function()
        local user = some_user()
        local answer, status = add(user, { TRACK, tracks[50].id })
        assert.equal(200, status)
        assert.is_nil(answer.Error)
        assert.same({ TRACK, tracks[50].id }, mapped(answer.TrackActionResults, "InputId"))
        local first = answer.TrackActionResults[1].Id
        assert.matches("^music%.AQQf[%w_-]+$", first)
        assert.is_true(#first >= #"music." + 27)
        assert.equal(first, add(user, { TRACK }).TrackActionResults[1].Id)
        assert.equal(2, profile(user).TrackCount)
        local other = stand_in.user(user.server, "bob")
        assert.is_true(add(other, { TRACK }).TrackActionResults[1].Id ~= first)
        assert.equal(first, add(some_user(), { TRACK }).TrackActionResults[1].Id)
    end)

    it("says of each what is wrong with it", function()
        local user = some_user()
        local answer, status = add(user, { "music.none", TRACK, ALBUM, "nonsense" })
        assert.equal(200, status)
        assert.same({ ErrorCode = "COLLECTION_SOME_OPERATIONS_FAILED",
            Description = "Some of the operations failed" }, answer.Error)
        local results = answer.TrackActionResults
        assert.equal("CATALOG_NO_RESULT", code_of(results[1]))
        assert.is_nil(results[1].Id)
        assert.is_string(results[2].Id)
        assert.is_nil(results[2].Error)
        assert.equal("COLLECTION_INVALID_ID", code_of(results[3]))
        assert.equal("nonsense", results[4].InputId)
        assert.equal("CATALOG_NO_RESULT", code_of(results[4]))
        assert.equal(1, profile(user).TrackCount)
    end)

    it("spells codes within results as it is told", function()
        local answer = add(some_user({ code_style = "dashes" }), { ALBUM, TRACK })
        assert.equal("COLLECTION-INVALID-ID", code_of(answer.TrackActionResults[1]))
        assert.equal("COLLECTION-SOME-OPERATIONS-FAILED", code_of(answer))
    end)

    it("ends where the collection is full", function()
        local user = some_user({ collection_limit = 2 })
        local answer, status = add(user, ids_of({ tracks[1], tracks[2], tracks[3], tracks[1] }))
        assert.equal(200, status)
        assert.equal("COLLECTION_FULL", code_of(answer.TrackActionResults[3]))
        assert.is_string(answer.TrackActionResults[4].Id)
        assert.equal(0, profile(user).RemainingTrackCount)
        answer, status = add(user, { tracks[3].id })
        assert.equal(400, status)
        assert.equal("COLLECTION_FULL", code_of(answer))
        local gone = add(user, { tracks[1].id }).TrackActionResults[1].Id
        user:post("collection/delete", { TrackIds = { gone } })
        assert.is_nil(add(user, { tracks[3].id }).Error)
    end)

    it("takes 100 at once", function()
        local user = some_user()
        assert.is_nil(add(user, ids_of(sample(100))).Error)
        assert.equal(100, profile(user).TrackCount)
    end)
end)

describe("deleting tracks", function()
    it("takes ids of the collection only", function()
        local user = some_user()
        local id = add(user, { TRACK }).TrackActionResults[1].Id
        local answer, status = user:post("collection/delete", { TrackIds = { TRACK, id, id } })
        assert.equal(200, status)
        assert.equal("COLLECTION_SOME_OPERATIONS_FAILED", code_of(answer))
        local results = answer.TrackActionResults
        assert.same({ { TRACK, id, id } }, { mapped(results, "InputId") })
        assert.equal("COLLECTION_INVALID_ID", code_of(results[1]))
        assert.equal("Invalid collection id for this operation", results[1].Error.Description)
        assert.same({ InputId = id }, results[2])
        assert.equal("COLLECTION_INVALID_ID", code_of(results[3]))
        assert.equal(0, profile(user).TrackCount)
        answer, status = user:get("music/collection/tracks/browse")
        assert.equal(404, status)
        assert.equal("COLLECTION_NO_RESULT", code_of(answer))
    end)

    it("can be undone", function()
        local user = some_user()
        local id = add(user, { TRACK }).TrackActionResults[1].Id
        user:post("collection/delete", { TrackIds = { id } })
        assert.equal(id, add(user, { TRACK }).TrackActionResults[1].Id)
        assert.equal(id, user:get("music/collection/tracks/browse").Tracks.Items[1].Id)
        assert.equal(1, profile(user).TrackCount)
    end)

    it("does not reach another user's", function()
        local user = some_user()
        local id = add(user, { TRACK }).TrackActionResults[1].Id
        local other = stand_in.user(user.server, "bob")
        add(other, { TRACK })
        other:post("collection/delete", { TrackIds = { id } })
        assert.equal(1, profile(user).TrackCount)
        assert.equal(1, profile(other).TrackCount)
    end)
end)

describe("browsing a collection", function()
    local user = some_user()
    local added = sample(60)
    -- two more of albums that are there already
    added[#added + 1] = catalogue.get().by_id[TRACK]
    added[#added + 1] = added[1].album.tracks[added[1].position == 1 and 2 or 1]
    add(user, ids_of(added))

    local LISTS = { artists = "Artists", albums = "Albums", tracks = "Tracks" }

    local function all(kind, query)
        return user:all("music/collection/" .. kind .. "/browse", query or "", function(answer)
            return answer[LISTS[kind]]
        end)
    end

    local function distinct(member)
        local out, seen = {}, {}
        for _, track in ipairs(added) do
            local record = track[member]
            if not seen[record.id] then
                seen[record.id] = true
                out[#out + 1] = record
            end
        end
        return out
    end

    local function sorted(list)
        table.sort(list)
        return list
    end

    local function lower_names(records)
        local out = {}
        for i, record in ipairs(records) do
            out[i] = (record.name or record.Name):lower()
        end
        return out
    end

    it("shows what was added, once, with ids of its own", function()
        for kind, records in pairs({
            tracks = added, albums = distinct("album"), artists = distinct("artist"),
        }) do
            local items = all(kind)
            assert.same(sorted(lower_names(records)), lower_names(items))
            local seen = {}
            for _, item in ipairs(items) do
                assert.equal("Collection", item.Source)
                assert.is_nil(seen[item.Id])
                assert.is_nil(catalogue.get().by_id[item.Id])
                seen[item.Id] = true
            end
        end
        assert.matches("^music%.AQIP[%w_-]+$", all("artists")[1].Id)
        assert.matches("^music%.AQEP[%w_-]+$", all("albums")[1].Id)
    end)

    it("names artists and albums by the same ids everywhere", function()
        local of_kind = {}
        for _, kind in ipairs({ "artists", "albums" }) do
            for _, item in ipairs(all(kind)) do
                of_kind[item.Id] = item.Name
            end
        end
        for _, track in ipairs(all("tracks")) do
            assert.equal(track.Album.Name, of_kind[track.Album.Id])
            assert.equal(track.Artists[1].Artist.Name, of_kind[track.Artists[1].Artist.Id])
            assert.equal("Collection", track.Album.Source)
        end
    end)

    it("pages", function()
        local items, pages = all("tracks", "?maxItems=7")
        assert.equal(#added, #items)
        assert.equal(9, pages)
        assert.same(ids_of(all("tracks")), ids_of(items))
        local second = user:get("music/collection/tracks/browse?maxItems=7&page=1").Tracks
        assert.equal(items[8].Id, second.Items[1].Id)
        assert.equal(#added, second.TotalItemCount)
        local answer, status = user:get("music/collection/tracks/browse?page=9")
        assert.equal(404, status)
        assert.equal("COLLECTION_NO_RESULT", code_of(answer))
    end)

    -- How the names, dates and numbers of an order are made of an item.
    local function name(item) return item.Name:lower() end
    local function album_name(item) return item.Album.Name:lower() end
    local function artist_name(item) return item.Artists[1].Artist.Name:lower() end
    local function genre(item) return item.Genres[1]:lower() end
    local function date(item) return item.ReleaseDate end
    local function number(item) return item.TrackNumber end

    local ORDERS = {
        artists = { ArtistName = name }, albums = {
            AlbumTitle = name, ArtistName = artist_name, GenreName = genre, ReleaseDate = date,
        }, tracks = {
            TrackTitle = name, AlbumTitle = album_name, ArtistName = artist_name,
            GenreName = genre, ReleaseDate = date, TrackNumber = number,
        },
    }

    for kind, orders in pairs(ORDERS) do
        for order, key in pairs(orders) do
            it("orders " .. kind .. " by " .. order, function()
                local items = all(kind, "?maxItems=11&orderBy=" .. order)
                local different = false
                for i = 2, #items do
                    local a, b = key(items[i - 1]), key(items[i])
                    different = different or a ~= b
                    assert.is_true(a ~= b or name(items[i - 1]) <= name(items[i]))
                    if order == "ReleaseDate" then
                        a, b = b, a
                    end
                    assert.is_true(a <= b)
                end
                assert.is_true(different)
                assert.same(sorted(ids_of(items)), sorted(ids_of(all(kind))))
            end)
        end

        it("orders " .. kind .. " by CollectionDate, the latest first", function()
            local expected = reversed(added)
            if kind ~= "tracks" then
                local member, seen = kind == "albums" and "album" or "artist", {}
                local list = {}
                for _, track in ipairs(expected) do
                    if not seen[track[member]] then
                        seen[track[member]] = true
                        list[#list + 1] = track[member]
                    end
                end
                expected = list
            end
            assert.same(lower_names(expected), lower_names(all(kind, "?orderBy=collectiondate")))
        end)
    end

    it("refuses what the reference does not have", function()
        for query, code in pairs({
            ["tracks/browse?orderBy=MostPopular"] = "INVALID_INPUT_PARAMETER",
            ["artists/browse?orderBy=AlbumTitle"] = "INVALID_INPUT_PARAMETER",
            ["albums/browse?orderBy=TrackNumber"] = "INVALID_INPUT_PARAMETER",
            ["playlists/browse?orderBy=ArtistName"] = "INVALID_INPUT_PARAMETER",
            ["songs/browse"] = "INVALID_INPUT_PARAMETER",
            ["tracks/browse?maxItems=42"] = "INVALID_INPUT_PARAMETER",
            ["tracks/browse?page=-1"] = "INVALID_INPUT_PARAMETER",
            ["tracks/browse?genre=Pop"] = "INCOMPATIBLE_INPUT_PARAMETERS",
            ["tracks/browse?continuationToken=x"] = "CONTINUATION_TOKEN_INVALID_ERROR",
            ["playlists/browse"] = "COLLECTION_NO_RESULT",
        }) do
            local answer, status = user:get("music/collection/" .. query)
            assert.equal(code, code_of(answer))
            assert.equal(code == "COLLECTION_NO_RESULT" and 404 or 400, status)
        end
    end)

    it("shows what has been added since", function()
        local fresh = some_user()
        local function count()
            local albums = fresh:get("music/collection/albums/browse").Albums
            local found = fresh:get("music/search?q=e&source=collection").Tracks
            local offered = fresh:get("music/collection/playlistsforyou/browse").Playlists
            return { albums.TotalItemCount, found.TotalItemCount, offered.TotalItemCount }
        end
        add(fresh, { TRACK })
        assert.same({ 1, 1, 1 }, count())
        local other
        for _, track in ipairs(tracks) do
            if track.album.genre ~= catalogue.get().by_id[TRACK].album.genre
                and track.name:find("e") then
                other = track
            end
        end
        add(fresh, { other.id })
        assert.same({ 2, 2, 2 }, count())
    end)

    it("refuses another list's token", function()
        local token = user:get("music/collection/tracks/browse").Tracks.ContinuationToken
        for _, path in ipairs({ "music/collection/albums/browse", "music/catalog/tracks/browse",
            "music/search", TRACK .. "/lookup", ALBUM .. "/collection/album/tracks/browse" }) do
            local answer, status = user:get(path .. "?continuationToken=" .. text.escape(token))
            assert.equal("CONTINUATION_TOKEN_INVALID_ERROR", code_of(answer))
            assert.equal(400, status)
        end
    end)

    it("makes playlists of the genres that are there", function()
        local items = user:get("music/collection/playlistsforyou/browse").Playlists.Items
        assert.equal(3, #items)
        local list = items[1]
        assert.matches("^music%.playlistforyou%.", list.Id)
        assert.is_true(list.IsReadOnly)
        assert.is_false(list.UserIsOwner)
        assert.equal(names.genres[added[#added].album.genre][1] .. " for you", list.Name)
        local found = user:get(list.Id .. "/lookup?source=collection").Playlists.Items[1]
        assert.equal(25, #found.Tracks.Items)
        local held = user:all(list.Id .. "/collection/playlist/tracks/browse", "",
            function(answer) return answer.Playlists.Items[1].Tracks end)
        assert.equal(list.TrackCount, #held)
        local _, status = user:post("collection/playlists/delete", { Id = list.Id })
        assert.equal(400, status)
        _, status = some_user():get("music/collection/playlistsforyou/browse")
        assert.equal(404, status)
    end)
end)

describe("what hangs on an item of a collection", function()
    local user = some_user()
    local album = catalogue.get().by_id[ALBUM]
    local other
    for _, record in ipairs(album.artist.albums) do
        other = record ~= album and record or other
    end
    add(user, { TRACK, album.tracks[1].id, other.tracks[1].id })

    local function items(id, path, query)
        return user:get(id .. "/collection/" .. path .. "/browse" .. (query or ""))
    end

    it("is what the user has of it", function()
        local own = user:get(ALBUM .. "/lookup?source=collection").Albums.Items[1]
        for _, id in ipairs({ ALBUM, own.Id }) do
            local answer = items(id, "album/tracks").Albums.Items[1]
            assert.equal(own.Id, answer.Id)
            assert.equal(2, answer.TrackCount)
            assert.same({ "Get Lucky", "Give Life Back to Music" },
                mapped(answer.Tracks.Items, "Name"))
        end
        local artist = items(ARTIST, "artist/albums", "?orderBy=AlbumTitle").Artists.Items[1]
        assert.same({ other.name, album.name }, mapped(artist.Albums.Items, "Name"))
        assert.equal(3, #items(ARTIST, "artist/tracks").Artists.Items[1].Tracks.Items)
        assert.equal(3, #items(ARTIST, "artist/toptracks").Artists.Items[1].TopTracks.Items)
    end)

    it("pages", function()
        local all, pages = user:all(ARTIST .. "/collection/artist/tracks/browse",
            "?maxItems=1&orderBy=TrackNumber",
            function(answer) return answer.Artists.Items[1].Tracks end)
        assert.equal(3, pages)
        assert.same({ 1, 1, 8 }, mapped(all, "TrackNumber"))
        local page = items(ARTIST, "artist/tracks", "?maxItems=1&page=2&orderBy=TrackNumber")
        assert.equal(all[3].Id, page.Artists.Items[1].Tracks.Items[1].Id)
    end)

    it("is not continued by another list's token", function()
        local token = items(ARTIST, "artist/tracks", "?maxItems=1").Artists.Items[1].Tracks
            .ContinuationToken
        for _, path in ipairs({ ARTIST .. "/collection/artist/albums", ALBUM
            .. "/collection/album/tracks", "music/collection/tracks" }) do
            local answer = user:get(path .. "/browse?continuationToken=" .. text.escape(token))
            assert.equal("CONTINUATION_TOKEN_INVALID_ERROR", code_of(answer))
        end
        local answer = user:get(ALBUM .. "/lookup?continuationToken=" .. text.escape(token))
        assert.equal("CONTINUATION_TOKEN_INVALID_ERROR", code_of(answer))
    end)

    it("is refused where there is no such item", function()
        for path, code in pairs({
            ["music.none/collection/album/tracks/browse"] = "COLLECTION_NO_RESULT",
            [tracks[900].album.id .. "/collection/album/tracks/browse"] = "COLLECTION_NO_RESULT",
            [ARTIST .. "/collection/album/tracks/browse"] = "COLLECTION_INVALID_ID",
            [TRACK .. "/collection/playlist/tracks/browse"] = "COLLECTION_INVALID_ID",
            [ALBUM .. "/collection/album/albums/browse"] = "INVALID_INPUT_PARAMETER",
            [ALBUM .. "/collection/song/tracks/browse"] = "INVALID_INPUT_PARAMETER",
            [ALBUM .. "/collection/album/tracks/browse?orderBy=MostPopular"] =
                "INVALID_INPUT_PARAMETER",
            [ALBUM .. "/collection/album/tracks/browse?page=1"] = "COLLECTION_NO_RESULT",
        }) do
            local answer, status = user:get(path)
            assert.equal(code, code_of(answer))
            assert.equal(code == "COLLECTION_NO_RESULT" and 404 or 400, status)
        end
    end)
end)

describe("looking up and searching in a collection", function()
    local user = some_user()
    local id = add(user, { TRACK }).TrackActionResults[1].Id

    it("finds by the ids of the catalogue and of the collection", function()
        for _, wanted in ipairs({ TRACK, id }) do
            local answer = user:get(wanted .. "/lookup?source=collection")
            assert.equal(id, answer.Tracks.Items[1].Id)
            assert.equal("Collection", answer.Tracks.Items[1].Source)
        end
        local answer, status = user:get(tracks[99].id .. "/lookup?source=collection")
        assert.equal(404, status)
        assert.equal("COLLECTION_NO_RESULT", code_of(answer))
        answer = user:get(tracks[99].id .. "+" .. id .. "/lookup?source=collection%2Bcatalog")
        assert.same({ tracks[99].id, id }, ids_of(answer.Tracks.Items))
    end)

    it("gives the extras", function()
        local album = user:get(ALBUM .. "/lookup?source=collection&extras=tracks").Albums.Items[1]
        assert.equal(id, album.Tracks.Items[1].Id)
        local artist = user:get(ARTIST .. "/lookup?source=collection&extras=albums+topTracks")
        assert.equal(album.Id, artist.Artists.Items[1].Albums.Items[1].Id)
        assert.equal(id, artist.Artists.Items[1].TopTracks.Items[1].Id)
        assert.is_nil(user:get(ALBUM .. "/lookup?source=collection").Albums.Items[1].Tracks)
        local track = user:get(id .. "/lookup?source=collection&extras=albumDetails")
            .Tracks.Items[1]
        assert.equal(album.Id, track.Album.Id)
        assert.equal("Columbia", track.Album.LabelName)
        assert.equal(artist.Artists.Items[1].Id, track.Album.Artists[1].Artist.Id)
    end)

    it("finds by words", function()
        local answer = user:get("music/search?q=lucky+daft&source=collection")
        assert.equal(id, answer.Tracks.Items[1].Id)
        assert.is_nil(answer.Albums)
        answer = user:get("music/search?q=Daft&source=collection")
        assert.equal("Daft Punk", answer.Artists.Items[1].Name)
        assert.equal(1, #answer.Albums.Items)
        user:post("collection/playlists/create", { Name = "My Zebra Songs" })
        answer = user:get("music/search?q=zebra&source=collection")
        assert.equal("My Zebra Songs", answer.Playlists.Items[1].Name)
        local _, status = user:get("music/search?q=motherboard&source=collection")
        assert.equal(404, status)
    end)
end)
