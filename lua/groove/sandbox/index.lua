--- Which records hold which words: what makes a search in a large catalogue quick.
--
-- A word of a query may be any part of a word of a name. Names are made of few different words, so
-- these are looked through, never the names themselves.
--
-- @module groove.sandbox.index

local M = {}

local methods = {}
local mt = { __index = methods }

-- Results kept, so that the next page of a list needs no new search.
local KEPT = 16

local function add_words(self, name, number)
    for word in name:gmatch("%S+") do
        local numbers = self.numbers[word]
        if not numbers then
            numbers = {}
            self.numbers[word] = numbers
            self.words[#self.words + 1] = word
        end
        numbers[#numbers + 1] = number
    end
end

--- An index of records by the words of their names, and of their artists' names.
-- @param records list
function M.new(records)
    local self = setmetatable({
        records = records, names = {}, words = {}, numbers = {}, kept = {}, recent = {}, turn = 0,
    }, mt)
    for number, record in ipairs(records) do
        local name = record.name:lower()
        self.names[number] = name
        add_words(self, name, number)
        if record.artist then
            add_words(self, record.artist.name:lower(), number)
        end
    end
    return self
end

-- Counts up for the records that were matched by all words before this one.
local function match_word(self, wanted, matched, before)
    for _, word in ipairs(self.words) do
        if word:find(wanted, 1, true) then
            local numbers = self.numbers[word]
            for i = 1, #numbers do
                local number = numbers[i]
                if (matched[number] or 0) == before then
                    matched[number] = before + 1
                end
            end
        end
    end
end

-- 1: the name itself; 2: a name that begins so; 3: a name that holds it; 4: the rest.
local function rank(name, query)
    if name == query then
        return 1
    end
    local at = name:find(query, 1, true)
    return at == 1 and 2 or at and 3 or 4
end

local function ranked(self, matched, count, query)
    local levels, out = { {}, {}, {}, {} }, {}
    for number, record in ipairs(self.records) do
        if matched[number] == count then
            local level = levels[rank(self.names[number], query)]
            level[#level + 1] = record
        end
    end
    for _, level in ipairs(levels) do
        for i = 1, #level do
            out[#out + 1] = level[i]
        end
    end
    return out
end

local function look_up(self, query)
    local matched, count = {}, 0
    for word in query:gmatch("%S+") do
        match_word(self, word, matched, count)
        count = count + 1
    end
    return count > 0 and ranked(self, matched, count, query) or {}
end

local function keep(self, query, found)
    self.turn = self.turn % KEPT + 1
    local oldest = self.recent[self.turn]
    if oldest then
        self.kept[oldest] = nil
    end
    self.recent[self.turn] = query
    self.kept[query] = found
end

--- Records that hold every word of `query`, without case; best first.
-- @return list, not to be changed
function methods:search(query)
    query = query:lower():gsub("%s+", " "):gsub("^ ", ""):gsub(" $", "")
    local found = self.kept[query]
    if not found then
        found = look_up(self, query)
        keep(self, query, found)
    end
    return found
end

return M
