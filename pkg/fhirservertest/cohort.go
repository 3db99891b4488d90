package fhirservertest

import (
	"fmt"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/exporttest"
)

// Types are those of [Cohort] that are of patients, and Supporting the others.
var (
	Types      = []string{"Patient", "Encounter", "Condition", "Observation", "MedicationRequest", "DocumentReference"}
	Supporting = []string{"Practitioner", "Organization", "Location", "Medication", "Binary"}
)

// Cohort is the resources of n patients with so many observations each, and of those who treated them: with ids 0 to n-1, last
// updated a minute after each other from a time on. What points is before what it points to.
func Cohort(n, observations int, from time.Time) (list []exporttest.Resource) {
	add := func(resourceType, id, members string, args ...any) {
		updated := from.Add(time.Duration(len(list)) * time.Minute)
		list = append(list, exporttest.Resource{Type: resourceType, ID: id, Updated: updated, Body: `{"resourceType":"` + resourceType + `","id":"` + id +
			`","meta":{"versionId":"1","lastUpdated":"` + updated.Format(time.RFC3339) + `"},` + fmt.Sprintf(members, args...) + `}`})
	}
	const code = `{"coding":[{"system":"http://loinc.org","code":"8867-4"}]}`
	for i := range n {
		add("Patient", fmt.Sprint(i), `"gender":"female","birthDate":"19%02d-01-31","generalPractitioner":[{"reference":"Practitioner/d%d"}]`, i%100, i%3)
		add("Encounter", fmt.Sprintf("e%d", i), `"status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/%d"},"location":[{"location":{"reference":"Location/l%d"}}]`, i, i%2)
		add("Condition", fmt.Sprintf("c%d", i), `"code":%s,"subject":{"reference":"Patient/%d"}`, code, i)
		for j := range observations {
			add("Observation", fmt.Sprintf("o%d-%d", i, j), `"status":"final","category":[{"coding":[{"code":"%s"}]}],"code":%s,"subject":{"reference":"Patient/%d"},"valueQuantity":{"value":%d.0,"unit":"/min"}`,
				[]string{"vital-signs", "laboratory"}[j%2], code, i, 60+j)
		}
		add("MedicationRequest", fmt.Sprintf("m%d", i), `"status":"active","intent":"order","medicationReference":{"reference":"Medication/x%d"},"subject":{"reference":"Patient/%d"}`, i%5, i)
		add("DocumentReference", fmt.Sprintf("r%d", i), `"status":"current","subject":{"reference":"Patient/%d"},"content":[{"attachment":{"contentType":"text/plain","url":"Binary/b%d"}}]`, i, i)
	}
	for i := range 3 {
		add("Practitioner", fmt.Sprintf("d%d", i), `"active":true`)
	}
	for i := range 2 {
		add("Location", fmt.Sprintf("l%d", i), `"name":"Ward %d","managingOrganization":{"reference":"Organization/h"}`, i)
	}
	for i := range 5 {
		add("Medication", fmt.Sprintf("x%d", i), `"status":"active"`)
	}
	add("Organization", "h", `"name":"Hospital"`)
	for i := range n {
		add("Binary", fmt.Sprintf("b%d", i), `"contentType":"text/plain","data":"aGVsbG8="`)
	}
	members := func(name string) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`{"%s":{"reference":"Patient/%d"}}`, name, i))
		}
		return strings.Join(all, ",")
	}
	add("Group", "study", `"type":"person","actual":true,"member":[%s]`, members("entity"))
	add("List", "study", `"status":"current","mode":"working","entry":[%s]`, members("item"))
	return list
}
