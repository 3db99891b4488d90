#!/usr/bin/env bash
# The first minute: generates a dataset, imports it, imports it again to show that nothing
# changes, and asks the result three questions. Needs out/bin/stoker (make demo builds it).
set -euo pipefail
cd "$(dirname "$0")/.."

# Its own servers in its own folder, whatever the environment names.
unset STOKER_URL NATS_URL DATABASE_URL
export STOKER_DATA_DIR=$PWD/out/demo/stoker
export PGOPTIONS= PAGER=cat PSQLRC=/dev/null
data=out/demo/data
stoker=out/bin/stoker

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[[ -t 1 ]] || say() { printf '\n%s\n' "$*"; }
run() {
	printf '$ stoker'
	printf ' %q' "$@"
	printf '\n'
	"$stoker" "$@"
}
ask() {
	say "$1"
	"$stoker" psql -q -P footer=off -c "$2"
}

rm -rf out/demo
mkdir -p out/demo

say "Synthetic patients"
run generate --patients 50 --seed 1 "$data"

say "First import: everything is new"
run import "$data"

say "Second import: nothing changes"
run import "$data"

ask "Patients by gender and year of birth" "
SELECT resource->>'gender' AS gender, count(*) AS patients,
       min(left(resource->>'birthDate', 4)) AS oldest, max(left(resource->>'birthDate', 4)) AS youngest
FROM fhir.patient GROUP BY 1 ORDER BY 1"

ask "The most frequent observations" "
SELECT resource#>>'{code,coding,0,code}' AS loinc, resource#>>'{code,coding,0,display}' AS observation,
       count(*), round(avg((resource#>>'{valueQuantity,value}')::numeric), 1) AS mean
FROM fhir.observation WHERE resource ? 'valueQuantity' GROUP BY 1, 2 ORDER BY count(*) DESC, 1 LIMIT 8"

ask "Who was seen most often" "
SELECT concat_ws(' ', p.resource#>>'{name,0,given,0}', p.resource#>>'{name,0,family}') AS patient,
       count(*) AS encounters, min(left(e.resource#>>'{period,start}', 10)) AS first,
       max(left(e.resource#>>'{period,start}', 10)) AS last
FROM fhir.encounter e JOIN fhir.patient p ON e.resource#>>'{subject,reference}' = 'Patient/' || p.id
GROUP BY p.id, 1 ORDER BY count(*) DESC, p.id LIMIT 5"

say "What was imported"
run status

say "The data stays in out/demo. More: out/bin/stoker --help"
