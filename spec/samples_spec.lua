-- Real answers of the service and the requests that they answer, where they are at hand: in the
-- folder named by GROOVE_SAMPLES, or beside the repository.

local endpoints = require("groove.endpoints")
local response = require("groove.response")
local api = require("spec.support.api")

local FOLDER = os.getenv("GROOVE_SAMPLES") or "../shared/groove-api/samples"

local function read(name)
    local file = io.open(FOLDER .. "/" .. name, "rb")
    if not file then
        return nil
    end
    local text = file:read("*a")
    file:close()
    return text
end

-- What a program would write to send each request.
local ALBUM = "music.833FB507-0100-11DB-89CA-0019B92A3933"
local REQUESTS = {
    ["/search?q=daft+punk"] = { "search", "daft punk" },
    ["/" .. ALBUM .. "/lookup?extras=Tracks"] = { "lookup", ALBUM, { extras = "Tracks" } },
    ["/" .. ALBUM .. "/lookup?continuationToken=AXHsdfMACQQIAAcCB7U-gwAB2xGJygAZuSo5MwEAAjI1"] = {
        "lookup", ALBUM,
        { continuation_token = "AXHsdfMACQQIAAcCB7U-gwAB2xGJygAZuSo5MwEAAjI1" },
    },
    ["/music.playlist.ae8d3746-8039-00fe-8f53-dcedda4728d4/lookup?source=catalog"] = {
        "lookup", "music.playlist.ae8d3746-8039-00fe-8f53-dcedda4728d4", { source = "catalog" },
    },
    ["/music.B13EB907-0100-11DB-89CA-0019B92A3933/lookup?source=collection"] = {
        "lookup", "music.B13EB907-0100-11DB-89CA-0019B92A3933", { source = { "collection" } },
    },
    ["/music.AQM2egu7ioD-AI-GF3usCeHQ/lookup?source=collection"] = {
        "lookup", "music.AQM2egu7ioD-AI-GF3usCeHQ", { source = "collection" },
    },
    ["/music.A83EB907-0100-11DB-89CA-0019B92A3933/preview?clientInstanceId="
        .. "fa624b17-412c-454a-a5a5-950bb06ae019"] = {
        "preview", "music.A83EB907-0100-11DB-89CA-0019B92A3933",
        { client_instance_id = "fa624b17-412c-454a-a5a5-950bb06ae019" },
    },
}
for _, id in ipairs({
    "music.C61C0000-0200-11DB-89CA-0019B92A3933", "music.B13EB907-0100-11DB-89CA-0019B92A3933",
    "music.A83EB907-0100-11DB-89CA-0019B92A3933", "music.isrc.GBDJQ8800006",
}) do
    REQUESTS["/" .. id .. "/lookup"] = { "lookup", { id } }
end

-- The request of a sample as the module numbers paths, without the token.
local function target_of(sample)
    local target = sample.request:match("^GET (/.*)$")
    return target and target:gsub("[?&]accessToken=.*$", "")
end

local function is_of_rows(target)
    local path = target:match("^[^?]*"):gsub("^/1/content/", "")
    for _, row in pairs(endpoints.rows) do
        local pattern = row.path:gsub("^/1/content/", ""):gsub("{namespace}", "music")
            :gsub("{%a+}", "[^/]+")
        if path:find("^" .. pattern .. "$") then
            return true
        end
    end
    return false
end

local index = read("index.json")

if not index then
    describe("the samples", function()
        it("are checked where they are at hand", function()
            pending("no " .. FOLDER .. "; GROOVE_SAMPLES names another folder")
        end)
    end)
    return
end

local samples = assert(response.decode(index))

describe("the samples", function()
    it("decode, all of them", function()
        assert.is_true(#samples > 50)
        for _, sample in ipairs(samples) do
            local body = assert(read(sample.file), sample.file)
            local value, problem = response.decode(body)
            assert.is_table(value, sample.file .. ": " .. tostring(problem))
            assert.is_truthy(next(value), sample.file)
        end
    end)

    it("are read as answers, with the errors that they hold", function()
        for _, sample in ipairs(samples) do
            local body = read(sample.file)
            local value, err = response.read({ status = sample.status, body = body })
            assert.is_truthy(value or err, sample.file)
            assert.equal(body:find('^{"Error"') ~= nil, value == nil, sample.file)
            if err then
                assert.equal("api", err.kind)
                assert.matches("^[A-Z_0-9]+$", err.code)
            end
        end
    end)

    it("are asked for by exactly the documented requests", function()
        local client = api.client({ "{}" })
        local checked = 0
        for _, sample in ipairs(samples) do
            local target = target_of(sample)
            if target and is_of_rows(target) then
                local call = REQUESTS[(target:gsub("^/1/content/music/search", "/search")
                    :gsub("^/1/content", ""))]
                assert.is_table(call, sample.request .. " is checked by nothing")
                local built = assert(client:build(call[1], call[2], call[3]))
                assert.equal("https://api.test" .. target, built.url)
                assert.equal("GET", built.method)
                checked = checked + 1
            end
        end
        assert.is_true(checked >= 11)
    end)

    it("continue a nested list as documented", function()
        local client, seen = api.client({
            read("json-paginatedlist.1.json"), read("json-paginatedlist.2.json"),
        })
        local page = client:lookup(ALBUM, { extras = "Tracks", country = "US" })
        local first = #page.Albums.Items[1].Tracks.Items
        local items = assert(client:collect("Albums.1.Tracks", page))
        assert.is_true(#items > first)
        assert.matches("/lookup%?continuationToken=[%w%-]+$", seen[2].url)
        assert.equal(1, items[1].TrackNumber)
        assert.is_true(items[first + 1].TrackNumber > 25)
    end)
end)
