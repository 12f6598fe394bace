-- groove.metrics: what sources have done, as text for Prometheus.

local groove = require("groove")
local metrics = require("groove.metrics")
local exposition = require("spec.support.exposition")
local service = require("spec.support.service")

local NAMES = {
    "groove_token_age_seconds", "groove_token_expires_in_seconds", "groove_token_failures_total",
    "groove_token_invalidations_total", "groove_token_refresh_in_seconds",
    "groove_token_renewals_total", "groove_token_requests_total", "groove_token_state",
    "groove_token_waits_total", "groove_workers",
}

describe("groove.metrics", function()
    local sandbox, sources

    setup(function() sandbox = assert(groove.sandbox()) end)
    teardown(function() sandbox:stop() end)

    local add_fault, clear_faults = service.faults(function() return sandbox end)

    before_each(function() sources = {} end)

    after_each(function()
        clear_faults()
        for _, source in ipairs(sources) do
            source:close()
        end
        sandbox:set_lifetime(3600)
    end)

    local function open(more)
        local source = service.source(sandbox, more)
        sources[#sources + 1] = source
        return source
    end

    local function name_of(id)
        return sandbox:options().token_url:match("//([^/]+)") .. "/" .. id
    end

    -- Those of a source with that client's id.
    local function read(id)
        local samples, families = exposition.read(groove.metrics())
        local source = name_of(id or sandbox:options().client_id)
        local function value(name, labels)
            labels = labels or {}
            labels.source = source
            return exposition.value(samples, "groove_token_" .. name, labels)
        end
        return value, samples, families
    end

    it("has all families, with words", function()
        local _, _, families = read()
        for _, name in ipairs(NAMES) do
            assert.is_string(families[name], name)
            families[name] = nil
        end
        assert.same({}, families)
    end)

    it("says what a source has done, and how it is", function()
        local source = open()
        local value = read()
        assert.equal(1, value("state", { state = "empty" }))
        assert.equal(0, value("requests_total", { reason = "cold" }))
        assert.is_nil(value("expires_in_seconds"))

        assert.is_truthy(source:token())
        value = read()
        assert.equal(1, value("requests_total", { reason = "cold" }))
        assert.equal(1, value("renewals_total"))
        assert.equal(1, value("waits_total"))
        assert.equal(1, value("state", { state = "ready" }))
        assert.equal(0, value("state", { state = "empty" }))
        assert.is_true(value("age_seconds") >= 0)
        assert.is_true(value("expires_in_seconds") > 3000)
        assert.is_true(value("refresh_in_seconds") > 0)
    end)

    it("tells the reasons of requests apart", function()
        local source = open()
        local token = assert(source:token())
        assert.is_true(source:invalidate(token))
        assert(source:token())
        assert(source:refresh())
        local value = read()
        for reason, count in pairs({ cold = 1, rejected = 1, refresh = 1, due = 0, retry = 0 }) do
            assert.equal(count, value("requests_total", { reason = reason }), reason)
        end
        assert.equal(1, value("invalidations_total"))
    end)

    it("counts renewals as due", function()
        sandbox:set_lifetime(1)
        open():wait_ready()
        assert.is_true(service.eventually(function()
            local value = read()
            return value("requests_total", { reason = "due" }) >= 1
        end))
    end)

    it("counts failures by their code", function()
        add_fault({ on = "token", status = 503, times = 3 })
        local source = open()
        assert.is_nil(source:token())
        assert.is_true(service.eventually(function()
            local value = read()
            return value("requests_total", { reason = "retry" }) >= 1
                and value("failures_total", { code = "temporarily_unavailable" }) >= 2
        end))
        local value = read()
        assert.equal(1, value("requests_total", { reason = "cold" }))
    end)

    it("says nothing of the token and the secret", function()
        local source = open()
        local token = assert(source:token())
        local text = groove.metrics()
        assert.is_nil(text:find(token, 1, true))
        assert.is_nil(text:find(sandbox:options().client_secret, 1, true))
    end)

    it("shows handles of one identity once, and other sources of the same name with a number",
        function()
            local options = service.options(sandbox)
            for i = 1, 2 do
                sources[i] = assert(groove.token_source(options))
            end
            open()
            local _, samples = read()
            local name = name_of(sandbox:options().client_id)
            local seen = {}
            for _, sample in ipairs(samples) do
                if sample.name == "groove_token_waits_total" then
                    seen[sample.labels.source] = (seen[sample.labels.source] or 0) + 1
                end
            end
            assert.equal(1, seen[name])
            assert.equal(1, seen[name .. " #2"])
            assert.is_nil(seen[name .. " #3"])
        end)

    it("does not show closed sources", function()
        open({ client_id = "closed" }):close()
        assert.is_nil(groove.metrics():find("/closed", 1, true))
    end)

    it("escapes what a client's id may hold", function()
        local id = 'a "b" \\ c\nd}'
        open({ client_id = id })
        assert.equal(0, (read(id))("waits_total"))
    end)

    it("keeps no source alive", function()
        groove.token_source({ token_url = "https://gone.example/", renew = false })
        collectgarbage()
        collectgarbage()
        assert.is_nil(groove.metrics():find("gone.example", 1, true))
    end)
end)

describe("the text of metrics", function()
    it("has no samples for what is not known", function()
        local samples = exposition.read(metrics.text({
            { labels = { "source", "x" }, counters = {}, gauges = { state = "ready" } },
        }))
        assert.equal(#metrics.states, #samples)
    end)

    it("writes large counts and fractions as they are", function()
        local samples = exposition.read(metrics.text({ {
            labels = { "source", "x" }, gauges = { age = 0.25, workers = 4 },
            counters = { waits = 2 ^ 50, ["failures:a b"] = 1 },
        } }))
        assert.equal(2 ^ 50, exposition.value(samples, "groove_token_waits_total"))
        assert.equal(0.25, exposition.value(samples, "groove_token_age_seconds"))
        assert.equal(4, exposition.value(samples, "groove_workers"))
        assert.equal(1, exposition.value(samples, "groove_token_failures_total",
            { code = "a b" }))
    end)
end)
