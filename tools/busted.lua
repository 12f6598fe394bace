-- Runs busted under the interpreter that runs this file, whichever one its own launcher names.
require("busted.runner")({ standalone = false })
