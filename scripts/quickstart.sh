#!/usr/bin/env bash
# From a fresh clone to a table: installs what is missing, builds, makes 200 Countdown tasks, runs
# jobs/quickstart.yaml (the published searches, and the model that ships) and prints which was best at
# which budget. May be run again: what is there stays. Options are handed to `nightjar run` (for example --max-wall 30s).
set -euo pipefail
cd "$(dirname "$0")/.."

db=quickstart.db
program=build/release/nightjar
started=$SECONDS
step() { printf '\n== %s\n' "$1"; }

step "packages"
scripts/install.sh
installed=$SECONDS

step "build"
cmake -S . -B build/release -G Ninja -DCMAKE_BUILD_TYPE=Release >build-release.log 2>&1 ||
  { cat build-release.log >&2; exit 1; }
cmake --build build/release --target nightjar >>build-release.log 2>&1 ||
  { cat build-release.log >&2; exit 1; }
rm -f build-release.log
"$program" --version
built=$SECONDS

step "200 Countdown tasks of the test partition"
"$program" tasks make countdown --name countdown-200 --count 200 --seed 1 --db "$db"

step "jobs/quickstart.yaml"
"$program" run jobs/quickstart.yaml --db "$db" "$@"
ran=$SECONDS

step "report"
"$program" report --text --db "$db"

cat <<END

== where things lie
  $program   the program
  $db                every task, sample, trace and verdict; open it with sqlite3 (docs/schema.md)
  jobs/quickstart.yaml         the job: copy it and change it
  packages $((installed - started)) s, build $((built - installed)) s, tasks and run $((ran - built)) s, all $((SECONDS - started)) s

== next
  $program trace 'model/0/0' --db $db
  $program compare apr sos+ --axis tokens_ref --at 4096 --db $db
  sqlite3 $db "SELECT condition, round(100*accuracy, 1), round(tokens_ref) FROM accuracy ORDER BY 2 DESC LIMIT 5"
END
