#!/bin/bash
# Runs the C tests, the simulation, what fuzzing has left and the specs, each in a process of its own,
# and adds up.
# usage: tools/test.sh BUILD LUA...      BUILD: build, build/asan, ...; LUA: 5.1 5.2 5.3 5.4 jit
# SPEC='spec/a_spec.lua ...' runs only those specs and no C tests. GROOVE_TEST_TIMEOUT: seconds a
# program may take (120). GROOVE_TEST_JOBS: how many run at a time (one for each processor).
# GROOVE_TEST_ONLY, GROOVE_TEST_SKIP: runs those alone, leaves out those, whose name, as it is printed,
# matches this expression.
# GROOVE_TEST_MORE: specs to run beside the others, where SPEC is not set.
# GROOVE_TEST_UNDER: a command that runs C tests and interpreters, such as valgrind with its options.
# Exits 1 when anything failed; a program that crashes counts as a failure.
set -u
cd "$(dirname "$0")/.." || exit 1
build=$1
shift
limit=${GROOVE_TEST_TIMEOUT:-120}
# Much of what they do is to wait: for a token's end, a time limit, a server. So they run side by side;
# each has ports, files and servers of its own.
jobs=${GROOVE_TEST_JOBS:-$(nproc)}
read -ra under <<<"${GROOVE_TEST_UNDER:-}"
passed=0
failed=0
count=0
declare -A name_of=() output_of=() began_at=() # of what is running, by process
outputs=$(mktemp -d)
trap 'rm -rf "$outputs"' EXIT
trap 'kill "${!name_of[@]}" 2>/dev/null; exit 130' INT TERM HUP

# report NAME STATUS OUTPUT SECONDS: counts the lines of TAP; shows all of it when something went wrong.
report() {
    local name=$1 status=$2 out=$3 took=$4 good bad planned seen
    good=$(grep -v '# SKIP' "$out" | grep -c '^ok\b')
    bad=$(grep -v '# SKIP' "$out" | grep -c '^not ok\b')
    # a plan without tests is fine: all of a spec may be left out
    # busted says how many there are at the end, cmocka at the start; some may not have been reached
    planned=$(sed -nE 's/^1\.\.([0-9]+).*/\1/p' "$out" | tail -n 1)
    seen=$(grep -cE '^(not )?ok [0-9]' "$out")
    [ "$status" -ne 0 ] || [ "$seen" -eq 0 ] || [ "$seen" -ge "${planned:-$((seen + 1))}" ] || status=1
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

# launch NAME COMMAND...: starts a program that speaks TAP.
launch() {
    local name=$1 out=$outputs/$((count += 1))
    shift
    timeout -k 10 "$limit" "$@" >"$out" 2>&1 </dev/null &
    name_of[$!]=$name
    output_of[$!]=$out
    began_at[$!]=$EPOCHREALTIME
}

# Waits for the end of one program, and reports it.
finish() {
    local pid status name
    wait -n -p pid
    status=$?
    name=${name_of[$pid]}
    unset "name_of[$pid]"
    report "$name" "$status" "${output_of[$pid]}" \
        "$(awk "BEGIN { print $EPOCHREALTIME - ${began_at[$pid]} }")"
}

finish_all() {
    while [ ${#name_of[@]} -gt 0 ]; do finish; done
}

# run NAME COMMAND...: starts a program that speaks TAP, as soon as there is room for it.
run() {
    [[ $1 =~ ${GROOVE_TEST_ONLY:-} ]] || return
    [ -z "${GROOVE_TEST_SKIP:-}" ] || [[ ! $1 =~ $GROOVE_TEST_SKIP ]] || return
    while [ ${#name_of[@]} -ge "$jobs" ]; do finish; done
    launch "$@"
}

# run_folder NAME FOLDER: its C tests.
run_folder() {
    local test
    for test in "$2"/test_*; do
        [ -x "$test" ] || continue
        run "$1/${test##*/}" env CMOCKA_MESSAGE_OUTPUT=TAP "${under[@]}" "$test"
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
    for spec in ${SPEC:-spec/*_spec.lua ${GROOVE_TEST_MORE:-}}; do
        name=${spec#spec/}
        run "$interpreter ${name%_spec.lua}" env LUA_PATH="$PWD/lua/?.lua;$PWD/lua/?/init.lua;;" \
            LUA_CPATH="$PWD/$build/$lua/?.so;;" "${under[@]}" "$interpreter" tools/busted.lua --output=TAP "$spec"
    done
done

finish_all

# Whatever the tests have said: none of it may hold a token of the sandbox or a secret on its way to it.
ran=$passed
leaked=$(cat "$outputs"/* | grep -cE 'EgSB[A-Za-z0-9+/]{24,}|client_secret=[^*&" ]{4,}')
if [ "$leaked" -gt 0 ]; then
    echo "FAILED  $leaked lines of the tests' output hold a token or a secret"
    failed=$((failed + 1))
else
    passed=$((passed + 1))
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$ran" -gt 0 ]
