#!/bin/sh
# Compile the library into FOLDER (default: this folder): sh build.sh [FOLDER]
# The sources are only read, so they may lie in a read-only place; FOLDER receives a copy of them and the compiled files.
# Files are compiled in the order of _CoqProject, those that are up to date are left alone; the axioms are printed at the end.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
stale=no
for file in $(sed -n '/\.v$/p' "$here/_CoqProject"); do
  [ "$folder" = "$here" ] || cmp -s "$here/$file" "$folder/$file" || { cp "$here/$file" "$folder/$file"; chmod u+w "$folder/$file"; }
  if [ "$stale" = yes ] || [ ! "$folder/${file}o" -nt "$folder/$file" ]; then
    stale=yes
    (cd "$folder" && coqc -q -Q . SgdVerify "$file" > output.txt)
  fi
done
cat "$folder/output.txt" # of the last file, Assumptions.v
