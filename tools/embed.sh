#!/bin/sh
# Writes the Lua files under a folder as C data: the table of src/embed/files.h.
# usage: tools/embed.sh FOLDER >FILE.c
set -eu
cd "$1"
files=$(find groove -name '*.lua' | LC_ALL=C sort)

echo '/* Made by tools/embed.sh. */'
echo '#include "files.h"'
number=0
for file in $files; do
    number=$((number + 1))
    echo "static const unsigned char file_$number[] = {"
    od -An -v -tu1 "$file" | sed 's/[0-9][0-9]*/&,/g'
    echo '};'
done

echo 'const struct gr_file gr_files[] = {'
number=0
for file in $files; do
    number=$((number + 1))
    module=$(echo "${file%.lua}" | sed 's,/init$,,; s,/,.,g')
    echo "    {\"$module\", \"@$file\", file_$number, sizeof file_$number},"
done
echo '};'
echo "const size_t gr_file_count = $number;"
