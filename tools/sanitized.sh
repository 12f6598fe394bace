#!/bin/bash
# Runs all tests of a build that was made with a sanitizer (make asan, make tsan).
# usage: tools/sanitized.sh asan|tsan BUILD LUA [COMMAND...]      COMMAND: run instead of the tests
# Such a module needs the sanitizer's library preloaded: BUILD/bin/INTERPRETER does that and then runs
# the real one. It comes first in PATH, so that an interpreter started by a test has it too.
set -eu
variant=$1
folder=$2
build=$(cd "$2" && pwd)
lua=lua$3
tools=$(cd "$(dirname "$0")" && pwd)
cc=${CC:-cc}

runtime=$(readlink -f "$($cc -print-file-name="lib$variant.so")")
real=$(command -v "$lua")
mkdir -p "$build/bin"
# Other programs (nginx, openssl) are to run without it: the second library takes LD_PRELOAD out of the
# environment as soon as the interpreter has started.
$cc -shared -fPIC -O2 -o "$build/bin/unpreload.so" "$tools/unpreload.c"
cat >"$build/bin/$lua" <<END
#!/bin/bash
# exec -a: arg[-1] of a script names this file, so what it starts by that name is sanitized too.
export LD_PRELOAD='$runtime $build/bin/unpreload.so'
exec -a "\$0" '$real' "\$@"
END
chmod +x "$build/bin/$lua"

export PATH="$build/bin:$PATH"
# redzone: LeakSanitizer takes a library's thread-local memory that lies 16 bytes behind the start of a page for an
# older glibc's, and crashes. With 256 bytes in front all memory lies at multiples of 64.
export ASAN_OPTIONS="detect_leaks=1:detect_stack_use_after_return=1:redzone=256"
export LSAN_OPTIONS="suppressions=$tools/asan.supp:print_suppressions=0"
export UBSAN_OPTIONS="print_stacktrace=1"
# die_after_fork=0: a child of a process with threads starts its own engine; that is what is tested.
export TSAN_OPTIONS="suppressions=$tools/tsan.supp:die_after_fork=0:second_deadlock_stack=1"
export GROOVE_SANITIZER=$variant
# What is Lua alone runs no code that was compiled with the sanitizer: the sandbox's catalogue and answers,
# the tables of endpoints, and what reads files of the project.
export GROOVE_TEST_SKIP=" (walk|catalogue|codes|ci|deps|endpoints|reference|rockspec|types"
GROOVE_TEST_SKIP+="|sandbox_(browse|collection|discovery|params|playlists|radio|shapes|user_shapes|users|xml))\$"

# ThreadSanitizer of gcc 12 cannot live with the address layout of newer kernels.
fixed=
if [ "$variant" = tsan ] && setarch -R true 2>/dev/null; then fixed="setarch -R"; fi

# A sanitizer that finds nothing proves nothing: first it has to find a bug planted for it.
flags=$([ "$variant" = tsan ] && echo -fsanitize=thread || echo -fsanitize=address,undefined)
$cc -g -shared -fPIC $flags -pthread -o "$build/bin/planted.so" "$tools/planted.c"
if LUA_CPATH="$build/bin/?.so" $fixed "$lua" -e 'require "planted"' >"$build/bin/planted.log" 2>&1; then
    echo "$variant did not see the bug planted in tools/planted.c; is the preloaded library the right one?" >&2
    exit 1
fi
if ! grep -q 'planted_bug' "$build/bin/planted.log"; then
    cat "$build/bin/planted.log" >&2
    exit 1
fi

shift 2
lua=$1
shift
if [ $# -gt 0 ]; then exec $fixed "$@"; fi
exec $fixed "$tools/test.sh" "$folder" "$lua"
