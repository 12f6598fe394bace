-- What the methods of the rows send and refuse; the answers are the spec's.

local groove = require("groove")
local endpoints = require("groove.endpoints")
local response = require("groove.response")
local api = require("spec.support.api")

local ID = "music.A83EB907-0100-11DB-89CA-0019B92A3933"

local function built(name, ...)
    local client = api.client({ "{}" })
    local request = assert(client:build(name, ...))
    local target = request.url:gsub("^https://api%.test", "")
    return target, request.body and response.decode(request.body), request
end

local function refusal(name, ...)
    local client, seen = api.client({ "{}" })
    local value, err = client[name](client, ...)
    assert.is_nil(value)
    assert.equal("argument", err.kind)
    assert.is_false(err.retryable)
    assert.equal(0, #seen)
    return err.argument .. ": " .. err.message
end

describe("methods", function()
    it("are there for all rows, on clients and on client.async", function()
        local client = api.client({ "{}" })
        local count = 0
        for name in pairs(endpoints.rows) do
            assert.is_function(client[name], name)
            assert.is_function(client.async[name], name)
            count = count + 1
        end
        assert.equal(20, count)
    end)

    describe("browse", function()
        it("looks in the catalogue or a collection", function()
            assert.equal("/1/content/music/catalog/albums/browse", (built("browse", "albums")))
            assert.equal("/1/content/music/collection/playlistsforyou/browse?maxItems=5&page=2",
                (built("browse", "playlistsforyou",
                    { source = "collection", max_items = 5, page = 2 })))
            assert.equal("/1/content/music/catalog/tracks/browse?genre=Electronic+%2F+Dance",
                (built("browse", "tracks", { genre = "Electronic / Dance" })))
        end)

        it("refuses types and orders that do not fit", function()
            assert.matches("^type: type must be one of albums, .* %(source catalog%)$",
                refusal("browse", "playlistsforyou"))
            refusal("browse", "genres")
            assert.matches("order_by must be one of ReleaseDate, AllTimePlayCount, MostPopular",
                refusal("browse", "tracks", { order_by = "TrackTitle" }))
            assert.matches("must be one of ArtistName, CollectionDate %(source collection, "
                .. "type artists%)", refusal("browse", "artists",
                    { source = "collection", order_by = "MostPopular" }))
            assert.matches("must be one of CollectionDate ",
                refusal("browse", "playlists", { source = "collection", order_by = "Name" }))
            assert.equal("/1/content/music/collection/tracks/browse?orderBy=tracknumber",
                (built("browse", "tracks", { source = "collection", order_by = "tracknumber" })))
            assert.matches("source must be one of catalog, collection",
                refusal("browse", "tracks", { source = "both" }))
        end)

        it("refuses two of genre, mood and activity, and any in a collection", function()
            for _, pair in ipairs({
                { genre = "a", mood = "b" }, { mood = "a", activity = "b" },
                { genre = "a", activity = "b" },
            }) do
                assert.matches("only one of them", refusal("browse", "tracks", pair))
            end
            assert.matches("genre can be given only with source catalog",
                refusal("browse", "tracks", { source = "Collection", genre = "a" }))
        end)

        it("refuses pages that there cannot be", function()
            assert.matches("from 1 to 25", refusal("browse", "tracks", { max_items = 26 }))
            assert.matches("from 1 to 25", refusal("browse", "tracks", { max_items = 0 }))
            assert.matches("at least 0", refusal("browse", "tracks", { page = -1 }))
            assert.matches("below 2%^53", refusal("browse", "tracks", { page = 2 ^ 53 }))
            assert.equal("/1/content/music/catalog/tracks/browse?page=1",
                (built("browse", "tracks", { page = 1.0 })))
        end)

        it("continues without anything else", function()
            assert.equal("/1/content/music/catalog/tracks/browse?continuationToken=a%3D",
                (built("browse", "tracks", { continuation_token = "a=" })))
            assert.matches("max_items cannot be given together with continuation_token",
                refusal("browse", "tracks", { continuation_token = "a", max_items = 3 }))
            assert.equal("/1/content/music/search?continuationToken=a",
                (built("search", "x", { continuation_token = "a" })))
            assert.equal("/1/content/music/search?contentType=xml&continuationToken=a",
                (built("search", nil, { continuation_token = "a", format = "xml" })))
        end)
    end)

    describe("browse_items", function()
        it("has four segments", function()
            assert.equal("/1/content/" .. ID .. "/catalog/artist/topTracks/browse"
                .. "?orderBy=MostPopular",
                (built("browse_items", "artist", ID, "topTracks", { order_by = "MostPopular" })))
            assert.equal("/1/content/a%2Fb/collection/playlist/tracks/browse?page=1",
                (built("browse_items", "playlist", "a/b", "tracks",
                    { source = "collection", page = 1 })))
        end)

        it("refuses what a parent does not have", function()
            assert.matches("must be one of tracks %(parent_type album%)",
                refusal("browse_items", "album", ID, "albums"))
            assert.matches("album, artist, playlist", refusal("browse_items", "track", ID, "x"))
            assert.matches("must not be empty", refusal("browse_items", "album", "", "tracks"))
            assert.matches("'%.%.'", refusal("browse_items", "album", "..", "tracks"))
        end)
    end)

    it("takes moods and activities by either name", function()
        local answer = '{"CatalogMoods":[{"Id":"Focus"}],"Culture":"en-US"}'
        local client = api.client({ answer, '{"Moods":[{"Id":"Focus"}]}', '{"Activities":[]}' })
        local page = assert(client:moods())
        assert.equal("Focus", page.CatalogMoods[1].Id)
        assert.equal(page.CatalogMoods, page.Moods)
        assert.is_nil(page.CatalogActivities)
        assert.equal("Focus", assert(client:moods()).CatalogMoods[1].Id)
        page = assert(client:activities())
        assert.equal(page.Activities, page.CatalogActivities)
        assert.equal("Focus", client:parse("moods", { status = 200, body = answer }).Moods[1].Id)
        for name in pairs(page) do
            assert.equal("Activities", name)
        end
    end)

    it("asks for streams and previews with the client's instance id", function()
        local instance = ("i"):rep(32)
        assert.equal("/1/content/" .. ID .. "/stream?clientInstanceId=" .. instance,
            (built("stream", ID, { client_instance_id = instance })))
        assert.matches("is required", refusal("stream", ID))
        for _, length in ipairs({ 31, 129 }) do
            assert.matches("32 to 128 characters",
                refusal("preview", ID, { client_instance_id = ("i"):rep(length) }))
        end
    end)

    it("finds its way to the rest", function()
        assert.equal("/1/user/music/profile?country=fr", (built("profile", { country = "fr" })))
        assert.equal("/1/content/music/newreleases?genre=R%26B+%2F+Soul",
            (built("new_releases", { genre = "R&B / Soul" })))
        assert.equal("/1/content/music/radio/recentlyplayed?maxItems=2&page=1",
            (built("radio_recent", { max_items = 2, page = 1 })))
        assert.equal("/1/content/music/radio/a%253D%2F/next", (built("radio_next", "a%3D/")))
    end)

    describe("bodies", function()
        it("are JSON of the wire's names", function()
            local target, body, request = built("collection_add", { "music.a", "music.b" })
            assert.equal("/1/content/music/collection/add", target)
            assert.same({ TrackIds = { "music.a", "music.b" } }, body)
            assert.equal("POST", request.method)
            assert.equal("application/json", request.headers["Content-Type"])
            assert.same({ TrackIds = { ID } }, (select(2, built("collection_delete", ID))))
            assert.same({ Id = "music.playlist.x" },
                (select(2, built("playlist_delete", "music.playlist.x"))))
            assert.same({ Seeds = { { Id = ID, Type = "Artist" } } },
                (select(2, built("radio_create", { artist = ID }))))
        end)

        it("hold a playlist's actions in order: out, then in", function()
            assert.same({
                Id = "p", Name = "n", IsPublished = false, CollectionStateToken = "3.0",
                TrackActions = {
                    { Id = "c", Action = "Delete" },
                    { Id = "a", Action = "Add" }, { Id = "b", Action = "Add" },
                },
            }, (select(2, built("playlist_update", {
                id = "p", name = "n", published = false, add = { "a", "b" }, delete = "c",
                collection_state_token = "3.0",
            }))))
            assert.same({
                Id = "p", InsertBeforeTrackId = "x",
                TrackActions = { { Id = "a", Action = "Move" } },
            }, (select(2, built("playlist_update",
                { id = "p", move = "a", insert_before = "x" }))))
            assert.same({ Id = "p", TrackActions = { { Id = "a", Action = "Move" } } },
                (select(2, built("playlist_update", { id = "p", move = { "a" } }))))
        end)

        it("are refused where the service would refuse them", function()
            local long = ("é"):rep(256)
            assert.equal(long, select(2, built("playlist_create", { name = long })).Name)
            for _, name in ipairs({ "", long .. "x" }) do
                assert.matches("1 to 256 characters", refusal("playlist_create", { name = name }))
                assert.matches("1 to 256 characters",
                    refusal("playlist_update", { id = "p", name = name }))
            end
            assert.matches("name is required", refusal("playlist_create", { tracks = { ID } }))
            assert.matches("id is required", refusal("playlist_update", { name = "x" }))
            assert.matches("at least one of name, published, add, delete, move",
                refusal("playlist_update", { id = "p", add = {} }))
            assert.matches("only one of them",
                refusal("playlist_update", { id = "p", move = { "a" }, add = { "b" } }))
            assert.matches("insert_before can be given only together with move",
                refusal("playlist_update", { id = "p", add = { "a" }, insert_before = "b" }))
            assert.matches("at least one id", refusal("collection_add", {}))
            assert.matches("ids, each of which must not be empty",
                refusal("collection_add", { "a", "" }))
            assert.matches("only one of them",
                refusal("radio_create", { artist = "a", genre = "b" }))
            assert.matches("at least one of artist, genre", refusal("radio_create", {}))
            assert.matches("from 1 to 25",
                refusal("radio_create", { genre = "b" }, { max_items = 26 }))
        end)

        it("are refused loudly where they are a mistake", function()
            local client = api.client({ "{}" })
            local function text(name, ...)
                return (api.raised(client[name], client, ...))
            end
            assert.matches("client:playlist_create: playlist must be a table, got string",
                text("playlist_create", "name"))
            assert.matches("client:playlist_create: playlist: unknown option 'title'",
                text("playlist_create", { title = "x" }))
            assert.matches("name must be a string", text("playlist_create", { name = 7 }))
            assert.matches("tracks must be a string or a list of strings",
                text("playlist_create", { name = "x", tracks = { 1 } }))
            assert.matches("ids must be a string or a list", text("collection_add"))
            assert.matches("unknown option 'max_items'",
                text("collection_add", { "a" }, { max_items = 3 }))
            assert.matches("published must be a boolean",
                text("playlist_update", { id = "p", published = 1 }))
            assert.matches("artist must be a string",
                text("radio_create", { artist = { "a", "b" } }))
        end)
    end)

    it("sends exactly one token, the user's where there is one", function()
        local client, seen = api.client({ "{}" })
        local ada = client:with({ user_token = "ada's" })
        ada:profile()
        ada:collection_add(ID, { user_token = "bob's" })
        client:profile()
        ada:with({ token_in = "query" }):profile()
        assert.equal("Bearer ada's", seen[1].headers.Authorization)
        assert.equal("Bearer bob's", seen[2].headers.Authorization)
        assert.equal("Bearer " .. api.token, seen[3].headers.Authorization)
        assert.is_nil(seen[4].headers.Authorization)
        assert.matches("/profile%?accessToken=Bearer%%20ada%%27s$", seen[4].url)
        for i = 1, 3 do
            assert.is_nil(seen[i].url:find("accessToken", 1, true))
        end
    end)

    it("does not renew an application's token that was refused for a user's", function()
        local client = groove.new({
            token_url = "http://127.0.0.1:1/token", api_url = "https://api.test", client_id = "i",
            client_secret = "s", renew = false,
            transport = function()
                return api.failure(401, "INVALID-AUTHORIZATION-HEADER")
            end,
        })
        client._source:adopt("adopted", 3600)
        local _, err = client:collection_add(ID)
        assert.equal("INVALID_AUTHORIZATION_HEADER", err.code)
        assert.equal("adopted", client:token({ wait = false }))
        client:close()
    end)
end)
