-- examples/luv.lua, and what luv makes of groove.fd().

local loop = require("spec.support.loop")

local busted = {
    describe = describe, it = it, pending = pending, setup = setup, teardown = teardown,
}

loop.library(busted, "luv", {
    luas = { "5.4", "jit" }, slow = 5, expected = { "\ncallback\tfound\n" },
})
