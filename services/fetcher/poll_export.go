package fetcher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/group"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

// maxJoined is how many patients who joined a Group are asked for by themselves. For more than that, everything is.
const maxJoined = 1000

// AskExport finds what a sync of kind export asks for: everything the first time, then what has changed since the last export
// that was imported whole, less an overlap, and of patients who joined the Group since everything besides, for what they had
// before need not have changed. Nothing is asked of the server but who is in the Group. The errors are for people, and hold no credentials.
func (c Config) AskExport(ctx context.Context, a ledger.SyncAsk) (ledger.SyncFound, error) {
	f := &fetcher{cfg: c, source: source.Config{HTTP: c.HTTP}}
	return f.askExport(ctx, a)
}

func (f *fetcher) askExport(ctx context.Context, a ledger.SyncAsk) (found ledger.SyncFound, err error) {
	if a.Declared != nil {
		f = f.under(a.Declared.Name, &a.Declared.Policy).withTokensOf(*a.Declared, nil)
	}
	known := ledger.ExportCursor{}
	if a.Cursor != nil {
		if err := json.Unmarshal(a.Cursor, &known); err != nil {
			known = ledger.ExportCursor{} // of another version: all is asked for
		}
	}
	known.Whole = known.Whole || a.JoinedRefused
	if known.Time != nil {
		if found.Since, err = a.Export.Since(*known.Time); err != nil {
			return found, err
		}
	}
	members, notice, err := f.members(ctx, a, known)
	if err != nil {
		return found, err
	}
	if notice != "" {
		found.Notices = append(found.Notices, notice)
	}
	var joined []string
	if !found.Since.IsZero() && members != nil {
		joined, notice = whoJoined(known, members)
		if notice != "" {
			found.Since, found.Notices = time.Time{}, append(found.Notices, notice)
		}
	}
	found.Joined = len(joined)
	if members != nil {
		known.Members = members
	}
	if found.Sources, err = exportSources(a, found.Since, joined); err != nil {
		return found, err
	}
	found.Cursor, err = json.Marshal(known)
	return found, err
}

// whoJoined are the members of whom everything is asked for, besides what has changed of all. A notice says why everything is to be asked
// for of all instead.
func whoJoined(known ledger.ExportCursor, members []string) (joined []string, notice string) {
	if known.Members == nil {
		return nil, "who is in the Group was not known before, so everything was asked for"
	}
	joined = group.Joined(known.Members, members)
	switch {
	case len(joined) == 0:
		return nil, ""
	case known.Whole:
		return nil, fmt.Sprintf("%d patients joined the Group; the server does not export patients by themselves, so everything was asked for", len(joined))
	case len(joined) > maxJoined:
		return nil, fmt.Sprintf("%d patients joined the Group, which are more than are asked for by themselves, so everything was asked for", len(joined))
	}
	return joined, ""
}

// exportSources are the exports of a run; see [ledger.ExportChanges].
func exportSources(a ledger.SyncAsk, since time.Time, joined []string) ([]fhirmsg.Source, error) {
	changes, err := a.ExportSource(since, nil)
	if err != nil {
		return nil, err
	}
	sources := []fhirmsg.Source{changes}
	if len(joined) > 0 {
		everything, err := a.ExportSource(time.Time{}, joined)
		if err != nil {
			return nil, err
		}
		sources = append(sources, everything)
	}
	return sources, nil
}

// members are the ids of the patients in the sync's Group; nil where there is no Group or it cannot be read. The notice says that it cannot be
// read, or has none. A Group that is gone, and a server that does not answer, are errors.
func (f *fetcher) members(ctx context.Context, a ledger.SyncAsk, known ledger.ExportCursor) (ids []string, notice string, err error) {
	if a.Export.Group == "" {
		return nil, "", nil
	}
	s, err := a.ExportSource(time.Time{}, nil)
	if err != nil {
		return nil, "", err
	}
	content, err := source.Document(ctx, s, strings.TrimSuffix(s.Export.URL, "/$export"), "application/fhir+json", group.MaxSize, f.source)
	status := source.StatusError{}
	switch {
	case err == nil:
		ids, err = group.Patients(content, a.From, f.now())
	case !errors.As(err, &status):
		return nil, "", fmt.Errorf("read the Group: %w", err)
	case known.Members != nil && (status.Code == http.StatusNotFound || status.Code == http.StatusGone):
		return nil, "", fmt.Errorf("read the Group: %w; it was there before", err)
	case !slices.Contains(notToBeRead, status.Code):
		return nil, "", fmt.Errorf("read the Group: %w", err)
	}
	if err != nil {
		return nil, fmt.Sprintf("who is in the Group is not known (%s): patients who join are complete after a run with --full only", err), nil
	}
	if len(ids) == 0 {
		return ids, "the Group has no patients; nothing is exported until some join", nil
	}
	return ids, "", nil
}

// notToBeRead are answers of servers that export a Group and do not let it be read.
var notToBeRead = []int{
	http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed,
	http.StatusNotAcceptable, http.StatusGone, http.StatusNotImplemented,
}
