package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// SubmissionState is how far a delivery by $bulk-submit is, as its sender says.
type SubmissionState string

// The states. Nothing may be added after the last two, and of a stopped one all is undone.
const (
	SubmissionOpen      SubmissionState = "in-progress"
	SubmissionCompleted SubmissionState = "completed"
	SubmissionStopped   SubmissionState = "stopped"
)

// SubmissionKey names a submission. Those of two suppliers have nothing to do with each other.
type SubmissionKey struct {
	Supplier  string
	System    string // of the submitter
	Submitter string
	Name      string // submissionId
}

// ID is the submission's, in the form of those of imports.
func (k SubmissionKey) ID() fhirmsg.ImportID {
	return fhirmsg.ImportIDFromKey(k.Supplier, "submission\x00"+k.System+"\x00"+k.Submitter+"\x00"+k.Name)
}

// ImportOf is the id of the import that a manifest of the submission is: sent again, it is the same one.
func (k SubmissionKey) ImportOf(manifest string) fhirmsg.ImportID {
	return fhirmsg.ImportIDFromKey(k.Supplier, "manifest\x00"+k.ID().String()+"\x00"+manifest)
}

// Submission is a delivery by $bulk-submit.
type Submission struct {
	SubmissionKey
	Dataset string
	State   SubmissionState
	Draft   bool // its sender uses words of the draft of Argonaut
	Watched bool // it has a status URL
	Begun   time.Time
}

// What can be wrong with a request of a submission.
var (
	ErrNoSubmission     = errors.New("there is no such submission")
	ErrSubmissionClosed = errors.New("the submission is closed")
	ErrOtherDataset     = errors.New("the submission delivers into another dataset")
	ErrNoManifest       = errors.New("the submission has no such manifest")
	ErrReplaced         = errors.New("the manifest was replaced before")
	ErrNoHistory        = errors.New("the dataset kept no history when the manifest was imported, so it cannot be undone")
	ErrManyManifests    = errors.New("the submission has as many manifests as it may")
	ErrManySubmissions  = errors.New("the supplier has as many submissions open as it may")
)

// Submit is what one request of $bulk-submit asks for.
type Submit struct {
	SubmissionKey
	Dataset  string
	Draft    bool
	State    SubmissionState       // "": nothing is said
	Manifest string                // URL; "" for none
	Import   fhirmsg.ImportRequest // of the manifest; its id is filled in
	Replaces string                // URL; "" for none

	MaxOpen, MaxManifests int // submissions of the supplier that may be open, and manifests of one
}

// Submit makes what a request asks for certain, in one transaction. A request that comes again changes nothing. known is that
// the manifest had been submitted before. Errors: the Err… of submissions.
func (l *Ledger) Submit(ctx context.Context, s Submit) (sub Submission, known bool, err error) {
	err = pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		if sub, err = openSubmission(ctx, tx, s); err != nil {
			return err
		}
		done, err := s.isDone(ctx, tx, sub)
		if err != nil {
			return err
		}
		if done {
			known = s.Manifest != ""
			return nil
		}
		if sub.State != SubmissionOpen {
			return fmt.Errorf("it is %s: %w", sub.State, ErrSubmissionClosed)
		}
		if s.Replaces != "" {
			if err := s.replace(ctx, tx); err != nil {
				return err
			}
		}
		if s.Manifest != "" {
			if known, err = s.add(ctx, tx); err != nil {
				return err
			}
		}
		return s.close(ctx, tx, &sub)
	})
	if err != nil {
		return sub, false, fmt.Errorf("submission: %w", err)
	}
	return sub, known, nil
}

const selectSubmission = `SELECT supplier, system, submitter, name, dataset, state, draft, watched, begun FROM stoker.submission `

func scanSubmission(row pgx.Row) (s Submission, err error) {
	err = row.Scan(&s.Supplier, &s.System, &s.Submitter, &s.Name, &s.Dataset, &s.State, &s.Draft, &s.Watched, &s.Begun)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNoSubmission
	}
	return s, err
}

// openSubmission locks the submission's row. It is made by the first request, unless that presupposes another one.
func openSubmission(ctx context.Context, tx pgx.Tx, s Submit) (Submission, error) {
	id := [16]byte(s.ID())
	lock := func() (Submission, error) {
		return scanSubmission(tx.QueryRow(ctx, selectSubmission+`WHERE id = $1 FOR UPDATE`, id))
	}
	sub, err := lock()
	if errors.Is(err, ErrNoSubmission) {
		if s.Manifest == "" && s.State != SubmissionOpen || s.Replaces != "" {
			return sub, err
		}
		var open int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM stoker.submission WHERE supplier = $1 AND closed IS NULL`, s.Supplier).Scan(&open); err != nil {
			return sub, err
		}
		if open >= s.MaxOpen {
			return sub, ErrManySubmissions
		}
		if _, err := tx.Exec(ctx, `INSERT INTO stoker.submission (id, supplier, dataset, system, submitter, name, state)
			VALUES ($1, $2, $3, $4, $5, $6, 'in-progress') ON CONFLICT (id) DO NOTHING`, id, s.Supplier, s.Dataset, s.System, s.Submitter, s.Name); err != nil {
			return sub, err
		}
		sub, err = lock()
	}
	if err != nil {
		return sub, err
	}
	if sub.Dataset != s.Dataset {
		return sub, fmt.Errorf("it is of dataset %s: %w", sub.Dataset, ErrOtherDataset)
	}
	if s.Draft && !sub.Draft {
		sub.Draft = true
		_, err = tx.Exec(ctx, `UPDATE stoker.submission SET draft = true WHERE id = $1`, id)
	}
	return sub, err
}

// isDone reports whether a request asks for nothing that was not done before, as one that is sent again.
func (s Submit) isDone(ctx context.Context, tx pgx.Tx, sub Submission) (done bool, err error) {
	if s.State != "" && s.State != sub.State && s.State != SubmissionOpen {
		return false, nil
	}
	err = tx.QueryRow(ctx, `SELECT
			($2::uuid IS NULL OR EXISTS (SELECT FROM stoker.submitted WHERE import = $2 AND withdrawn IS NULL))
			AND ($3::uuid IS NULL OR EXISTS (SELECT FROM stoker.submitted WHERE import = $3 AND withdrawn IS NOT NULL AND replacement IS NOT DISTINCT FROM $2))
			AND ($2::uuid IS NOT NULL OR $3::uuid IS NOT NULL OR $4::text = $1::text)`,
		string(sub.State), s.importID(s.Manifest), s.importID(s.Replaces), string(s.State)).Scan(&done)
	return done, err
}

// importID is the import of a manifest, or null.
func (s Submit) importID(manifest string) *[16]byte {
	if manifest == "" {
		return nil
	}
	id := [16]byte(s.ImportOf(manifest))
	return &id
}

// replace withdraws a manifest whose place another one takes, or none.
func (s Submit) replace(ctx context.Context, tx pgx.Tx) error {
	old, replacement := s.importID(s.Replaces), s.importID(s.Manifest)
	var withdrawn, same, undoable bool
	err := tx.QueryRow(ctx, `SELECT m.withdrawn IS NOT NULL, m.replacement IS NOT DISTINCT FROM $2, i.id IS NULL OR coalesce(i.issued > h.since, false)
		FROM stoker.submitted m LEFT JOIN stoker.import i ON i.id = m.import LEFT JOIN stoker.history h ON h.dataset = i.dataset
		WHERE m.import = $1`, old, replacement).Scan(&withdrawn, &same, &undoable)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return ErrNoManifest
	case err != nil:
		return err
	case withdrawn && same:
		return nil
	case withdrawn:
		return ErrReplaced
	case !undoable:
		return ErrNoHistory
	}
	_, err = tx.Exec(ctx, `UPDATE stoker.submitted SET withdrawn = clock_timestamp(), replacement = $2, request = NULL WHERE import = $1`, old, replacement)
	return err
}

// add adds the manifest, unless it is there.
func (s Submit) add(ctx context.Context, tx pgx.Tx) (known bool, err error) {
	s.Import.ID = s.ImportOf(s.Manifest)
	var withdrawn bool
	err = tx.QueryRow(ctx, `SELECT withdrawn IS NOT NULL FROM stoker.submitted WHERE import = $1`, [16]byte(s.Import.ID)).Scan(&withdrawn)
	switch {
	case err == nil && withdrawn:
		return false, ErrReplaced
	case err == nil:
		return true, nil
	case !errors.Is(err, pgx.ErrNoRows):
		return false, err
	}
	request, err := s.Import.Encode()
	if err != nil {
		return false, err
	}
	var place int
	if err := tx.QueryRow(ctx, `SELECT coalesce(max(place), 0) + 1 FROM stoker.submitted WHERE submission = $1`, [16]byte(s.ID())).Scan(&place); err != nil {
		return false, err
	}
	if place > s.MaxManifests {
		return false, ErrManyManifests
	}
	_, err = tx.Exec(ctx, `INSERT INTO stoker.submitted (import, submission, place, manifest, request) VALUES ($1, $2, $3, $4, $5)`,
		[16]byte(s.Import.ID), [16]byte(s.ID()), place, s.Manifest, request)
	return false, err
}

// close completes or stops the submission if that is asked for. What cannot be undone of a stopped one is found out
// later, and told: it is to be stopped all the same.
func (s Submit) close(ctx context.Context, tx pgx.Tx, sub *Submission) error {
	if s.State == "" || s.State == SubmissionOpen {
		return nil
	}
	sub.State = s.State
	id := [16]byte(s.ID())
	if _, err := tx.Exec(ctx, `UPDATE stoker.submission SET state = $2, closed = clock_timestamp() WHERE id = $1`, id, string(s.State)); err != nil {
		return err
	}
	if s.State != SubmissionStopped {
		return nil
	}
	_, err := tx.Exec(ctx, `UPDATE stoker.submitted SET withdrawn = clock_timestamp(), request = NULL WHERE submission = $1 AND withdrawn IS NULL`, id)
	return err
}

// Watch gives a submission a status URL, or takes it away. Errors: [ErrNoSubmission].
func (l *Ledger) Watch(ctx context.Context, id fhirmsg.ImportID, watched bool) error {
	tag, err := l.pool.Exec(ctx, `UPDATE stoker.submission SET watched = $2 WHERE id = $1`, [16]byte(id), watched)
	if err == nil && tag.RowsAffected() == 0 {
		err = ErrNoSubmission
	}
	if err != nil {
		return fmt.Errorf("watch submission %s: %w", id, err)
	}
	return nil
}

// Submission returns a submission. Errors: [ErrNoSubmission].
func (l *Ledger) Submission(ctx context.Context, id fhirmsg.ImportID) (Submission, error) {
	s, err := scanSubmission(l.pool.QueryRow(ctx, selectSubmission+`WHERE id = $1`, [16]byte(id)))
	if err != nil {
		return s, fmt.Errorf("submission %s: %w", id, err)
	}
	return s, nil
}
