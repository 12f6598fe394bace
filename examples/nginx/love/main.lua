-- A game that gets its tokens from the broker: it ships a key of its own, and never the secret.
-- ../run.sh says how to start it. --headless: no window, and it ends with the answer.

-- luacheck: globals love

local groove = require "groove"

local client = groove.new{
    api_url = os.getenv "API_URL",
    source = groove.token_source{
        token_url = os.getenv "BROKER_URL",
        auth = "none",
        headers = { ["X-Client-Key"] = os.getenv "BROKER_KEY" },
        ca_file = os.getenv "BROKER_CA",
    },
}

local lines = { "asking ..." }

local function show(page, err)
    lines = {}
    for i, track in ipairs(page and page.Tracks.Items or {}) do
        lines[i] = track.Name
    end
    if err then lines[#lines + 1] = tostring(err) end
    if not love.window then
        print(table.concat(lines, "\n"))
        love.event.quit(page and 0 or 1)
    end
end

function love.load()
    client.async:search("love", { filters = { "tracks" }, max_items = 5 }):on_done(show)
end

function love.update() groove.dispatch() end

function love.draw() love.graphics.print(table.concat(lines, "\n"), 20, 20) end
