# groove: `make help` lists the targets. Recipes run under sh; GNU make 4 is needed.

LUA     ?= 5.4
LUAS    ?= 5.1 5.2 5.3 5.4 jit
PREFIX  ?= /usr/local
DESTDIR ?=
CFLAGS  ?= -O2 -g
PKG_CONFIG ?= pkg-config

# Which Lua: its pkg-config name, its interpreter, and the version in the paths it looks for modules.
ifeq ($(LUA),jit)
  LUA_PKG := luajit
  LUA_BIN := luajit
  LUA_ABI := 5.1
else
  LUA_PKG := lua$(LUA)
  LUA_BIN := lua$(LUA)
  LUA_ABI := $(LUA)
endif

# VARIANT=asan|tsan|... builds the same things with other flags in a folder of their own.
VARIANT ?=
BUILD   := build$(VARIANT:%=/%)
FLAGS_asan := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
FLAGS_tsan := -O1 -fno-omit-frame-pointer -fsanitize=thread
# A test of memory that was not set sees less of it the more has been optimized; tests/support/sanitized.h.
FLAGS_valgrind := -O1 -fno-omit-frame-pointer -DSANITIZED=1 -DVALGRIND=1
FLAGS_cov  := -O1 --coverage -fprofile-update=atomic
FLAGS_fuzz := -DGROOVE_FUZZING -O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
              -fno-sanitize-recover=undefined

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion
PKGS     := libcurl jansson
pkg       = $(shell $(PKG_CONFIG) $(1) $(2) 2>/dev/null)

# What the code needs, kept apart from the user's CPPFLAGS, CFLAGS, LDFLAGS, which come last and win.
CORE_FLAGS := -std=c11 -D_GNU_SOURCE -Isrc/core $(call pkg,--cflags,$(PKGS)) \
              -fPIC -fvisibility=hidden -pthread $(WARNINGS)
LUA_FLAGS  := $(call pkg,--cflags,$(LUA_PKG))
LUA_LIBS    = $(call pkg,--libs,$(LUA_PKG))
LIBS       := $(call pkg,--libs,$(PKGS)) -pthread
COMPILE     = $(CC) $(CORE_FLAGS) -MMD -MP $(CPPFLAGS) $(CFLAGS) $(FLAGS_$(VARIANT))
LINK        = $(CC) $(CFLAGS) $(FLAGS_$(VARIANT)) $(LDFLAGS)

LUA_FILES   := $(shell find lua/groove -name '*.lua')
LUA_FOLDERS := $(shell find lua/groove -type d)
CORE_SRC    := $(wildcard src/core/*.c)
BINDING_SRC := $(wildcard src/binding/*.c)
CORE_OBJ    := $(CORE_SRC:src/core/%.c=$(BUILD)/core/%.o)
BINDING_OBJ := $(BINDING_SRC:src/binding/%.c=$(BUILD)/$(LUA)/binding/%.o)
ARCHIVE     := $(BUILD)/core/libgroove.a
STATIC      := $(BUILD)/$(LUA)/libgroove.a
STATIC_OBJ  := $(BUILD)/$(LUA)/embed/preload.o $(BUILD)/$(LUA)/embed/files.o
ENGINE      := $(BUILD)/$(LUA)/engine
MODULE      := $(BUILD)/$(LUA)/groove/core.so
SUPPORT_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/support/*.c))
STARVE_OBJ  := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/starve/*.c))
HOST_OBJ    := $(BUILD)/$(LUA)/host/host.o
HOST_TESTS  := $(patsubst tests/host/%.c,$(BUILD)/$(LUA)/host/%,$(filter-out %/host.c,$(wildcard tests/host/*.c)))
FUZZ_C      := $(patsubst %,$(BUILD)/tests/fuzz/%,answer headers)
FUZZ_LUA    := $(patsubst %,$(BUILD)/$(LUA)/fuzz/%,arguments pages sandbox)
# What calls a harness: libFuzzer, or a program that runs the inputs that are there.
FUZZ_MAIN   := $(if $(filter fuzz,$(VARIANT)),-fsanitize=fuzzer,$(BUILD)/tests/fuzz/replay.o)
C_TESTS     := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/test_*.c tests/simulate.c))

LUA_DIR     := $(PREFIX)/share/lua/$(LUA_ABI)
LUA_CDIR    := $(PREFIX)/lib/lua/$(LUA_ABI)

# The module search path of one build folder, for recipes and for `make env`.
env_of = LUA_PATH='$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;;' \
         LUA_CPATH='$(CURDIR)/$(1)/$(LUA)/?.so;;'

.DELETE_ON_ERROR:
.PHONY: all every static engine help needs deps deps-base deps-test deps-hosts deps-lint deps-fuzz deps-valgrind deps-bench \
        deps-peers bench-scale bench-peers bench-report deps-docs env demo sandbox test tests host every-host check hosts bench fuzz fuzz-short fuzzers stress \
        exits memory starve soak soak-short lint format docs asan tsan valgrind coverage sanitized install uninstall clean

all: $(MODULE)

help:
	@echo 'make            build for Lua $(LUA) (LUA=5.4|5.3|5.2|5.1|jit)'
	@echo 'make static     build/$(LUA)/libgroove.a for programs that link it (src/groove.h)'
	@echo 'make demo       20 seconds with the sandbox: search, lookup, tokens renewed in the background'
	@echo 'make test       C tests, simulation, specs on $(LUAS); ends with "N passed, N failed"'
	@echo 'make hosts      the examples for LOVE, mpv, Neovim, HAProxy, ..., each started for real'
	@echo 'make deps       install the packages that build, demo and test need'
	@echo 'make sandbox    the stand-in service, until Ctrl-C'
	@echo 'make bench      speed, side by side with plain libcurl and Go; bench-scale bench-peers bench-report'
	@echo 'make lint       formatting, compiler warnings (gcc, clang), clang-tidy, cppcheck, luacheck'
	@echo 'make format     rewrite the C files as make lint wants them'
	@echo 'make docs       the reference, as pages for a browser: build/docs/index.html'
	@echo 'make fuzz       libFuzzer on what comes from outside, 20 minutes each (FUZZ_SECONDS=1200 JOBS=1)'
	@echo 'make stress     10,000 rounds of everything at once, under both sanitizers (SEED=1)'
	@echo 'make exits      4,000 processes that end during transfers, and as many with TLS'
	@echo 'make memory     each allocation of a Lua state fails in turn, on $(LUAS)'
	@echo 'make starve     each call that the core makes of another library fails in turn'
	@echo 'make soak       50 calls a second against failing services, with 2-second tokens (SOAK_SECONDS=1200 SEED=1)'
	@echo 'make asan tsan  the tests under AddressSanitizer + UBSan, under ThreadSanitizer'
	@echo 'make valgrind   the C tests, and the specs that use the C code most, under valgrind'
	@echo 'make coverage   lines of C and Lua that the tests run, by file; fails below 90 % and 95 %'
	@echo 'make env        print export lines that let $(LUA_BIN) find this build: eval "$$(make -s env)"'
	@echo 'make install    to DESTDIR/PREFIX ($(PREFIX)); uninstall takes it away'

# --- build -------------------------------------------------------------------------------------------

needs:
	@$(PKG_CONFIG) --exists $(PKGS) $(LUA_PKG) || { \
	    echo 'groove: the headers of $(PKGS) $(LUA_PKG) are not all installed; "make deps" does that' >&2; \
	    exit 1; }

$(BUILD)/core/%.o: src/core/%.c Makefile | needs
	@mkdir -p $(@D)
	$(COMPILE) -c -o $@ $<

$(BUILD)/$(LUA)/binding/%.o: src/binding/%.c Makefile | needs
	@mkdir -p $(@D)
	$(COMPILE) $(LUA_FLAGS) -c -o $@ $<

$(ARCHIVE): $(CORE_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

# liblua is not linked: the interpreter that loads the module brings its own.
$(MODULE): $(BINDING_OBJ) $(ARCHIVE)
	@mkdir -p $(@D)
	$(LINK) -shared -o $@ $(BINDING_OBJ) $(ARCHIVE) $(LIBS)

# All of it as one archive, the Lua files included, for programs that link it: see src/groove.h.
$(BUILD)/$(LUA)/embed/files.c: $(LUA_FILES) $(LUA_FOLDERS) tools/embed.sh
	@mkdir -p $(@D)
	tools/embed.sh lua >$@

$(BUILD)/$(LUA)/embed/preload.o: src/embed/preload.c Makefile | needs
	@mkdir -p $(@D)
	$(COMPILE) $(LUA_FLAGS) -Isrc -c -o $@ $<

$(BUILD)/$(LUA)/embed/files.o: $(BUILD)/$(LUA)/embed/files.c Makefile
	$(COMPILE) -Isrc/embed -c -o $@ $<

$(STATIC): $(CORE_OBJ) $(BINDING_OBJ) $(STATIC_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(ENGINE): $(wildcard examples/engine/*.[ch]) $(STATIC) Makefile
	$(COMPILE) $(LUA_FLAGS) -Isrc -MF $@.d -o $@ $(filter %.c,$^) $(LDFLAGS) $(STATIC) $(LUA_LIBS) $(LIBS) -lm

static: $(STATIC)

engine: $(ENGINE)

$(SUPPORT_OBJ): $(BUILD)/tests/support/%.o: tests/support/%.c Makefile
	@mkdir -p $(@D)
	$(COMPILE) -c -o $@ $<

$(BUILD)/tests/%: tests/%.c $(SUPPORT_OBJ) $(ARCHIVE) Makefile
	@mkdir -p $(@D)
	$(COMPILE) -Itests/support -MF $@.d -o $@ $< $(SUPPORT_OBJ) $(LDFLAGS) $(ARCHIVE) -lcmocka $(LIBS) -lm

# The core as one object, whose calls of other libraries any test_starve_*.c can make fail.
$(BUILD)/tests/starve/core.o: $(ARCHIVE) tests/starve/wrapped.txt
	@mkdir -p $(@D)
	$(LD) -r $(shell cat tests/starve/wrapped.txt) -o $@ --whole-archive $(ARCHIVE)

$(STARVE_OBJ): $(BUILD)/tests/starve/%.o: tests/starve/%.c $(wildcard tests/starve/*.h) Makefile
	@mkdir -p $(@D)
	$(COMPILE) -Itests/support -c -o $@ $<

$(BUILD)/tests/test_starve_%: tests/test_starve_%.c $(BUILD)/tests/starve/core.o $(STARVE_OBJ) $(SUPPORT_OBJ) Makefile
	@mkdir -p $(@D)
	$(COMPILE) -Itests/support -Itests/starve -DSTARVED='"$(BUILD)/tests/starve/core.o"' -MF $@.d -o $@ \
	    $(filter %.c %.o,$^) $(LDFLAGS) -lcmocka $(LIBS) -lm

tests: $(C_TESTS)

# Programs that embed Lua, with all of groove linked in; one of them loads the module instead.
$(HOST_OBJ): tests/host/host.c Makefile | needs
	@mkdir -p $(@D)
	$(COMPILE) $(LUA_FLAGS) -Isrc -c -o $@ $<

$(BUILD)/$(LUA)/host/test_unload: tests/host/test_unload.c $(MODULE) Makefile
	@mkdir -p $(@D)
	$(COMPILE) $(LUA_FLAGS) -Itests/support -DMODULES='"$(BUILD)/$(LUA)"' -MF $@.d -o $@ $< \
	    $(LDFLAGS) -rdynamic $(LUA_LIBS) -lcmocka -pthread

$(BUILD)/$(LUA)/host/%: tests/host/%.c $(HOST_OBJ) $(SUPPORT_OBJ) $(STATIC) Makefile
	@mkdir -p $(@D)
	$(COMPILE) $(LUA_FLAGS) -Itests/support -DMODULES='"$(BUILD)/$(LUA)"' -MF $@.d -o $@ $< $(HOST_OBJ) \
	    $(SUPPORT_OBJ) $(LDFLAGS) $(STATIC) $(LUA_LIBS) -lcmocka $(LIBS) -lm

# With all of it as one object whose calls of other libraries can be made to fail, as for test_starve_*.c.
$(BUILD)/$(LUA)/starve.o: $(STATIC) tests/starve/wrapped.txt
	$(LD) -r $(shell cat tests/starve/wrapped.txt) -o $@ --whole-archive $(STATIC)

$(BUILD)/$(LUA)/host/test_starve: tests/host/test_starve.c $(HOST_OBJ) $(SUPPORT_OBJ) \
                                  $(BUILD)/tests/starve/faults.o $(BUILD)/$(LUA)/starve.o Makefile
	@mkdir -p $(@D)
	$(COMPILE) $(LUA_FLAGS) -Itests/support -Itests/starve -MF $@.d -o $@ $(filter %.c %.o,$^) \
	    $(LDFLAGS) $(LUA_LIBS) -lcmocka $(LIBS) -lm

$(BUILD)/$(LUA)/host/stress: | $(MODULE)

host: $(HOST_TESTS) fuzzers

# What is fuzzed: see tests/fuzz/README.md.
$(BUILD)/tests/fuzz/replay.o: tests/fuzz/replay.c Makefile
	@mkdir -p $(@D)
	$(COMPILE) -c -o $@ $<

$(FUZZ_C): $(BUILD)/tests/fuzz/%: tests/fuzz/%.c $(filter %.o,$(FUZZ_MAIN)) $(ARCHIVE) Makefile
	@mkdir -p $(@D)
	$(COMPILE) -MF $@.d -o $@ $< $(FUZZ_MAIN) $(LDFLAGS) $(ARCHIVE) $(LIBS) -lm

$(FUZZ_LUA): $(BUILD)/$(LUA)/fuzz/%: tests/fuzz/script.c $(filter %.o,$(FUZZ_MAIN)) $(STATIC) Makefile
	@mkdir -p $(@D)
	$(COMPILE) $(LUA_FLAGS) -Isrc -DSCRIPT='"tests/fuzz/$*.lua"' -MF $@.d -o $@ $< $(FUZZ_MAIN) $(LDFLAGS) \
	    $(STATIC) $(LUA_LIBS) $(LIBS) -lm

fuzzers: $(FUZZ_C) $(FUZZ_LUA)

every:
	@+for lua in $(LUAS); do $(MAKE) --no-print-directory LUA=$$lua all || exit 1; done

every-host:
	@+for lua in $(LUAS); do $(MAKE) --no-print-directory LUA=$$lua host || exit 1; done

-include $(STARVE_OBJ:.o=.d) $(CORE_OBJ:.o=.d) $(BINDING_OBJ:.o=.d) $(STATIC_OBJ:.o=.d) $(ENGINE).d $(SUPPORT_OBJ:.o=.d) $(C_TESTS:=.d) \
         $(HOST_OBJ:.o=.d) $(HOST_TESTS:=.d) $(FUZZ_C:=.d) $(FUZZ_LUA:=.d) \
         $(BUILD)/tests/fuzz/replay.d

# --- run ---------------------------------------------------------------------------------------------
# A recipe that may install packages builds in a second make, which then sees them.

deps:
	@LUA=$(LUA) LUAS='$(LUAS)' tools/deps.sh base test

deps-base deps-test deps-hosts deps-lint deps-fuzz deps-valgrind deps-bench deps-peers deps-docs:
	@LUA=$(LUA) LUAS='$(LUAS)' tools/deps.sh $(@:deps-%=%)

env:
	@echo "export $(call env_of,$(BUILD))"

demo: deps-base
	@+$(MAKE) --no-print-directory -s all
	@$(call env_of,$(BUILD)) $(LUA_BIN) examples/demo.lua

sandbox: deps-base
	@+$(MAKE) --no-print-directory -s all
	@$(call env_of,$(BUILD)) $(LUA_BIN) examples/sandbox.lua

test check: deps
	@+$(MAKE) --no-print-directory -s every every-host tests
	@tools/test.sh $(BUILD) $(LUAS)

hosts: deps deps-hosts
	@+$(MAKE) --no-print-directory -s every
	@SPEC="$$(echo spec/hosts/*_spec.lua)" tools/test.sh $(BUILD) $(LUA)

# What is measured: see bench/run.lua. bench-report does it all and writes docs/performance.* anew;
# GROOVE_BENCH=quick has fewer rounds, and then writes to build/bench/docs.
BENCH_bench        := targets
BENCH_bench-scale  := scale
BENCH_bench-peers  := peers
BENCH_bench-report := targets scale peers document

bench-peers bench-report: deps-peers

bench bench-scale bench-peers bench-report: deps-base deps-bench
	@LUA=jit tools/deps.sh base
	@+$(MAKE) --no-print-directory -s all
	@+$(MAKE) --no-print-directory -s LUA=jit all
	@+$(MAKE) --no-print-directory -s -C bench LUA=$(LUA) $(if $(findstring peers,$(BENCH_$@)),peers)
	@$(call env_of,$(BUILD)) $(LUA_BIN) bench/run.lua $(BENCH_$@)

asan tsan:
	@LUA=$(LUA) LUAS=$(LUA) tools/deps.sh base test
	@+$(MAKE) --no-print-directory -s VARIANT=$@ all tests host sanitized

valgrind: deps-base deps-valgrind
	@LUA=$(LUA) LUAS=$(LUA) tools/deps.sh test
	@+$(MAKE) --no-print-directory -s VARIANT=valgrind all tests
	@tools/valgrind.sh build/valgrind $(LUA)

coverage: deps
	@+$(MAKE) --no-print-directory -s VARIANT=cov LUA=5.4 all tests host
	@+$(MAKE) --no-print-directory -s VARIANT=cov LUA=jit all
	@+$(MAKE) --no-print-directory -s LUA=jit all
	@tools/coverage.sh build/cov

sanitized:
	@tools/sanitized.sh $(VARIANT) $(BUILD) $(LUA)

# What `make test` does in part, in full. SEED=n: another course of the stress.
SEED ?= 1
FUZZ_SECONDS ?= 1200
JOBS ?= 1
SOAK_SECONDS ?= 1200

fuzz: deps deps-fuzz
	@+$(MAKE) --no-print-directory -s VARIANT=fuzz CC=clang fuzzers
	@tools/fuzz.sh build/fuzz $(LUA) $(FUZZ_SECONDS) $(JOBS) $(FUZZ)

fuzz-short:
	@+$(MAKE) --no-print-directory FUZZ_SECONDS=30 JOBS=2 fuzz

stress: deps
	@+$(MAKE) --no-print-directory -s VARIANT=asan all host
	@+$(MAKE) --no-print-directory -s VARIANT=tsan all host
	@for variant in asan tsan; do \
	    tools/sanitized.sh $$variant build/$$variant $(LUA) build/$$variant/$(LUA)/host/stress 10000 $(SEED) || exit 1; \
	done

exits: deps
	@+$(MAKE) --no-print-directory -s all host
	$(BUILD)/$(LUA)/host/exits 1000
	$(BUILD)/$(LUA)/host/exits 1000 tls

memory: deps
	@+$(MAKE) --no-print-directory -s every-host
	@for lua in $(LUAS); do \
	    GROOVE_TEST_ALL=1 CMOCKA_MESSAGE_OUTPUT=TAP $(BUILD)/$$lua/host/test_memory || exit 1; \
	done

starve: deps
	@+$(MAKE) --no-print-directory -s tests host
	@for test in calls process time; do \
	    GROOVE_TEST_ALL=1 CMOCKA_MESSAGE_OUTPUT=TAP $(BUILD)/tests/test_starve_$$test || exit 1; \
	done
	GROOVE_TEST_ALL=1 CMOCKA_MESSAGE_OUTPUT=TAP $(BUILD)/$(LUA)/host/test_starve

soak: deps-base
	@+$(MAKE) --no-print-directory -s all
	@$(call env_of,$(BUILD)) tests/soak/run.sh $(LUA_BIN) $(SOAK_SECONDS) $(SEED)

soak-short:
	@+$(MAKE) --no-print-directory SOAK_SECONDS=60 soak

lint: deps deps-lint
	@+MAKE='$(MAKE)' LUA='$(LUA)' tools/lint.sh

docs: deps-base deps-docs
	@+$(MAKE) --no-print-directory -s all
	@rm -rf build/reference build/docs && mkdir -p build/reference
	@$(call env_of,$(BUILD)) $(LUA_BIN) tools/reference.lua build/reference
	@ldoc --quiet --fatalwarnings .
	@echo build/docs/index.html

format: deps-lint
	clang-format -i $(wildcard $(foreach d,src src/* tests tests/* bench tools examples/*,$(d)/*.c $(d)/*.h))

# --- install -----------------------------------------------------------------------------------------

install: all
	@for file in $(LUA_FILES:lua/%=%); do \
	    install -D -m 644 "lua/$$file" "$(DESTDIR)$(LUA_DIR)/$$file" || exit 1; \
	done
	install -D -m 755 $(MODULE) "$(DESTDIR)$(LUA_CDIR)/groove/core.so"

uninstall:
	rm -f $(LUA_FILES:lua/%="$(DESTDIR)$(LUA_DIR)/%") "$(DESTDIR)$(LUA_CDIR)/groove/core.so"
	@find "$(DESTDIR)$(LUA_DIR)/groove" "$(DESTDIR)$(LUA_CDIR)/groove" -depth -type d -empty -delete \
	    2>/dev/null || true

clean:
	rm -rf build
