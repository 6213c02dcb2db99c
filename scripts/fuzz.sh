#!/usr/bin/env bash
# Builds the fuzz targets and runs each for SECONDS (60), two at a time: all of them, or those that
# are named. What a target finds goes on where it stopped: inputs that reach something new are kept
# in build/fuzz/corpus, and one that breaks a promise in build/fuzz/crashes. Exit 1 when there is
# one. FUZZ_JOBS=1 runs one at a time.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=60
if [[ "${1:-}" =~ ^[0-9]+$ ]]; then
  seconds=$1
  shift
fi
targets=("$@")
if [ "${#targets[@]}" -eq 0 ]; then
  for file in tests/fuzz/fuzz_*.c; do
    name=${file##*/fuzz_}
    targets+=("${name%.c}")
  done
fi
for target in "${targets[@]}"; do
  if [ ! -f "tests/fuzz/fuzz_$target.c" ]; then
    echo "usage: scripts/fuzz.sh [SECONDS] [TARGET...]; there is no target '$target'" >&2
    exit 2
  fi
done

cmake --preset fuzz >/dev/null
cmake --build --preset fuzz
out=build/fuzz
mkdir -p "$out/crashes" "$out/logs"

# Inputs stay near the size at which a target still does thousands a second.
max_len() {
  case "$1" in
    store) echo 65536 ;;
    archive) echo 32768 ;;
    *) echo 8192 ;;
  esac
}

fuzz() { # target
  local target=$1 scratch code=0
  mkdir -p "$out/corpus/$target"
  scratch=$(mktemp -d "$([ -w /dev/shm ] && echo /dev/shm || echo /tmp)/nightjar-fuzz-XXXXXX")
  # SQLite takes its memory in thousands of small pieces: short stacks and a small quarantine.
  ASAN_OPTIONS=malloc_context_size=2:quarantine_size_mb=16 TMPDIR=$scratch "$out/tests/fuzz/fuzz_$target" "$out/corpus/$target" \
    "tests/fuzz/corpus/$target" -dict="tests/fuzz/dictionaries/$target.dict" \
    -max_total_time="$seconds" -max_len="$(max_len "$target")" -timeout=10 -rss_limit_mb=2048 \
    -artifact_prefix="$out/crashes/$target-" -print_final_stats=1 >"$out/logs/$target" 2>&1 ||
    code=$?
  rm -rf "$scratch"
  return "$code"
}

bad=0
report() { # target exit-code
  local log=$out/logs/$1 last runs edges
  last=$(grep -E '^#[0-9]+' "$log" | tail -n 1 || true)
  edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' <<<"$last")
  runs=$(sed -n 's/^stat::number_of_executed_units: //p' "$log")
  printf '%-8s %9s executions, %5s edges, %5s inputs kept\n' "$1" "${runs:-?}" "${edges:-?}" \
    "$(find "$out/corpus/$1" -type f | wc -l)"
  if [ "$2" -ne 0 ]; then
    bad=1
    echo "$1 broke: the input is in $out/crashes, and $log says how:"
    grep -E 'ERROR|SUMMARY|broken promise|runtime error|Test unit written' "$log" || tail -n 5 "$log"
  fi
}

at_once=${FUZZ_JOBS:-2}
for ((i = 0; i < ${#targets[@]}; i += at_once)); do
  pids=()
  group=("${targets[@]:i:at_once}")
  for target in "${group[@]}"; do
    fuzz "$target" &
    pids+=($!)
  done
  for k in "${!group[@]}"; do
    code=0
    wait "${pids[k]}" || code=$?
    report "${group[k]}" "$code"
  done
done
exit "$bad"
