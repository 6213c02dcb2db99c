#!/usr/bin/env bash
# The include check must be red where it should be: one wrong tree for each of its rules.
set -u
check=$(cd "$(dirname "$0")" && pwd)/check_includes.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree"/{base,kernels,engine,solvers,store,reports,pipeline}
bad=0

expect() { # wanted exit code, what it is about
  "$check" "$tree" >"$tree/said" 2>&1
  local code=$?
  [ "$code" -eq "$1" ] || { echo "$2: exit $code, not $1"; cat "$tree/said"; bad=1; }
}

expect 1 "no source"
echo '#include "base/text.h"' >"$tree/store/a.c"
expect 0 "a right arrow"
try() { # file, line
  echo "$2" >"$tree/$1"
  expect 1 "$1: $2"
  rm "$tree/$1"
}
try base/a.c '#include "store/store.h"'
try store/b.c '#include "solvers/search.h"'
try reports/a.c '  #  include "pipeline/job.h"'
try reports/b.c '#include <sqlite3.h>'
try store/c.c '#include <yaml.h>'
try solvers/a.c '#include <jansson.h>'
try reports/c.c '#include "store/store_internal.h"'
try base/b.c '#include <check.h>'
try kernels/a.c '#include <oneapi/dnnl/dnnl.h>'
try engine/a.c '#include <dnnl.h>'
try engine/b.c '#include "kernels/yardstick.h"'
exit "$bad"
