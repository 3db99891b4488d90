#!/usr/bin/env bash
# Installs PostgreSQL's programs if there are none. Stoker and its tests run servers of
# their own with them; no cluster of the distribution's is made or used.
set -euo pipefail

found() {
	command -v postgres >/dev/null && return 0
	compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null && return 0
	command -v pg_config >/dev/null && [[ -x "$(pg_config --bindir)/postgres" ]]
}

if found; then
	exit 0
fi

root=()
if [[ $EUID -ne 0 ]]; then
	root=(sudo -n)
fi
if ! command -v apt-get >/dev/null; then
	echo "PostgreSQL is missing. Install its server (15 or newer) with your system's packages." >&2
	exit 1
fi
if [[ $EUID -ne 0 ]] && ! sudo -n true 2>/dev/null; then
	echo "PostgreSQL is missing. Install it as root: apt-get install postgresql" >&2
	exit 1
fi

echo "installing PostgreSQL"
# While this file is there, the package makes no cluster and starts nothing.
note=/etc/postgresql-common/createcluster.d/stoker.conf
trap '"${root[@]}" rm -f "$note"' EXIT
"${root[@]}" mkdir -p "${note%/*}"
echo 'create_main_cluster = false' | "${root[@]}" tee "$note" >/dev/null

log=$(mktemp)
apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300)
if ! { "${apt[@]}" update && "${apt[@]}" install --no-install-recommends postgresql; } >"$log" 2>&1; then
	cat "$log" >&2
	echo "PostgreSQL could not be installed; see above" >&2
	exit 1
fi
rm -f "$log"
found || { echo "PostgreSQL was installed but its programs are not found" >&2; exit 1; }
