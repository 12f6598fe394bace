-- Run by blabber.lua: every mistake of a program's that the module tells it of, with secrets and
-- tokens wherever a program could have put them.

local groove = require("groove")
local pages = require("groove.pages")
local witness = require("spec.support.secrecy.witness")

local M = {}

local problem, try = witness.problem, witness.try

local function source_options(run)
    local url = "https://x.example/"
    local secret, bad = run.secret, run.secret .. "\r\n"
    return {
        { token_url = url, client_secret = secret, client_secret_file = "/nonexistent/file" },
        { token_url = url, client_sceret = secret },
        { token_url = url, client_secret = { secret } },
        { token_url = url, client_secret = secret, auth = secret },
        { token_url = url, user_agent = bad }, { token_url = url, headers = { ["X-Key"] = bad } },
        { token_url = url, headers = { [bad] = "x" } }, { token_url = url, params = { a = "\0" } },
        { token_url = url, client_id = "\0", client_secret = secret },
        { token_url = url, params = { client_secret = secret } }, { client_secret = secret },
        { token_url = "https://u:" .. run.word .. "@x.example/" },
        { token_url = "http://x.example/?" .. run.word }, { token_url = "https://" .. bad },
        { token_url = "ftp://x.example/" .. run.word }, secret,
    }
end

local function client_options(run)
    local url, source = "https://x.example/", groove.static_token(run.token)
    return {
        { client_secret = run.secret }, { api_url = url, client_secret = run.secret },
        { api_url = url .. "?" .. run.word, source = source },
        { api_url = url, source = source, client_secret = run.secret },
        { api_url = "https://u:" .. run.word .. "@x.example", source = source },
        { api_url = url, source = source, user_token = run.token .. "\n" },
        { api_url = url, source = source, language = run.word },
        { api_url = url, source = source, country = run.word },
        { api_url = url, source = source, client_instance_id = "short" },
        { api_url = url, source = source, user_token = { run.token } },
        { api_url = url, source = run.token }, { api_url = url, profile = run.token },
    }
end

local function made(run)
    for _, options in ipairs(source_options(run)) do
        try(groove.token_source, options)
    end
    for _, options in ipairs(client_options(run)) do
        try(groove.new, options)
    end
    try(groove.static_token, run.token .. "\n")
    try(groove.static_token, { run.token })
    try(groove.static_token, nil)
end

local function client_of(run, answer)
    return assert(groove.new({
        api_url = "https://api.test", source = groove.static_token(run.token),
        transport = function()
            return { status = 200, body = answer or "{}" }
        end,
    }))
end

-- Methods called wrongly: without the colon, with what the service would refuse.
local function called(run)
    local client, many = client_of(run), {}
    for i = 1, 300 do
        many[i] = ("music.%036d"):format(i)
    end
    try(client.search, {}, "x")
    try(client.async.search, {}, "x")
    try(client.search, client, nil)
    try(client.info, {})
    try(client.close, {})
    try(client.build, client, "nothing")
    problem(client:search("x", { max_items = 42 }))
    problem(client:search("x", { user_token = run.token .. "\n" }))
    problem(client:search("x", { filters = { run.word } }))
    problem(client:lookup("../" .. run.word .. "/.."))
    problem(client:lookup(".."))
    problem(client:lookup(many, { format = "xml" }))
    problem(client:build("lookup", many))
    problem(client:with({ language = run.word }))
    problem(client:send({ path = "/..", query = { a = run.word } }))
    problem(client:send({ path = "/1", query = { accessToken = run.token } }))
    problem(client:playlist_create({ name = "" }))
    problem(client:playlist_update({ id = "x" }))
    problem(client:radio_create({}))
    problem(client:collect("Tracks", { Tracks = { Items = {} } }, { limit = 0 }))
    problem(client:next_page("Tracks", { Tracks = { ContinuationToken = run.word } }))
    try(client.parse, client, "search", { status = run.token })
    client:close()
    try(client.search, client, "x")
    try(client.token, client)
end

local function used_after_close(run)
    local source, user = groove.static_token(run.token), groove.static_token(run.token)
    local client = assert(groove.new({ api_url = "https://api.test", source = source }))
    user:close()
    try(user.peek, user)
    try(user.invalidate, user, run.token)
    try(client.search, client, "x", { user_token = user })
    local call = client.async:search("x")
    try(call.done, {})
    source:close()
    try(client.search, client, "x")
    client:close()
    source = assert(groove.token_source({ token_url = "http://127.0.0.1:1/", renew = false }))
    problem(source:fetch("/"))
    try(source.token, {})
    try(source.async.token, {})
    try(source.token, source, run.token)
    try(source.invalidate, source, { run.token })
    try(source.adopt, source, run.token, run.word)
    source:close()
    try(source.peek, source)
end

-- Answers that no service should give.
local function answered(run)
    local circle = '{"Tracks":{"Items":[1],"ContinuationToken":"' .. run.word .. '"}}'
    local client = client_of(run, circle)
    local page = client:browse("tracks")
    for _ = 1, 3 do
        local following, err = client:next_page("Tracks", page)
        problem(nil, err)
        page = following or page
    end
    problem(client:collect("Tracks", client:browse("tracks")))
    problem(pages.adopt({}, "text"))
    problem(client:playlist_create({ name = "x", tracks = (function()
        local ids = {}
        for i = 1, 250 do
            ids[i] = "music." .. i
        end
        return ids
    end)() }))
    client:close()
end

-- Pictures and links, which hold no secret; a program may still have passed one.
local function linked(run)
    local item = { ImageUrl = "https://a.test/i?w=1&mode=crop", Link = "https://a.test/?action=x" }
    for _, opts in ipairs({ { w = 1 }, { w = 0, h = 0 }, { mode = run.word },
        { background = "x" }, { mode = "letterbox", background = run.secret },
        { w = 1, h = 1 } }) do
        problem(groove.image_url(item, opts))
    end
    problem(groove.image_url(run.secret))
    problem(groove.deep_link({}))
    problem(groove.deep_link("..", { type = "track" }))
    problem(groove.deep_link("music.x"))
    problem(groove.deep_link(item, { action = run.word }))
    problem(groove.deep_link(item, { target = run.word }))
    problem(groove.deep_link(item, { action = "play" }))
end

function M.run(run)
    made(run)
    called(run)
    used_after_close(run)
    answered(run)
    linked(run)
end

return M
