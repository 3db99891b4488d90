#!/usr/bin/env bash
# Prints the folders of all Go modules, one a line, from the root of the repository.
set -euo pipefail
cd "$(dirname "$0")/.."
find . -name go.mod -not -path './out/*' -not -path './.git/*' -printf '%h\n' | sort
