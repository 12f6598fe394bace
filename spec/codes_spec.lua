-- Every error code that the service's documentation names, as the client reads it.

local codes = require("groove.sandbox.codes")
local api = require("spec.support.api")

local RETRYABLE = { [409] = true, [429] = true, [500] = true, [502] = true }

-- A POST is sent once, whatever comes back.
local function outcome(status, code)
    local client, seen = api.client({ api.failure(status, code) })
    local value, err = client:collection_add("music.x")
    return value, err, #seen
end

describe("error codes", function()
    it("are all there", function()
        local count = 0
        for _ in pairs(codes) do
            count = count + 1
        end
        assert.equal(44, count)
    end)

    for code, row in pairs(codes) do
        it("read alike in both spellings: " .. code, function()
            for _, spelling in ipairs({ code, (code:gsub("_", "-")) }) do
                local value, err, sent = outcome(row.status, spelling)
                assert.is_nil(value)
                assert.equal("api", err.kind)
                assert.equal(code, err.code)
                assert.equal(row.status, err.status)
                assert.equal(RETRYABLE[row.status] or false, err.retryable)
                assert.equal(code:find("_NO_RESULT$") and true or nil, err.no_result)
                assert.equal(1, sent)
                assert.matches("^api: " .. code .. " %(HTTP " .. row.status .. "%): as asked for",
                    tostring(err))
            end
        end)

        it("stand beside results: " .. code, function()
            local body = '{"Tracks":{"Items":[{"Id":"music.x"}]},"Error":{"ErrorCode":"'
                .. code .. '"}}'
            local client = api.client({ body })
            local page, err = client:lookup("music.x")
            assert.equal("music.x", page.Tracks.Items[1].Id)
            assert.equal(code, err.code)
            assert.equal(200, err.status)
            assert.is_false(err.retryable)
        end)
    end
end)
