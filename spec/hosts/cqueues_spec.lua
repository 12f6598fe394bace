-- examples/cqueues.lua, and what cqueues makes of groove.fd().

local loop = require("spec.support.loop")

local busted = {
    describe = describe, it = it, pending = pending, setup = setup, teardown = teardown,
}

loop.library(busted, "cqueues", {
    luas = { "5.1", "5.2", "5.3", "5.4", "jit" }, slow = 4,
})
