-- groove.sandbox.catalogue: enough of everything, the same everywhere, and found again.

local catalogue = require("groove.sandbox.catalogue")

local all = catalogue.get()

local function count(kind)
    return #all[kind]
end

describe("the catalogue", function()
    it("is large enough", function()
        assert.is_true(count("artists") >= 200)
        assert.is_true(count("albums") >= 500)
        assert.is_true(count("tracks") >= 3000)
        assert.is_true(count("playlists") >= 10)
    end)

    it("is made once", function()
        assert.equal(all, catalogue.get())
    end)

    it("is made quickly", function()
        package.loaded["groove.sandbox.catalogue"] = nil
        local began = os.clock()
        require("groove.sandbox.catalogue").get()
        print(("        catalogue made in %.0f ms"):format((os.clock() - began) * 1000))
        package.loaded["groove.sandbox.catalogue"] = catalogue
    end)

    -- Ids are written down in tests and documents: the same ones have to come out on every Lua.
    it("is the same everywhere", function()
        local sum = 0
        for _, track in ipairs(all.tracks) do
            for _, text in ipairs({ track.id, track.name, track.album.name, track.artist.name }) do
                for i = 1, #text do
                    sum = (sum * 31 + text:byte(i)) % 1000003
                end
            end
        end
        assert.equal(61362, sum)
    end)

    it("gives every record an id of its own, and finds it by that", function()
        for _, kind in ipairs({ "artists", "albums", "tracks", "playlists" }) do
            for number, record in ipairs(all[kind]) do
                assert.equal(kind, record.kind)
                assert.equal(number, record.number)
                assert.equal(record, catalogue.find(record.id))
            end
        end
    end)

    it("has ids of the service's shape", function()
        local guid = "^music%.%x%x%x%x%x%x%x%x%-0%d00%-11DB%-89CA%-0019B92A3933$"
        assert.matches(guid, all.artists[20].id)
        assert.matches(guid, all.tracks[20].id)
        assert.matches("^music%.playlist%.%x+%-%x%x%x%x%-00fe%-%x%x%x%x%-%x+$", all.playlists[1].id)
    end)

    it("finds nothing under another id", function()
        for _, id in ipairs({ "", "music.", "music.0", "music.isrc.", "music.isrc.QZGRV9900001x",
            "music.icpn.", "music.icpn.4000000000000", all.artists[1].id:lower() }) do
            assert.is_nil(catalogue.find(id))
        end
    end)

    it("finds tracks by ISRC and albums by bar code", function()
        local track, album = all.tracks[1234], all.albums[321]
        assert.equal(track, catalogue.find("music.isrc." .. catalogue.isrc(track)))
        assert.equal(album, catalogue.find("music.icpn." .. catalogue.icpn(album)))
        assert.equal(12, #catalogue.isrc(track))
        assert.equal(13, #catalogue.icpn(album))
    end)

    it("has bar codes with a right check digit", function()
        local sum = 0
        for i = 1, 13 do
            sum = sum + tonumber(catalogue.icpn(all.albums[77]):sub(i, i)) * (i % 2 == 0 and 3 or 1)
        end
        assert.equal(0, sum % 10)
    end)

    it("holds what the documentation's examples ask for", function()
        local artist = catalogue.find("music.C61C0000-0200-11DB-89CA-0019B92A3933")
        local album = catalogue.find("music.B13EB907-0100-11DB-89CA-0019B92A3933")
        local track = catalogue.find("music.A83EB907-0100-11DB-89CA-0019B92A3933")
        assert.equal("Daft Punk", artist.name)
        assert.equal("Random Access Memories", album.name)
        assert.equal("Get Lucky", track.name)
        assert.equal(album, track.album)
        assert.equal(8, track.position)
        assert.equal(artist, album.artist)
    end)

    it("has lists longer than a page of every kind", function()
        local albums, tracks, playlists = 0, 0, 0
        for _, artist in ipairs(all.artists) do albums = math.max(albums, #artist.albums) end
        for _, album in ipairs(all.albums) do tracks = math.max(tracks, #album.tracks) end
        for _, list in ipairs(all.playlists) do playlists = math.max(playlists, #list.tracks) end
        assert.is_true(albums > 25 and tracks > 25 and playlists > 100)
    end)
end)

describe("searching it", function()
    it("takes every word, without case, in names and artists' names", function()
        for _, track in ipairs(catalogue.search("tracks", "  DAFT   punk ")) do
            assert.equal("Daft Punk", track.artist.name)
        end
        assert.equal("Get Lucky", catalogue.search("tracks", "punk lucky")[1].name)
    end)

    it("puts the name itself first", function()
        local found = catalogue.search("tracks", "within")
        assert.equal("Within", found[1].name)
    end)

    it("finds nothing for nothing", function()
        assert.same({}, catalogue.search("artists", "   "))
        assert.same({}, catalogue.search("artists", "%a+"))
    end)
end)
