#!/usr/bin/env bash
# Prints the folder for what tests keep: one in memory where there is room, since servers under test wait for the disk
# at each commit, and to make and remove their many files takes time on a disk. $TMPDIR wins.
set -euo pipefail

readonly memory=/dev/shm need=$((8 << 20)) # KiB: what all tests together may take, with room to spare

roomy() {
	local free available probe
	[[ $(stat -f -c %T "$memory") == tmpfs ]] || return 1
	free=$(df -k --output=avail "$memory" | tail -1)
	available=$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo)
	((free >= need && available >= need)) || return 1
	probe=$(mktemp "$memory/stoker-XXXXXX") || return 1
	printf '#!/bin/sh\n' >"$probe" && chmod 700 "$probe" && "$probe" # the programs under test are there too
	local ran=$?
	rm -f "$probe"
	return "$ran"
}

if [[ -z ${TMPDIR-} ]] && roomy 2>/dev/null; then
	echo "$memory"
else
	echo "${TMPDIR:-/tmp}"
fi
