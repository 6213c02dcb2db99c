#!/usr/bin/env bash
# Reads every include and fails on an arrow that points upwards, a library outside its room, or a
# private header used from another room. A folder may be given in place of this tree.
set -u
cd "${1:-$(dirname "$0")/..}" || exit 1
bad=0
complain() { echo "$1"; bad=1; }

# room: the rooms whose headers it may include. A room may always include its own.
declare -A may=(
  [base]="" [kernels]="base" [engine]="kernels base" [solvers]="base" [store]="base"
  [reports]="store base" [pipeline]="solvers engine store reports base")
# header pattern: the rooms that may include it.
libraries=(
  "sqlite3\.h|archive(_entry)?\.h|zlib\.h:store" "yaml\.h:pipeline" "jansson\.h|sha2\.h:base"
  "Random123/.*:base kernels" "pcre2\.h:base engine" "utf8proc\.h:base engine"
  "cuda.*|cublas.*|(oneapi/)?dnnl.*:kernels" "check\.h:tests")
# single exceptions by design: the tokenizer counts for solvers, the bench sees kernels.
exception() {
  case "$1 $2" in
    "solvers engine/tokenizer.h") return 0 ;;
    "pipeline kernels/"*) case "$3" in *bench*|*doctor*) return 0 ;; esac ;;
  esac
  return 1
}

count=0
while IFS= read -r file; do
  room=${file%%/*}
  count=$((count + 1))
  while IFS= read -r header; do
    from=${header%%/*}
    if [ "$from" != "$room" ] && [[ "$header" == *_internal.h ]]; then
      complain "$file: includes $header, which is private to $from"
    fi
    if [ "$header" = kernels/yardstick.h ] && [[ "$file" != *bench* && "$file" != *yardstick* ]]; then
      complain "$file: the yardstick is for benchmarks alone"
    fi
    [ "$from" = "$room" ] && continue
    case " ${may[$room]} " in
      *" $from "*) ;;
      *) exception "$room" "$header" "$file" || complain "$file: $room may not see $header" ;;
    esac
  done < <(sed -n 's/^ *# *include *"\([^"]*\)".*/\1/p' "$file")
  while IFS= read -r header; do
    if [[ "$header" =~ ^(oneapi/)?dnnl && "$file" != kernels/yardstick* ]]; then
      complain "$file: <$header> belongs to kernels/yardstick alone"
    fi
    for rule in "${libraries[@]}"; do
      pattern=${rule%%:*} rooms=${rule#*:}
      [[ "$header" =~ ^($pattern)$ ]] || continue
      case " $rooms " in
        *" $room "*) ;;
        *) complain "$file: <$header> belongs to: $rooms" ;;
      esac
    done
  done < <(sed -n 's/^ *# *include *<\([^>]*\)>.*/\1/p' "$file")
done < <(find base kernels engine solvers store reports pipeline -name '*.[ch]' -o -name '*.cu' \
           -o -name '*.cuh' 2>/dev/null)

[ "$count" -gt 0 ] || complain "no source was found"
[ "$bad" -eq 0 ] && echo "$count files: every include points downwards"
exit "$bad"
