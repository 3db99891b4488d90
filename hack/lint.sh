#!/usr/bin/env bash
# Runs golangci-lint of the pinned version on every module. "hack/lint.sh --present" only
# says by its exit code whether that version is there.
set -euo pipefail
cd "$(dirname "$0")/.."

GO=${GO:-go}
version=${GOLANGCI_VERSION:?run me as: make lint}

# "golangci-lint version" says 2.15.0 or v2.15.0, by how it was built.
present() {
	local candidate
	for candidate in "$PWD/out/tools/golangci-lint" "$(command -v golangci-lint || true)" "$("$GO" env GOPATH)/bin/golangci-lint"; do
		if [[ -x $candidate ]] && "$candidate" version 2>/dev/null | grep -qE "version v?${version#v} "; then
			linter=$candidate
			return 0
		fi
	done
	return 1
}

if [[ ${1:-} == --present ]]; then
	present
	exit
fi
present || { make --no-print-directory tools && present; }

failed=0
while read -r module; do
	echo "lint $module"
	(cd "$module" && "$linter" run --allow-parallel-runners --config "$OLDPWD/.golangci.yml" ./...) || failed=1
done < <(hack/modules.sh)
exit "$failed"
