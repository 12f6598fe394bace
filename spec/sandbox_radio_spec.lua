-- The sandbox's radios: sessions that do not end, and what was played last.

local catalogue = require("groove.sandbox.catalogue")
local names = require("groove.sandbox.names")
local objects = require("groove.sandbox.objects")
local stand_in = require("spec.support.stand_in")
local text = require("groove.sandbox.text")

local ARTIST = "music.C61C0000-0200-11DB-89CA-0019B92A3933"

local code_of, mapped = stand_in.code_of, stand_in.mapped

describe("a radio", function()
    local it_ = stand_in.new({ lifetime = 1e6 })
    local user = stand_in.user(it_, "ann")

    local function create(kind, id, query, request)
        return user:post("radio/create" .. (query or ""),
            { Seeds = { { Id = id, Type = kind } } }, request)
    end

    local function next_of(id, query, request)
        return user:get("music/radio/" .. text.escape(id) .. "/next" .. (query or ""), request)
    end

    local function record_of(track)
        return catalogue.get().by_id[track.Id]
    end

    it("plays what is like an artist", function()
        local answer, status = create("Artist", ARTIST)
        assert.equal(200, status)
        assert.equal(25, #answer.Tracks)
        local genre, others = catalogue.get().by_id[ARTIST].genre, false
        for _, track in ipairs(answer.Tracks) do
            assert.equal(genre, record_of(track).album.genre)
            others = others or record_of(track).artist.id ~= ARTIST
            assert.same({ "Purchase", "Stream", "FreeStream" }, track.Rights)
        end
        assert.is_true(others)
    end)

    it("plays a genre or a subgenre, however it is spelled", function()
        for _, name in ipairs({ "jazz", "JAZZ", "electronic / dance", "Celtic" }) do
            local answer, status = create("genre", name, "?maxItems=5")
            assert.equal(200, status)
            assert.equal(5, #answer.Tracks)
            for _, track in ipairs(answer.Tracks) do
                local genres = table.concat(track.Genres) .. table.concat(track.Subgenres)
                assert.truthy(genres:lower():find(name:lower(), 1, true))
            end
        end
    end)

    it("goes on and on, without playing anything twice in a row of many", function()
        local answer = create("Genre", "Jazz")
        local sessions, recent, count = {}, {}, 0
        for _ = 1, 40 do
            assert.equal(25, #answer.Tracks)
            for _, track in ipairs(answer.Tracks) do
                count = count + 1
                assert.is_true(not recent[track.Id] or count - recent[track.Id] > 100)
                recent[track.Id] = count
            end
            assert.is_nil(sessions[answer.SessionId])
            sessions[answer.SessionId] = true
            answer = next_of(answer.SessionId)
        end
        assert.equal(1000, count)
    end)

    it("plays all that there is before it plays anything again", function()
        local pools = {}
        for _, track in ipairs(catalogue.get().tracks) do
            local name = names.genres[track.album.genre][track.album.sub]
            if objects.can_stream(track, { culture = "en-US" }) then
                pools[name] = (pools[name] or 0) + 1
            end
        end
        local checked = 0
        for name, size in pairs(pools) do
            if size < 200 then
                local seen, count, again = {}, 0, false
                local answer = create("Genre", name)
                repeat
                    for _, track in ipairs(answer.Tracks) do
                        again = again or seen[track.Id] ~= nil
                        count = count + (again and 0 or 1)
                        seen[track.Id] = true
                    end
                    answer = next_of(answer.SessionId)
                until again
                assert.equal(size, count)
                checked = checked + 1
            end
        end
        assert.is_true(checked > 20)
    end)

    it("goes on from any answer, as often as it is asked to", function()
        local first = create("Genre", "Jazz", "?maxItems=3")
        local second, again = next_of(first.SessionId, "?maxItems=2"), next_of(first.SessionId)
        assert.equal(2, #second.Tracks)
        assert.equal(second.Tracks[1].Id, again.Tracks[1].Id)
        assert.equal(second.Tracks[2].Id, again.Tracks[2].Id)
        assert.equal(again.Tracks[3].Id, next_of(second.SessionId).Tracks[1].Id)
    end)

    it("begins elsewhere every time", function()
        local one, two = create("Genre", "Jazz"), create("Genre", "Jazz")
        assert.is_true(one.Tracks[1].Id ~= two.Tracks[1].Id)
    end)

    it("has sessions whose ids must be encoded, once", function()
        local id = create("Genre", "Jazz").SessionId
        for _, part in ipairs({ "%3D", "+", "/", "=" }) do
            assert.truthy(id:find(part, 1, true))
        end
        for _, wrong in ipairs({ id, (id:gsub("/", "%%2F")), text.escape(text.escape(id)) }) do
            local answer, status = user:get("music/radio/" .. wrong .. "/next")
            assert.is_true(status == 400 or status == 404)
            assert.is_nil(answer.Tracks)
        end
    end)

    it("has sessions that end after a day", function()
        local id = create("Genre", "Jazz", nil, { now = 1000 }).SessionId
        local answer, status = next_of(id, nil, { now = 87399 })
        assert.equal(200, status)
        local later = answer.SessionId
        answer, status = next_of(id, nil, { now = 87400 })
        assert.equal(404, status)
        assert.equal("DISCOVERY_NO_RESULT", code_of(answer))
        assert.equal(200, (select(2, next_of(later, nil, { now = 87400 }))))
    end)

    it("has sessions of its user only, and no others", function()
        local id = create("Genre", "Jazz").SessionId
        local other = stand_in.user(it_, "bob")
        local answer, status = other:get("music/radio/" .. text.escape(id) .. "/next")
        assert.equal(404, status)
        assert.equal("DISCOVERY_NO_RESULT", code_of(answer))
        for _, bad in ipairs({ id:sub(2), id:sub(1, -2), (id:gsub("^Aw%+/.", "Aw+/_")), "x" }) do
            answer, status = next_of(bad)
            assert.equal(400, status)
            assert.equal("INVALID_INPUT_PARAMETER", code_of(answer))
        end
    end)

    it("can be played again by its own id", function()
        create("Genre", "Jazz")
        local radio = user:get("music/radio/recentlyplayed").Radios.Items[1]
        assert.matches("^music%.radio%.%x+%-%x+%-%x+%-%x+%-%x+$", radio.Id)
        local answer, status = next_of(radio.Id, "?maxItems=4")
        assert.equal(200, status)
        assert.same({ "Jazz" }, answer.Tracks[1].Genres)
        assert.equal(4, #answer.Tracks)
        assert.equal(200, (select(2, next_of(answer.SessionId))))
        answer, status = next_of("music.radio.2011c75e-adcc-4d8e-b7dd-27c6ce3d2f26")
        assert.equal(404, status)
        assert.equal("DISCOVERY_NO_RESULT", code_of(answer))
    end)

    it("takes 1 to 25 tracks at once", function()
        for query, status in pairs({ ["?maxItems=0"] = 400, ["?maxItems=26"] = 400,
            ["?maxItems=1"] = 200 }) do
            assert.equal(status, (select(2, create("Genre", "Jazz", query))))
        end
    end)

    it("plays in the smallest catalogue, or says that there is nothing", function()
        local alone = stand_in.user(stand_in.new({ catalogue = 1 }), "ann")
        local genres = alone:get("music/catalog/tracks/browse").Tracks.Items[1].Genres
        for name, status in pairs({ [genres[1]] = 200, ["Celtic"] = 404 }) do
            local answer, got = alone:post("radio/create",
                { Seeds = { { Id = name, Type = "Genre" } } })
            assert.equal(status, got)
            assert.equal(status == 200 and 25 or nil, answer.Tracks and #answer.Tracks)
        end
    end)
end)

describe("the radios played last", function()
    local user = stand_in.user(stand_in.new(), "ann")

    local function recent(query)
        return user:get("music/radio/recentlyplayed" .. (query or ""))
    end

    it("are none at first", function()
        local answer, status = recent()
        assert.equal(404, status)
        assert.equal("DISCOVERY_NO_RESULT", code_of(answer))
    end)

    it("stand with the latest first, each once", function()
        local seeds = {
            { "Jazz", "Genre" }, { ARTIST, "Artist" }, { "pop", "Genre" }, { "jazz", "Genre" },
        }
        local sessions = {}
        for i, seed in ipairs(seeds) do
            sessions[i] = user:post("radio/create",
                { Seeds = { { Id = seed[1], Type = seed[2] } } }).SessionId
        end
        local list = recent().Radios
        assert.same({ "Jazz", "Pop", "Daft Punk" }, mapped(list.Items, "Name"))
        assert.equal(3, list.TotalItemCount)
        assert.same({
            Id = list.Items[1].Id, Name = "Jazz", Source = "Catalog", CompatibleSources = "Catalog",
        }, list.Items[1])
        user:get("music/radio/" .. text.escape(sessions[2]) .. "/next")
        assert.same({ "Daft Punk", "Jazz", "Pop" }, mapped(recent().Radios.Items, "Name"))
        user:get("music/radio/" .. list.Items[2].Id .. "/next")
        assert.same({ "Pop", "Daft Punk", "Jazz" }, mapped(recent().Radios.Items, "Name"))
    end)

    it("come in pages", function()
        local page = recent("?maxItems=2&page=1").Radios
        assert.same({ "Jazz" }, mapped(page.Items, "Name"))
        assert.equal(3, page.TotalItemCount)
        local items, pages = user:all("music/radio/recentlyplayed", "?maxItems=1",
            function(answer) return answer.Radios end)
        assert.equal(3, pages)
        assert.same({ "Pop", "Daft Punk", "Jazz" }, mapped(items, "Name"))
        assert.equal(404, (select(2, recent("?page=1"))))
        local answer, status = recent("?continuationToken=x")
        assert.equal(400, status)
        assert.equal("CONTINUATION_TOKEN_INVALID_ERROR", code_of(answer))
    end)
end)
