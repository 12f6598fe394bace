local settings = require("groove.settings")
local api = require("spec.support.api")

local NAMES = {
    "GROOVE_CLIENT_ID", "GROOVE_CLIENT_SECRET", "GROOVE_CLIENT_SECRET_FILE", "GROOVE_TOKEN_URL",
    "GROOVE_API_URL",
}

local getenv = os.getenv

-- Reads options under an environment; fails when the secret itself is looked at.
local function read(opts, environment)
    os.getenv = function(name) -- luacheck: ignore 122
        assert(name ~= "GROOVE_CLIENT_SECRET", "the secret became a Lua string")
        for _, known in ipairs(NAMES) do
            if name == known then
                return environment and environment[name]
            end
        end
        return getenv(name)
    end
    local ok, options, url = pcall(settings.read, "groove.new", opts)
    os.getenv = getenv -- luacheck: ignore 122
    if not ok then
        error(options, 0)
    end
    return options, url
end

local URLS = { GROOVE_TOKEN_URL = "https://t.test/token", GROOVE_API_URL = "https://api.test" }

local function with(more)
    local all = {}
    for _, set in ipairs({ URLS, more }) do
        for name, value in pairs(set) do
            all[name] = value
        end
    end
    return all
end

describe("settings", function()
    it("say what to do without URLs", function()
        local text = api.raised(read, {})
        assert.matches("^groove.new: api_url is missing", text)
        assert.matches("groove.sandbox%(%):client%(%)", text)
        text = api.raised(read, { api_url = "https://api.test" })
        assert.matches("^groove.new: token_url is missing", text)
    end)

    it("take profiles, which options override", function()
        local options = read({ profile = "live", client_id = "a", client_secret = "b" })
        assert.equal("https://login.live.com/accesstoken.srf", options.token_url)
        assert.equal("https://music.xboxlive.com", options.api_url)
        assert.equal("app.music.xboxlive.com", options.scope)
        options = read({ profile = "azure", api_url = "https://api.test" }, URLS)
        assert.equal("https://datamarket.accesscontrol.windows.net/v2/OAuth2-13", options.token_url)
        assert.equal("http://music.xboxlive.com", options.scope)
        assert.equal("https://api.test", options.api_url)
    end)

    it("fill URLs from the environment", function()
        local options = read(nil, URLS)
        assert.equal("https://t.test/token", options.token_url)
        assert.equal("https://api.test", options.api_url)
        assert.is_nil(options.client_id)
    end)

    it("take id and secret from the environment only together", function()
        local options = read({}, with({ GROOVE_CLIENT_ID = "i", GROOVE_CLIENT_SECRET_FILE = "/f" }))
        assert.equal("i", options.client_id)
        assert.equal("/f", options.client_secret_file)
        options = read({}, with({ GROOVE_CLIENT_ID = "i" }))
        assert.equal("GROOVE_CLIENT_SECRET", options.client_secret_env)
        assert.is_true(options.paired)
        options = read({ client_id = "own" },
            with({ GROOVE_CLIENT_ID = "i", GROOVE_CLIENT_SECRET_FILE = "/f" }))
        assert.equal("own", options.client_id)
        assert.is_nil(options.client_secret_file)
        options = read({ client_secret = "own" }, with({ GROOVE_CLIENT_ID = "i" }))
        assert.is_nil(options.client_id)
        options = read({}, with({ GROOVE_CLIENT_SECRET_FILE = "/f" }))
        assert.is_nil(options.client_secret_file)
        options = read({}, with({ GROOVE_CLIENT_ID = "" , GROOVE_CLIENT_SECRET_FILE = "/f" }))
        assert.is_nil(options.client_id)
    end)

    it("check addresses", function()
        for option, opts in pairs({
            token_url = { token_url = "http://t.test", api_url = "https://api.test" },
            api_url = { token_url = "https://t.test", api_url = "http://api.test" },
        }) do
            local text = api.raised(read, opts)
            assert.matches("^groove.new: " .. option .. " must be https", text)
            opts.allow_http = true
            assert.is_table(read(opts))
        end
        assert.equal("groove.new: api_url must not hold a query or a fragment",
            (api.raised(read, { token_url = "https://t.test", api_url = "https://api.test/?a" })))
    end)

    it("allow one kind of secret, and what can be sent", function()
        local function text(opts)
            opts.token_url, opts.api_url = "https://t.test", "https://api.test"
            return (api.raised(read, opts))
        end
        assert.matches("only one of client_secret",
            text({ client_secret = "a", client_secret_env = "B" }))
        assert.matches("params must not name 'scope'", text({ params = { scope = "x" } }))
        assert.matches("headers 'X' has a line break", text({ headers = { X = "hush\r\nY: z" } }))
        assert.matches("user_agent has a line break", text({ user_agent = "a\nb" }))
        assert.matches("auth must be one of post, basic, none", text({ auth = "digest" }))
        assert.matches("profile must be one of live, azure", text({ profile = "test" }))
        assert.matches("json must be a table of decode", text({ json = {} }))
        assert.matches("timeout must be a positive number", text({ timeout = 0 }))
        assert.matches("client_id must be a string, got number", text({ client_id = 5 }))
    end)

    it("keep a ready source and what would make one apart", function()
        local source = require("groove").static_token("t")
        assert.equal("groove.new: client_id cannot be given together with source",
            (api.raised(read, { api_url = "https://api.test", source = source, client_id = "x" })))
        local options = read({ api_url = "https://api.test", source = source },
            with({ GROOVE_CLIENT_ID = "i", GROOVE_CLIENT_SECRET_FILE = "/f" }))
        assert.is_nil(options.token_url)
        assert.is_nil(options.client_id)
        assert.equal("groove.new: source must be a source, got table",
            (api.raised(read, { api_url = "https://api.test", source = {} })))
    end)

    it("do not change what they are given", function()
        local given = { profile = "live", client_id = "a", client_secret = "b" }
        read(given)
        assert.same({ profile = "live", client_id = "a", client_secret = "b" }, given)
    end)

    it("refuse defaults that no call could use", function()
        for name, bad in pairs({
            country = "USA", language = "e", client_instance_id = "short", user_token = "a\nb",
        }) do
            local err = settings.bad_default({ [name] = bad })
            assert.equal("argument", err.kind)
            assert.equal(name, err.argument)
        end
        assert.is_nil(settings.bad_default({ country = "US", user_token = false }))
    end)
end)
