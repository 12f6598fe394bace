--- The sandbox's catalogue: about 240 artists, 700 albums, 4,700 tracks and 20 playlists, or as
-- many as it takes for a given number of tracks.
--
-- Invented and deterministic: every process, on every Lua, makes the same one of a size, so that
-- ids can be written down in tests. Holds plain records; `groove.sandbox.objects` gives them their
-- wire shape. All have `kind` ("artists", ...) and `number` (their place among those of their
-- kind).
--
--     artist    name, id, genre, sub, albums (list of albums), documented
--     album     name, id, genre, sub, date, label, album_type, explicit, artist, tracks, seconds
--     track     name, id, album, artist, guest, seconds, position, explicit
--     playlist  name, id, description, genre, mood, activity, tracks
--
-- @module groove.sandbox.catalogue

local index = require("groove.sandbox.index")
local names = require("groove.sandbox.names")

local M = {}

local methods = {}

local floor = math.floor

local SEED = 20131022

--- The kinds of records.
M.KINDS = { "artists", "albums", "tracks", "playlists" }

-- How a catalogue is made. The default has no number of tracks to reach; its ids are written down
-- in tests and documents.
local DEFAULT = { artists = 240, first_album = 65536, playlists = 1 }

-- Ids of other sizes begin where those of the default and of the documented items cannot be.
local function plan_of(size)
    if not size then
        return DEFAULT
    end
    return {
        tracks = size, artists = math.max(4, floor(size / 25)), first_album = 16777216 + 65536,
        playlists = math.max(1, math.min(50, floor(size / 5000))),
    }
end

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

-- Ids look like the service's: a number, its low byte first. `last`: what the high byte begins at.
local function hex_id(n, last, suffix)
    return ("music.%02X%02X%02X%02X%s"):format(n % 256, floor(n / 256) % 256,
        floor(n / 65536) % 256, last + floor(n / 16777216), suffix)
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
    album.explicit = album.explicit or track.explicit
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
            explicit = random(15) == 1 or nil,
            guest = guest ~= album.artist and guest or nil,
        })
    end
end

-- The last album of all has no more tracks than are wanted.
local function make_album(self, random, artist, taken, id)
    local album_type, count = album_size(random)
    count = math.min(count, (self.plan.tracks or math.huge) - #self.tracks)
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
    for _ = 1, self.plan.artists do
        repeat
            id = id + random(900)
        until not self.by_id[hex_id(id, 0, SUFFIX.artist)]
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

local function is_full(self)
    return #self.tracks >= (self.plan.tracks or math.huge)
end

-- A few artists have more albums than fit on one page.
local function album_count(random, number, artist)
    local count = number % 60 == 0 and 30 or 1 + random(2)
    return artist.documented and 0 or count
end

local function make_albums_of(self, random, artist, count, id)
    local taken = {}
    for _ = 1, count do
        if is_full(self) then
            break
        end
        id = id + 16 + random(200)
        id = id + make_album(self, random, artist, taken, id)
    end
    return id
end

-- One round over the artists, or as many as it takes.
local function make_albums(self, random)
    local id = self.plan.first_album
    repeat
        for number, artist in ipairs(self.artists) do
            local count = album_count(random, number, artist)
            id = make_albums_of(self, random, artist, count, id)
        end
    until is_full(self) or not self.plan.tracks
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

local function genres_in_use(self)
    local used = {}
    for _, album in ipairs(self.albums) do
        used[album.genre] = true
    end
    return used
end

-- A genre that a small catalogue has nothing of is given up.
local function fill_playlist(self, random, list, wanted, genre)
    while #list.tracks < wanted do
        local track = self.tracks[random(#self.tracks)]
        if not genre or track.album.genre == genre then
            list.tracks[#list.tracks + 1] = track
        end
    end
end

local function make_playlists(self, random, round, used)
    for number, row in ipairs(names.playlists) do
        local list = {
            name = round == 1 and row[1] or row[1] .. " " .. round, id = playlist_id(random),
            description = row[2], genre = row[3] > 0 and row[3] or nil, mood = row[4],
            activity = row[5], tracks = {},
        }
        local wanted = number == 19 and 130 or 14 + random(40)
        fill_playlist(self, random, list, wanted, used[list.genre] and list.genre)
        add(self, "playlists", list)
    end
end

local function build(self)
    self.plan = plan_of(self.size)
    self.by_id = {}
    for _, kind in ipairs(M.KINDS) do
        self[kind] = {}
    end
    local random = generator(SEED + (self.size or 0))
    make_documented(self)
    make_artists(self, random)
    make_albums(self, random)
    local used = genres_in_use(self)
    for round = 1, self.plan.playlists do
        make_playlists(self, random, round, used)
    end
end

-- --- catalogues ----------------------------------------------------------------------------------

local built_mt = { __index = methods }

local LISTS = { artists = true, albums = true, tracks = true, playlists = true, by_id = true }

-- Made when something of it is needed.
local mt = {}

function mt.__index(self, name)
    if not LISTS[name] then
        return methods[name]
    end
    setmetatable(self, built_mt)
    build(self)
    return self[name]
end

local DEFAULT_SIZE = "default"
local catalogues = {}

--- A catalogue: `artists`, `albums`, `tracks`, `playlists` (lists of records), `by_id`. The same
-- one every time; made when it is first looked into.
-- @param size exact number of tracks; nil for the default
function M.get(size)
    local key = size or DEFAULT_SIZE
    if not catalogues[key] then
        catalogues[key] = setmetatable({ size = size, indexes = {}, selections = {} }, mt)
    end
    return catalogues[key]
end

--- What was selected before under a name, or what `select` makes of it now.
function methods:selection(name, select)
    local selected = self.selections[name]
    if not selected then
        selected = select()
        self.selections[name] = selected
    end
    return selected
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

-- The last letter counts the hundred thousands.
local REGISTRANTS = "VWXYZABCDEF"

--- The International Standard Recording Code of a track record.
function M.isrc(track)
    local registrant = floor(track.number / 100000) + 1
    return ("QZGR%s%s%05d"):format(REGISTRANTS:sub(registrant, registrant),
        track.album.date:sub(3, 4), track.number % 100000)
end

--- The bar code (EAN-13) of an album record.
function M.icpn(album)
    return icpn_of(album.number)
end

local AMG_LETTERS = { artists = "P", albums = "R", tracks = "T" }

--- The number of an artist, an album or a track record in another company's guide.
function M.amg(record)
    return ("%s %8d"):format(AMG_LETTERS[record.kind], 150000 + record.number)
end

local function track_number(isrc)
    local registrant = REGISTRANTS:find(isrc:sub(5, 5), 1, true)
    local number = tonumber(isrc:sub(8))
    return registrant and number and (registrant - 1) * 100000 + number
end

local function album_number(icpn)
    local number = tonumber(icpn:sub(3, 12))
    return number and number - 7700000
end

local function by_code(list, number, code, make)
    local record = number and list[number]
    return record and make(record) == code and record or nil
end

--- The record that an id of the wire names, "music.isrc." and "music.icpn." included.
-- @return a record, or nil
function methods:find(id)
    local space, code = id:match("^music%.(%l+)%.(.+)$")
    if space == "isrc" then
        return by_code(self.tracks, track_number(code), code, M.isrc)
    elseif space == "icpn" then
        return by_code(self.albums, album_number(code), code, M.icpn)
    end
    return self.by_id[id]
end

-- --- search --------------------------------------------------------------------------------------

local function index_of(self, kind)
    if not self.indexes[kind] then
        self.indexes[kind] = index.new(self[kind])
    end
    return self.indexes[kind]
end

--- Records whose name, or whose artist's name, holds every word of `query`; best first.
-- @param kind "artists", "albums", "tracks" or "playlists"
function methods:search(kind, query)
    return index_of(self, kind):search(query)
end

--- Makes all that is made once, so that no request has to wait for it.
function methods:prepare()
    for _, kind in ipairs(M.KINDS) do
        index_of(self, kind)
    end
end

-- --- the default ---------------------------------------------------------------------------------

--- `find` in the default catalogue.
function M.find(id)
    return M.get():find(id)
end

--- `search` in the default catalogue.
function M.search(kind, query)
    return M.get():search(kind, query)
end

--- `prepare` of a catalogue.
-- @param size as of `get`
function M.prepare(size)
    M.get(size):prepare()
end

return M
