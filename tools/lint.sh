#!/bin/bash
# make lint: every check runs, so that one run shows all there is to mend. Exits 1 if any complained.
set -u
make=${MAKE:-make}
lua=${LUA:-5.4}
shopt -s nullglob
sources=(src/*/*.c)
tests=(tests/*.c tests/*/*.c)
others=(bench/*.c tools/*.c examples/*/*.c)
headers=(src/*.h src/*/*.h tests/*/*.h bench/*.h examples/*/*.h)
flags=(-std=c11 -D_GNU_SOURCE -Isrc -Isrc/core $(pkg-config --cflags libcurl jansson "lua$lua"))
failed=

check() {
    local name=$1 began=$EPOCHREALTIME word=ok
    shift
    "$@" || { word=FAILED; failed="$failed $name"; }
    printf '%-8s%-18s%6.1f s\n' "$word" "$name" "$(awk "BEGIN { print $EPOCHREALTIME - $began }")"
}

# A build of its own with -Werror: some warnings need the optimizer.
compile_with() {
    command -v "$1" >/dev/null || return
    "$make" --no-print-directory -s VARIANT="lint-$1" CC="$1" CFLAGS="-O2 -Werror" LUA="$lua" \
        all tests host engine
}

# gcc's own look along each path of the code, one file at a time. It knows no comments of clang-tidy's;
# here a line with NOLINT about memory is excused, which is where both go wrong: at reference counts.
analyze() {
    local found said=
    found=$(printf '%s\n' "${sources[@]}" | xargs -P "$(nproc)" -I FILE \
        gcc "${flags[@]}" -O1 -fanalyzer -fdiagnostics-plain-output \
        -c -o /dev/null FILE 2>&1 | grep -E '(warning|error): ')
    while IFS=: read -r file line rest; do
        [ -n "$file" ] || continue
        if ! sed -n "${line}p" "$file" | grep -qE 'NOLINT\((clang-analyzer-unix.Malloc|gcc-analyzer)\)'; then
            said=yes
            echo "$file:$line:$rest"
        fi
    done <<<"$found"
    [ -z "$said" ]
}

# On standard error it only counts the warnings of other people's headers.
tidy() {
    printf '%s\n' "${sources[@]}" |
        xargs -P "$(nproc)" -I FILE clang-tidy --quiet FILE -- "${flags[@]}" 2>/dev/null
}

check clang-format clang-format --dry-run -Werror "${sources[@]}" "${headers[@]}" "${tests[@]}" \
    "${others[@]}"
check gcc compile_with gcc
check clang compile_with clang
check clang-tidy tidy
check gcc-analyzer analyze
check cppcheck cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr -j "$(nproc)" \
    --enable=warning,performance,portability -D_GNU_SOURCE -Isrc/core \
    --include="/usr/include/$(gcc -dumpmachine)/sys/queue.h" "${sources[@]}" "${others[@]}"
check luacheck luacheck --quiet --no-color lua spec examples bench types tools tests

if [ -n "$failed" ]; then
    echo "lint:$failed" >&2
    exit 1
fi
