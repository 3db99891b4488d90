#!/usr/bin/env bash
# Runs every fuzz target of every module for FUZZTIME, one after the other.
set -euo pipefail
cd "$(dirname "$0")/.."

GO=${GO:-go}
targets=$(grep -rHoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | grep -v '^\./out/' | sort || true)
if [[ -z $targets ]]; then
	echo "no fuzz targets found" >&2
	exit 1
fi
while IFS=: read -r file func; do
	name=${func#func }
	echo "== ${file%/*} $name"
	"$GO" test -run='^$' -fuzz="^$name\$" -fuzztime="${FUZZTIME:-30s}" "${file%/*}"
done <<<"$targets"
