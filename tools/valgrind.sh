#!/bin/bash
# make valgrind: the C tests, and the specs that use the binding most, under valgrind.
# usage: tools/valgrind.sh BUILD LUA      BUILD: made with VARIANT=valgrind
# AddressSanitizer does not see memory that is used before it was set, nor what the libraries below do
# with ours: they were not compiled for it. The other specs use no more of the C code than these; valgrind
# makes each of them take 20 times as long.
set -eu
build=$1
lua=$2
tools=$(cd "$(dirname "$0")" && pwd)
# The sweeps of failures (starve, network) would take minutes.
tests=$(find tests -maxdepth 1 -name 'test_*.c' ! -name 'test_starve*' ! -name test_network.c -printf '%f\n')
tests=$(tr '\n' '|' <<<"${tests//.c/}")
specs='bad_input|call|client|events|hostile_host|nesting|safety|source|threadless|token|transfer'
# What is lost indirectly hangs on something lost directly, and is not reported apart: a suppression has
# to name the latter alone.
under="valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite
    --errors-for-leak-kinds=definite --num-callers=30 --keep-debuginfo=yes --fair-sched=yes
    --suppressions=$tools/valgrind.supp"
under=${under//$'\n'/ }

# As in tools/sanitized.sh: first it has to find the bugs planted for it.
mkdir -p "$build/bin"
${CC:-cc} -g -shared -fPIC -pthread -o "$build/bin/planted.so" "$tools/planted.c"
status=0
LUA_CPATH="$build/bin/?.so" $under "lua$lua" -e 'require "planted"' >"$build/bin/planted.log" 2>&1 || status=$?
if [ "$status" -ne 99 ] || ! grep -q 'Invalid write' "$build/bin/planted.log" ||
    ! grep -A 3 'definitely lost' "$build/bin/planted.log" | grep -q planted_leak; then
    cat "$build/bin/planted.log" >&2
    echo "valgrind did not see the bugs planted in tools/planted.c" >&2
    exit 1
fi

export GROOVE_SANITIZER=valgrind
export GROOVE_TEST_UNDER=$under
export GROOVE_TEST_ONLY="^(tests/(${tests%|})|lua$lua ($specs))\$"
exec "$tools/test.sh" "$build" "$lua"
