package fhirservertest

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/exporttest"
)

// patientOf is the id of the patient that a resource is of; "" is none.
func patientOf(r exporttest.Resource) string {
	if r.Type == "Patient" {
		return r.ID
	}
	type reference struct{ Reference string }
	var m struct{ Subject, Patient, Individual, Beneficiary reference }
	_ = json.Unmarshal([]byte(r.Body), &m) // what is no resource is of nobody
	for _, to := range []string{m.Subject.Reference, m.Patient.Reference, m.Individual.Reference, m.Beneficiary.Reference} {
		if id, ok := strings.CutPrefix(to, "Patient/"); ok {
			return id
		}
	}
	return ""
}

// since is the least time of what is asked for; zero: any.
func since(opts Options, q url.Values) time.Time {
	if opts.IgnoreSince {
		return time.Time{}
	}
	for _, name := range []string{"_since", "_lastUpdated"} {
		if t, err := time.Parse(time.RFC3339, strings.TrimPrefix(q.Get(name), "ge")); err == nil {
			return t
		}
	}
	return time.Time{}
}

// search finds the resources of a type.
func search(opts Options, a Asked, resourceType string) (entries []string) {
	for _, r := range opts.Resources {
		if r.Type != resourceType || r.Updated.Before(since(opts, a.Query)) {
			continue
		}
		if ids := a.Query.Get("_id"); ids != "" && !slices.Contains(strings.Split(ids, ","), r.ID) {
			continue
		}
		if category := a.Query.Get("category"); category != "" && !strings.Contains(r.Body, `"`+category+`"`) {
			continue
		}
		patient := a.Query.Get("patient") + strings.TrimPrefix(a.Query.Get("subject"), "Patient/")
		if patient != "" && patientOf(r) != patient && !opts.IgnorePatient {
			continue
		}
		entries = append(entries, found(r, "match"))
	}
	return entries
}

func found(r exporttest.Resource, mode string) string {
	return `{"fullUrl":"https://fhir.example/` + r.Type + `/` + r.ID + `","resource":` + r.Body + `,"search":{"mode":"` + mode + `"}}`
}

// everything is what there is of a patient, and what of no patient is pointed to.
func everything(opts Options, a Asked, patient string) (entries []string, ok bool) {
	var types []string
	if asked := a.Query.Get("_type"); asked != "" {
		types = strings.Split(asked, ",")
	}
	pointed := map[string]bool{}
	for _, r := range opts.Resources {
		ok = ok || r.Type == "Patient" && r.ID == patient
		switch of := patientOf(r); {
		case len(types) > 0 && !slices.Contains(types, r.Type) || r.Updated.Before(since(opts, a.Query)):
		case of == patient:
			entries = append(entries, found(r, "match"))
			point(pointed, r.Body)
		case of == "" && pointed[r.Type+"/"+r.ID] && !opts.Bare: // what points is before what it points to
			entries = append(entries, found(r, "include"))
			point(pointed, r.Body)
		}
	}
	return entries, ok
}

func point(pointed map[string]bool, body string) {
	for rest := body; ; {
		_, after, ok := strings.Cut(rest, `"reference":"`)
		if !ok {
			return
		}
		to, after, _ := strings.Cut(after, `"`)
		pointed[to], rest = true, after
	}
}

// history is that of a type, newest first: the resources as they are, and the deletions.
func history(opts Options, a Asked, resourceType string) (entries []string) {
	type version struct {
		at   time.Time
		text string
	}
	var list []version
	least := since(opts, a.Query)
	for _, r := range opts.Resources {
		if r.Type == resourceType && !r.Updated.Before(least) {
			list = append(list, version{r.Updated, `{"fullUrl":"https://fhir.example/` + r.Type + `/` + r.ID + `","resource":` + r.Body +
				`,"request":{"method":"PUT","url":"` + r.Type + `/` + r.ID + `"},"response":{"status":"200"}}`})
		}
	}
	for _, d := range opts.Deleted {
		at, err := time.Parse(time.RFC3339, d.At)
		if err != nil || d.Type != resourceType || at.Before(least) {
			continue
		}
		changed := `,"lastModified":"` + d.At + `"`
		if opts.Undated {
			changed = ""
		}
		list = append(list, version{at, `{"request":{"method":"DELETE","url":"` + d.Type + `/` + d.ID + `/_history/9"},"response":{"status":"204","etag":"W/\"9\""` + changed + `}}`})
	}
	slices.SortStableFunc(list, func(a, b version) int { return b.at.Compare(a.at) })
	for _, v := range list {
		entries = append(entries, v.text)
	}
	return entries
}
