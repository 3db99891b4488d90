package pull

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/group"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/manifest"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

// maxPatients is how many patients a cohort may have: each is a file.
const maxPatients = manifest.MaxFiles - 2*fhirmsg.MaxPullTypes

// Patients returns the ids of the patients of a pull, each once, in the order in which they are listed; and what was passed
// over. The session is of no files. Errors are those of [Session.Next].
func (s *Session) Patients(ctx context.Context, p fhirmsg.Pull) (ids []string, notes []string, err error) {
	switch {
	case p.Group != "":
		ids, notes, err = s.members(ctx, "Group", p.Group)
	case p.List != "":
		ids, notes, err = s.members(ctx, "List", p.List)
	case p.Cohort != "":
		ids, notes, err = s.search(ctx, p)
	default:
		ids = p.Patients
	}
	if err != nil {
		return nil, nil, fmt.Errorf("the cohort: %w", err)
	}
	seen := make(map[string]bool, len(ids))
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		twice := seen[id]
		seen[id] = true
		return twice
	})
	if len(ids) > maxPatients {
		return nil, nil, fmt.Errorf("the cohort: more than %d patients", maxPatients)
	}
	return ids, notes, nil
}

// members are the patients of a Group or a List now (https://hl7.org/fhir/R4/group.html, https://hl7.org/fhir/R4/list.html).
func (s *Session) members(ctx context.Context, resourceType, id string) (ids []string, notes []string, err error) {
	u, err := s.url(resourceType + "/" + id)
	if err != nil {
		return nil, nil, err
	}
	a, err := s.site.Get(ctx, u)
	if err != nil {
		return nil, nil, fmt.Errorf("the %s: %w", resourceType, err)
	}
	var r struct {
		ResourceType string         `json:"resourceType"`
		Member       []group.Member `json:"member"`
		Entry        []struct {
			Item struct {
				Reference string `json:"reference"`
			} `json:"item"`
			Deleted bool `json:"deleted"`
		} `json:"entry"`
	}
	if err := json.Unmarshal(a.Body, &r); err != nil || r.ResourceType != resourceType {
		return nil, nil, fmt.Errorf("the server sent no %s", resourceType)
	}
	var references []string
	for _, m := range r.Member {
		if m.At(s.now()) {
			references = append(references, m.Entity.Reference)
		}
	}
	for _, e := range r.Entry {
		if !e.Deleted {
			references = append(references, e.Item.Reference)
		}
	}
	for _, reference := range references {
		id, ok := strings.CutPrefix(strings.TrimPrefix(reference, s.base()), "Patient/")
		id, _, _ = strings.Cut(id, "/_history/")
		if !ok || !fhirmsg.IsResourceID(id) {
			notes = []string{"the " + resourceType + " has members that are no patients of the server; they are passed over"}
			continue
		}
		ids = append(ids, id)
	}
	return ids, notes, nil
}

// search finds the patients of a search.
func (s *Session) search(ctx context.Context, p fhirmsg.Pull) (ids []string, notes []string, err error) {
	count := p
	count.Since = nil
	s.cohort = true
	s.files = []source.Pull{{Queries: []string{query(p.Cohort, "", nil) + "&_count=" + common(count, "", "")[0].value}}}
	for at := (Place{}); !at.Done; {
		var page Page
		if page, at, err = s.Next(ctx, 0, at, nil); err != nil {
			return nil, nil, err
		}
		notes = append(notes, page.Notes...)
		for _, r := range page.entries {
			if r.Type == "Patient" && fhirmsg.IsResourceID(r.ID) {
				ids = append(ids, r.ID)
			}
		}
		if len(ids) > 10*maxPatients {
			return nil, nil, errors.New("the search finds too many patients")
		}
	}
	return ids, notes, nil
}
