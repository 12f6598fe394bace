#!/bin/bash
# Runs the C tests, the simulation, what fuzzing has left and the specs, each in a process of its own,
# and adds up.
# usage: tools/test.sh BUILD LUA...      BUILD: build, build/asan, ...; LUA: 5.1 5.2 5.3 5.4 jit
# SPEC='spec/a_spec.lua ...' runs only those specs and no C tests. GROOVE_TEST_TIMEOUT: seconds a
# program may take (120). Exits 1 when anything failed; a program that crashes counts as a failure.
set -u
cd "$(dirname "$0")/.." || exit 1
build=$1
shift
limit=${GROOVE_TEST_TIMEOUT:-120}
passed=0
failed=0
out=$(mktemp)
all=$(mktemp)
trap 'rm -f "$out" "$all"' EXIT

# report NAME STATUS: counts the TAP lines in $out; shows all of it when something went wrong.
report() {
    local name=$1 status=$2 good bad
    good=$(grep -v '# SKIP' "$out" | grep -c '^ok\b')
    bad=$(grep -v '# SKIP' "$out" | grep -c '^not ok\b')
    # a plan without tests is fine: all of a spec may be left out
    if [ "$bad" -eq 0 ] && { [ "$status" -ne 0 ] || ! grep -qE '^(1\.\.|ok\b)' "$out"; }; then
        bad=1
        [ "$status" -eq 124 ] && echo "took longer than $limit s" >>"$out"
        echo "ended with status $status after $good tests" >>"$out"
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
    if [ "$bad" -gt 0 ]; then
        printf 'FAILED  %-32s %4d passed, %d failed\n' "$name" "$good" "$bad"
        grep -v '^ok\b' "$out" | sed 's/^/    /'
    else
        printf 'ok      %-32s %4d passed  %5.1f s\n' "$name" "$good" "$took"
        sed -nE 's/^(not )?ok [0-9]* (- )?# SKIP/        skipped:/; /^        /p' "$out"
    fi
}

# run NAME COMMAND...: a program that speaks TAP.
run() {
    local name=$1 began=$EPOCHREALTIME status
    shift
    timeout -k 10 "$limit" "$@" >"$out" 2>&1 </dev/null
    status=$?
    if [ "$status" -ne 0 ] && grep -q '^Tracer caught signal' "$out"; then
        # LeakSanitizer's own thread has crashed, after all that is tested; it does, now and then.
        timeout -k 10 "$limit" "$@" >"$out" 2>&1 </dev/null
        status=$?
    fi
    took=$(awk "BEGIN { print $EPOCHREALTIME - $began }")
    cat "$out" >>"$all"
    report "$name" "$status"
}

# run_folder NAME FOLDER: its C tests.
run_folder() {
    local test
    for test in "$2"/test_*; do
        case $test in *.d | *'*') continue ;; esac
        CMOCKA_MESSAGE_OUTPUT=TAP run "$1/${test##*/}" "$test"
    done
}

# run_fuzz NAME FOLDER HARNESS...: harnesses of tests/fuzz, with the inputs that are kept there.
run_fuzz() {
    local name=$1 folder=$2 harness
    shift 2
    for harness; do
        run "$name/$harness" "$folder/$harness" tests/fuzz/*/"$harness"
    done
}

if [ -z "${SPEC:-}" ]; then
    run_folder tests "$build/tests"
    # prints figures, which are shown; its exit status is the one test
    run tests/simulate bash -o pipefail -c '"$0" | sed "s/^/        /" && echo ok' \
        "$build/tests/simulate"
    run_fuzz tests/fuzz "$build/tests/fuzz" answer headers
fi
# Programs that embed this Lua; exits and stress in their short form (`make exits`, `make stress`).
run_hosts() {
    local folder=$build/$1/host
    run_folder "lua$1 host" "$folder"
    run "lua$1 host/exits" "$folder/exits" 50
    run "lua$1 host/exits tls" "$folder/exits" 50 tls
    run "lua$1 host/stress" "$folder/stress" 300
    run_fuzz "lua$1 fuzz" "$build/$1/fuzz" arguments pages sandbox
}

for lua; do
    interpreter=lua$lua
    [ -n "${SPEC:-}" ] || run_hosts "$lua"
    for spec in ${SPEC:-spec/*_spec.lua}; do
        name=${spec#spec/}
        LUA_PATH="$PWD/lua/?.lua;$PWD/lua/?/init.lua;;" LUA_CPATH="$PWD/$build/$lua/?.so;;" \
            run "$interpreter ${name%_spec.lua}" "$interpreter" tools/busted.lua --output=TAP "$spec"
    done
done

# Whatever the tests have said: none of it may hold a token of the sandbox or a secret on its way to it.
leaked=$(grep -cE 'EgSB[A-Za-z0-9+/]{24,}|client_secret=[^*&" ]{4,}' "$all")
if [ "$leaked" -gt 0 ]; then
    echo "FAILED  $leaked lines of the tests' output hold a token or a secret"
    failed=$((failed + 1))
else
    passed=$((passed + 1))
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
