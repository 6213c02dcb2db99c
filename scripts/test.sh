#!/usr/bin/env bash
# Installs, builds and tests. Without options: the developer preset, all but the slow tests. With
# --full: slow tests too, the sanitizer presets, and each fuzz target for 10 seconds. Red when
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

build() { # preset, targets: all without one
  local preset=$1
  shift
  cmake --preset "$preset" >/dev/null
  cmake --build --preset "$preset" ${1:+--target "$@"} -- -j"$jobs"
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
# Pure arithmetic that is compared bit for bit, or writes searches token by token, has little to gain
# and takes minutes, and what the table of errors meets other suites meet too.
run asan -LE 'slow|long' \
  -E '^(search|math|sampling|reference|cpu|attention|forward|schedule|segment_random|errors|faults|apr_engine|apr_replay|gang_replay|kill_apr|shipped_jobs|workers_countdown)$'
# The whole of these takes many minutes so; the dev preset runs it.
CK_RUN_CASE='run memory' build/asan/tests/test_faults 1999
build/asan/tests/test_schedule 30
build/asan/tests/test_attention 8
scripts/install.sh --fuzz
scripts/fuzz.sh 10
# What runs in one thread has nothing to race with.
threaded=(store store_samples store_faults run kill shards bench)
build tsan nightjar test_attention "${threaded[@]/#/test_}"
run tsan -R "^($(IFS='|' && echo "${threaded[*]}"))\$"
build/tsan/tests/test_attention 8
# README's first command, twice: the second time nothing is left to do.
scripts/quickstart.sh --limit 100
scripts/quickstart.sh --limit 100 2>&1 | tee quickstart-again.log
grep -q "nothing left to do" quickstart-again.log
rm quickstart-again.log
run dev -LE long
