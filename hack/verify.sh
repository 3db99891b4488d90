#!/usr/bin/env bash
# Checks what must hold for every commit and is not a test. All checks run; the exit code
# is 1 if one failed.
set -euo pipefail
cd "$(dirname "$0")/.."

GO=${GO:-go}
failed=0
mapfile -t modules < <(hack/modules.sh)

# check NAME COMMAND…: a check passes when the command succeeds.
check() {
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then
		echo "ok    $name"
	else
		echo "FAIL  $name"
		[[ -z $out ]] || printf '%s\n' "$out" | sed -n '1,60p' | sed 's/^/      /'
		failed=1
	fi
}

formatted() {
	local list
	list=$(find . -name '*.go' -not -path './out/*' -not -path './.git/*' -print0 | xargs -0 -r gofmt -l) || return 1
	[[ -z $list ]] || { echo "$list"; return 1; }
}

# One go line for all, so that what builds in the workspace builds without it.
same_go_lines() {
	local lines
	lines=$(grep -HE '^(go|toolchain) ' go.work $(hack/modules.sh | sed 's|$|/go.mod|'))
	[[ $(printf '%s\n' "$lines" | sed 's/^[^:]*://' | sort -u | wc -l) -eq 1 ]] || { echo "$lines"; return 1; }
}

in_workspace() {
	local module missing=0
	for module in "${modules[@]}"; do
		grep -qE "^[[:space:]]*(use )?$module\$" go.work || { echo "$module is not in go.work"; missing=1; }
	done
	return "$missing"
}

# Every field of a message has its line in docs/messages.md.
documented() {
	local field missing=0
	while read -r field; do
		grep -q "\`$field\`" docs/messages.md || { echo "docs/messages.md lacks the field $field"; missing=1; }
	done < <(grep -hoE --exclude='*_test.go' 'json:"[a-z_]+' pkg/fhirmsg/*.go | sed 's/^json:"//' | sort -u)
	return "$missing"
}

# Every test that the documents name exists.
tested() {
	local name missing=0
	while read -r name; do
		grep -rqE --include='*_test.go' "^func $name\\(" pkg services deploy || { echo "no test is called $name"; missing=1; }
	done < <(grep -hoE '`(Test|Fuzz)[A-Za-z0-9]+' docs/invariants.md docs/security.md | tr -d '`' | sort -u)
	return "$missing"
}

tidy() { (cd "$1" && GOWORK=off "$GO" mod tidy -diff); }

# Test files too, without running anything.
builds_alone() {
	(cd "$1" && [[ -z $(find . -name '*.go' -print -quit) ]]) ||
		(cd "$1" && GOWORK=off "$GO" build -o /dev/null ./... && GOWORK=off "$GO" vet ./...)
}

# sums prints the checksums of everything that "make generate" writes.
sums() {
	find . \( -name '*_gen.go' -o -path './docs/configuration.md' -o -path './docs/metrics.md' -o -path './docs/openapi.json' -o -path './docs/validation.md' -o -path './pkg/fhirdef/*.txt' \) \
		-not -path './out/*' -print0 | sort -z | xargs -0 -r sha256sum
}

generated() {
	local before
	before=$(sums)
	make --no-print-directory -s generate || return 1
	diff <(printf '%s\n' "$before") <(sums) ||
		{ echo "generated files were not up to date; they are now: commit them"; return 1; }
}

check "gofmt" formatted
check "equal go lines in go.work and go.mod" same_go_lines
check "all modules are in go.work" in_workspace
check "docs/messages.md names every field" documented
check "tests that docs name exist" tested
check "go vet" "$GO" vet work
for module in "${modules[@]}"; do
	check "$module: go mod tidy" tidy "$module"
	check "$module: builds without the workspace" builds_alone "$module"
done
check "generated files are up to date" generated
exit "$failed"
