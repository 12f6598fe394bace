--- The sandbox's catalogue: about 240 artists, 700 albums, 4,500 tracks and 20 playlists.
--
-- Invented and deterministic: every process, on every Lua, makes the same one, so that ids can be
-- written down in tests. Holds plain records; `groove.sandbox.objects` gives them their wire shape.
--
--     artist    name, id, genre, sub, albums (list of albums), popularity
--     album     name, id, genre, sub, date, label, kind, explicit, artist, tracks, number
--     track     name, id, album, artist, guest, seconds, position, explicit, number
--     playlist  name, id, description, tracks
--
-- @module groove.sandbox.catalogue

local names = require("groove.sandbox.names")

local M = {}

local floor = math.floor

local ARTISTS = 240
local SEED = 20131022

local SUFFIX = {
    artist = "-0200-11DB-89CA-0019B92A3933",
    other = "-0100-11DB-89CA-0019B92A3933",
}

-- Numbers stay below 2^53, so integers and doubles give the same sequence.
local function generator(seed)
    local state = seed
    return function(n)
        state = (state * 16807) % 2147483647
        return state % n + 1
    end
end

-- Ids look like the service's: a number, its low byte first.
local function hex_id(n, last, suffix)
    return ("music.%02X%02X%02X%02X%s"):format(
        n % 256, floor(n / 256) % 256, floor(n / 65536) % 256, last, suffix)
end

local function pick(random, list)
    return list[random(#list)]
end

-- --- names ---------------------------------------------------------------------------------------

-- Each form is a list of word lists and literal pieces; a list named twice is drawn from twice.
local ARTIST_FORMS = {
    { names.first, " ", names.last },
    { "The ", names.adjectives, " ", names.plurals },
    { names.adjectives, " ", names.nouns },
    { names.nouns, " ", names.nouns },
    { names.last, " & ", names.last },
    { names.first, " and the ", names.plurals },
}

local TITLE_FORMS = {
    { names.adjectives, " ", names.nouns },
    { names.nouns },
    { names.verbs, " the ", names.nouns },
    { names.nouns, " in ", names.places },
    { names.verbs, " Me ", names.adverbs },
    { "The ", names.nouns, "'s ", names.nouns },
    { names.verbs, " It ", names.adverbs },
    { names.plurals, " of ", names.places },
}

local function fill(random, form)
    local out = {}
    for i, piece in ipairs(form) do
        out[i] = type(piece) == "table" and pick(random, piece) or piece
    end
    return table.concat(out)
end

-- A name not used before in `taken`.
local function fresh_name(random, forms, taken)
    local name
    repeat
        name = fill(random, pick(random, forms))
    until not taken[name]
    taken[name] = true
    return name
end

-- --- build ---------------------------------------------------------------------------------------

local function add(self, kind, record)
    local list = self[kind]
    list[#list + 1] = record
    record.number = #list
    self.by_id[record.id] = record
    record.kind = kind
    return record
end

local function add_track(self, album, track)
    track.album = album
    track.artist = track.artist or album.artist
    track.position = #album.tracks + 1
    album.tracks[track.position] = track
    album.seconds = album.seconds + track.seconds
    return add(self, "tracks", track)
end

local function new_album(self, artist, album)
    album.artist = artist
    album.tracks = {}
    album.seconds = 0
    artist.albums[#artist.albums + 1] = album
    return add(self, "albums", album)
end

-- What an album can be: its kind, and its number of tracks.
local function album_size(random)
    local draw = random(100)
    if draw <= 25 then
        return "Single", random(3)
    elseif draw <= 45 then
        return "EP", 3 + random(3)
    elseif draw <= 98 then
        return "Album", 5 + random(6)
    end
    return "Compilation", 24 + random(20)
end

local function make_tracks(self, random, album, count, id)
    local taken = {}
    for i = 1, count do
        local guest = random(12) == 1 and self.artists[random(#self.artists)] or nil
        add_track(self, album, {
            name = fresh_name(random, TITLE_FORMS, taken),
            id = hex_id(id + i, 7, SUFFIX.other),
            seconds = 100 + random(260),
            explicit = random(15) == 1,
            guest = guest ~= album.artist and guest or nil,
        })
    end
end

local function make_album(self, random, artist, taken, id)
    local album_type, count = album_size(random)
    local album = new_album(self, artist, {
        name = fresh_name(random, TITLE_FORMS, taken),
        id = hex_id(id, 7, SUFFIX.other),
        genre = artist.genre,
        sub = random(8) == 1 and 2 or artist.sub,
        date = ("%04d-%02d-%02d"):format(1971 + random(46), random(12), random(28)),
        label = pick(random, names.labels),
        album_type = album_type,
    })
    make_tracks(self, random, album, count, id)
    return count
end

local function make_artists(self, random)
    local taken, id = {}, 4096
    for _ = 1, ARTISTS do
        id = id + random(900)
        local genre = random(#names.genres)
        add(self, "artists", {
            name = fresh_name(random, ARTIST_FORMS, taken),
            id = hex_id(id, 0, SUFFIX.artist),
            genre = genre,
            sub = 1 + random(#names.genres[genre] - 1),
            albums = {},
        })
    end
end

local function make_albums(self, random)
    local id = 65536
    for number, artist in ipairs(self.artists) do
        -- A few artists have more albums than fit on one page.
        local count = number % 60 == 0 and 30 or 1 + random(2)
        local taken = {}
        for _ = 1, artist.documented and 0 or count do
            id = id + 16 + random(200)
            id = id + make_album(self, random, artist, taken, id)
        end
    end
end

local function make_documented(self)
    local source = names.documented
    local artist = add(self, "artists", {
        name = source.artist.name, id = "music." .. source.artist.id, genre = source.artist.genre,
        sub = source.artist.sub, albums = {}, documented = true,
    })
    for _, row in ipairs(source.albums) do
        local album = new_album(self, artist, {
            name = row.name, id = "music." .. row.id, genre = row.genre, sub = row.sub,
            date = row.date, label = row.label, album_type = "Album",
        })
        for i, track in ipairs(row.tracks) do
            local id = row.first_track + i - 1
            add_track(self, album, {
                name = track[1], seconds = track[2],
                id = hex_id(id, tonumber(row.id:sub(7, 8), 16), SUFFIX.other),
            })
        end
    end
end

local function playlist_id(random)
    return ("music.playlist.%04x%04x-80%02x-00fe-%04x-%06x%06x"):format(
        random(65535), random(65535), random(255), random(65535), random(16777215),
        random(16777215))
end

local function make_playlists(self, random)
    for number, row in ipairs(names.playlists) do
        local list = { name = row[1], id = playlist_id(random), description = row[2], tracks = {} }
        local wanted = number == 19 and 130 or 14 + random(40)
        while #list.tracks < wanted do
            local track = self.tracks[random(#self.tracks)]
            if not row[3] or track.album.genre == row[3] then
                list.tracks[#list.tracks + 1] = track
            end
        end
        add(self, "playlists", list)
    end
end

local function build()
    local self = { artists = {}, albums = {}, tracks = {}, playlists = {}, by_id = {} }
    local random = generator(SEED)
    make_documented(self)
    make_artists(self, random)
    make_albums(self, random)
    make_playlists(self, random)
    return self
end

local built

--- The catalogue: `artists`, `albums`, `tracks`, `playlists` (lists of records), `by_id`.
-- Made at the first call.
function M.get()
    built = built or build()
    return built
end

-- --- other identifiers ---------------------------------------------------------------------------

local function icpn_of(number)
    local digits = ("40%010d"):format(7700000 + number)
    local sum = 0
    for i = 1, 12 do
        sum = sum + tonumber(digits:sub(i, i)) * (i % 2 == 0 and 3 or 1)
    end
    return digits .. ("%d"):format((10 - sum % 10) % 10)
end

--- The International Standard Recording Code of a track record.
function M.isrc(track)
    return ("QZGRV%s%05d"):format(track.album.date:sub(3, 4), track.number)
end

--- The bar code (EAN-13) of an album record.
function M.icpn(album)
    return icpn_of(album.number)
end

local function by_code(list, number, code, make)
    local record = list[tonumber(number)]
    return record and make(record) == code and record or nil
end

--- The record that an id of the wire names, "music.isrc." and "music.icpn." included.
-- @return a record, whose `kind` is "artists", "albums", "tracks" or "playlists", or nil
function M.find(id)
    local catalogue = M.get()
    local space, code = id:match("^music%.(%l+)%.(.+)$")
    if space == "isrc" then
        return by_code(catalogue.tracks, code:sub(8), code, M.isrc)
    elseif space == "icpn" then
        local number = tonumber(code:sub(3, 12))
        return number and by_code(catalogue.albums, number - 7700000, code, M.icpn)
    end
    return catalogue.by_id[id]
end

-- --- search --------------------------------------------------------------------------------------

local function haystack(record)
    if record.kind == "artists" or record.kind == "playlists" then
        return record.name:lower()
    end
    return (record.name .. "\n" .. record.artist.name):lower()
end

local haystacks = {}

local function haystacks_of(kind)
    local made = haystacks[kind]
    if not made then
        made = {}
        for i, record in ipairs(M.get()[kind]) do
            made[i] = haystack(record)
        end
        haystacks[kind] = made
    end
    return made
end

local function holds_all(text, words)
    for i = 1, #words do
        if not text:find(words[i], 1, true) then
            return false
        end
    end
    return true
end

-- 1: the name itself; 2: a name that begins so; 3: a name that holds it; 4: the rest.
local function rank(text, query)
    local name = text:match("^[^\n]*")
    if name == query then
        return 1
    end
    local at = name:find(query, 1, true)
    return at == 1 and 2 or at and 3 or 4
end

--- Makes all that is made once, so that no request has to wait for it.
function M.prepare()
    for kind in pairs({ artists = true, albums = true, tracks = true, playlists = true }) do
        haystacks_of(kind)
    end
end

--- Records whose name, or whose artist's name, holds every word of `query`; best first.
-- @param kind "artists", "albums", "tracks" or "playlists"
function M.search(kind, query)
    query = query:lower():gsub("%s+", " "):gsub("^ ", ""):gsub(" $", "")
    local words = {}
    for word in query:gmatch("%S+") do
        words[#words + 1] = word
    end
    local ranks, records, out = { {}, {}, {}, {} }, M.get()[kind], {}
    for i, text in ipairs(haystacks_of(kind)) do
        if #words > 0 and holds_all(text, words) then
            local level = ranks[rank(text, query)]
            level[#level + 1] = records[i]
        end
    end
    for _, level in ipairs(ranks) do
        for _, record in ipairs(level) do
            out[#out + 1] = record
        end
    end
    return out
end

return M
