package group

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Limits of a Group.
const (
	MaxSize    = 64 << 20 // bytes of the resource
	maxMembers = 1_000_000
)

// idPattern is FHIR's (https://hl7.org/fhir/R4/datatypes.html#id), and longer ones, as some servers have.
var idPattern = regexp.MustCompile(`^[A-Za-z0-9\-._]{1,128}$`)

// Patients are the ids of the patients who are members of a Group at a time, in order and each once. Members that are no patients, and
// such as are not members any more, are passed over. Errors repeat nothing of the content.
func Patients(content []byte, now time.Time) ([]string, error) {
	if len(content) > MaxSize {
		return nil, fmt.Errorf("the Group has more than %d bytes", MaxSize)
	}
	var g struct {
		ResourceType string `json:"resourceType"`
		Member       []struct {
			Inactive bool `json:"inactive"`
			Entity   struct {
				Reference string `json:"reference"`
			} `json:"entity"`
			Period struct {
				End string `json:"end"`
			} `json:"period"`
		} `json:"member"`
	}
	if err := json.Unmarshal(content, &g); err != nil || g.ResourceType != "Group" {
		return nil, errors.New("what the server sent is no Group in JSON")
	}
	if len(g.Member) > maxMembers {
		return nil, fmt.Errorf("the Group has more than %d members", maxMembers)
	}
	ids := []string{}
	for _, m := range g.Member {
		if m.Inactive || isOver(m.Period.End, now) {
			continue
		}
		if id := patientID(m.Entity.Reference); id != "" {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// isOver reports whether a period that ends so (a dateTime of FHIR) is over. What is of less than a second is not judged.
func isOver(end string, now time.Time) bool {
	t, err := time.Parse(time.RFC3339, end)
	return err == nil && t.Before(now)
}

// patientID is the id that a reference to a Patient names, relative or not; "" where it names none.
func patientID(reference string) string {
	reference, _, _ = strings.Cut(reference, "/_history/")
	rest, id, ok := cutLast(reference)
	if !ok || !idPattern.MatchString(id) {
		return ""
	}
	if _, resourceType, _ := cutLast(rest); resourceType != "Patient" {
		return ""
	}
	return id
}

// cutLast cuts a path before its last segment.
func cutLast(path string) (before, last string, found bool) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}

// Joined are those of now who are not among those before; both are in order.
func Joined(before, now []string) (joined []string) {
	for _, id := range now {
		if _, ok := slices.BinarySearch(before, id); !ok {
			joined = append(joined, id)
		}
	}
	return joined
}
