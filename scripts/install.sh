#!/usr/bin/env bash
# Installs the Debian packages that are missing: what the build needs, with --tests also what the
# tests need, with --fuzz what the fuzz targets need, and with --bench the library that bench holds
# our products against. Says what it does; does nothing where all are there.
set -euo pipefail

packages=(gcc libc6-dev cmake ninja-build pkg-config libjansson-dev libmd-dev libsqlite3-dev libarchive-dev
          zlib1g-dev libyaml-dev librandom123-dev libutf8proc-dev libpcre2-dev sqlite3)
for option in "$@"; do
  case "$option" in
    --tests) packages+=(check git) ;;
    --fuzz) packages+=(clang libclang-rt-14-dev) ;;
    --bench) packages+=(libdnnl-dev) ;;
    *) echo "usage: scripts/install.sh [--tests] [--fuzz] [--bench]" >&2; exit 2 ;;
  esac
done

missing=()
for package in "${packages[@]}"; do
  if [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)" != installed ]; then
    missing+=("$package")
  fi
done
[ "${#missing[@]}" -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "these packages are missing and need root to install: ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
  "${missing[@]}" >/dev/null
