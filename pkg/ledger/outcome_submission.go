package ledger

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Report is an OperationOutcome of one issue, with its severity.
type Report struct {
	Severity string
	Outcome  []byte // a FHIR resource
}

func report(severity, code, text, diagnostics string, extensions ...extension) (Report, error) {
	b, err := json.Marshal(outcome{
		ResourceType: "OperationOutcome", Extension: extensions,
		Issue: []outcomeIssue{{Severity: severity, Code: code, Details: details{text}, Diagnostics: diagnostics}},
	})
	if err != nil {
		return Report{}, fmt.Errorf("encode OperationOutcome: %w", err)
	}
	return Report{severity, b}, nil
}

// Report is what became of a file and its resources.
func (f FileStatus) Report(id fhirmsg.ImportID, counts FileCounts) (Report, error) {
	severity, code, text := "information", "informational", fmt.Sprintf("%d lines were read: %s", f.Lines, counts)
	switch {
	case f.State == "failed" && f.Lines > 0:
		severity, code, text = "error", "incomplete", f.Reason+"; before, "+text
	case f.State == "failed":
		severity, code, text = "error", "incomplete", f.Reason
	case f.State != "closed":
		severity, code, text = "error", "incomplete", "it was not read to its end; "+text
	case f.Kind == KindOutcome:
		text = fmt.Sprintf("%d lines were read; reports of the supplier are not stored", f.Lines)
	case f.Differs && f.Announced != nil:
		severity, code = "warning", "incomplete"
		text += fmt.Sprintf("; its manifest says that it has %d resources", *f.Announced)
	}
	return report(severity, code, text, f.Name+": "+text,
		extension{URL: extensionBase + "import", ValueString: id.String()}, extension{URL: extensionBase + "file", ValueString: f.Name})
}

// Report is what became of a manifest as a whole; status is its import's, nil where no fetcher accepted that.
func (m Submitted) Report(status *Status) (Report, error) {
	severity, code, text := m.words(status)
	return report(severity, code, text, text, extension{URL: extensionBase + "import", ValueString: m.Import.String()})
}

func (m Submitted) words(status *Status) (severity, code, text string) {
	if m.Withdrawn {
		why := "its submission was stopped"
		if m.Replacement != "" {
			why = "another manifest took its place"
		}
		switch {
		case m.Problem != "":
			return "error", "processing", "The manifest cannot be undone, though " + why + ": " + m.Problem
		case m.Removed+m.Restored == 0:
			return "information", "informational", "The manifest was undone, since " + why
		}
		return "information", "informational", fmt.Sprintf("The manifest was undone, since %s: %d resources were removed, %d have an earlier version again", why, m.Removed, m.Restored)
	}
	if status == nil {
		return "error", "processing", "The manifest was not imported"
	}
	reason := strings.TrimSuffix(cmp.Or(status.Reason, "no reason is known"), ".")
	n := status.Resources
	counts := fmt.Sprintf("%d resources inserted, %d updated, %d unchanged, %d stale, %d deleted, %d skipped, %d rejected",
		n.Inserted, n.Updated, n.Unchanged, n.Stale, n.Deleted, n.Skipped, n.Rejected+status.Lines.Rejected)
	switch {
	case status.State == StateCancelled:
		return "error", "processing", "The import of the manifest was cancelled: " + counts
	case status.State == StateFailed && len(status.Files) == 0:
		return "error", "business-rule", "The manifest was refused: " + reason
	case status.State == StateFailed:
		return "error", "incomplete", "The manifest was imported in part: " + reason + ": " + counts
	case status.Reason != "":
		return "warning", "informational", "The manifest was imported: " + reason + ": " + counts
	}
	return "information", "informational", "The manifest was imported: " + counts
}
