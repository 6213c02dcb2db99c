#!/usr/bin/env bash
# Installs, builds and tests. Without options: the developer preset, all but the slow tests. With
# --full: slow tests too, the sanitizer presets, and each fuzz target for 20 seconds. Red when
# anything is broken.
set -euo pipefail
cd "$(dirname "$0")/.."

full=0
case "${1:-}" in
  "") ;;
  --full) full=1 ;;
  *) echo "usage: scripts/test.sh [--full]" >&2; exit 2 ;;
esac

scripts/install.sh --tests
jobs=$(nproc)

build() {
  cmake --preset "$1" >/dev/null
  cmake --build --preset "$1" -- -j"$jobs"
}

run() { # preset, further ctest options
  local preset=$1
  shift
  echo "== tests of preset $preset"
  ctest --preset "$preset" -j"$jobs" --no-tests=error "$@"
}

build dev
if [ "$full" -eq 0 ]; then
  run dev -LE 'slow|long'
  exit 0
fi

build asan
run asan -LE 'slow|long'
scripts/install.sh --fuzz
scripts/fuzz.sh 20
build tsan
# What runs in one thread has nothing to race with.
run tsan -L 'unit|cli|kernel' -LE 'slow|long' \
  -E '^(search|grammar|countdown|check|includes|includes_refuses|math|reference|sampling)$'
# README's first command, twice: the second time nothing is left to do.
scripts/quickstart.sh --limit 100
scripts/quickstart.sh --limit 100 2>&1 | tee quickstart-again.log
grep -q "nothing left to do" quickstart-again.log
rm quickstart-again.log
# The plain build as a user makes it: no presets, no tests.
cmake -S . -B build/plain -G Ninja >/dev/null
cmake --build build/plain
build/plain/nightjar --version
run dev -LE long
