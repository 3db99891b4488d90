package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// State of an import.
type State string

// The states; see the package's documentation for what follows what.
const (
	StateAccepted  State = "accepted"
	StateFetching  State = "fetching"
	StateDraining  State = "draining"
	StateComplete  State = "complete"
	StateFailed    State = "failed"
	StateCancelled State = "cancelled"
	StatePaused    State = "paused"
)

// Ended reports whether nothing follows the state.
func (s State) Ended() bool { return s == StateComplete || s == StateFailed || s == StateCancelled }

// ErrOthers is returned for the id of an import of another supplier.
var ErrOthers = errors.New("the id is of an import of another supplier")

// ErrUnstorable is returned for a request that PostgreSQL cannot hold, now or later.
var ErrUnstorable = errors.New("the request has what PostgreSQL cannot hold")

// Accept makes the import's row, once: a request that was seen before finds what the first
// one made. What the request leaves open is filled in by the policy of its supplier, which is pinned
// with the import; a supplier that was never declared has none, and may deliver anything. An
// import that the policy or its dataset refuses is accepted as failed, with the reason,
// so that whoever asked can see why; so is a retry that cannot be. Rules and definitions are
// what the import is pinned to, the latter where it validates. Errors: [ErrOthers] for an id
// that is of another supplier's import; [ErrUnstorable].
func (l *Ledger) Accept(ctx context.Context, req fhirmsg.ImportRequest, rules int, definitions string) (fhirmsg.Import, State, error) {
	return l.accept(ctx, req, rules, definitions, "", Place{})
}

// Place is that of an import which tries again what an earlier one failed on. The zero value is a place of its own.
type Place struct {
	First   fhirmsg.ImportID // the first of all attempts
	Attempt int              // of which the first is 1; at most 10
}

// placesEach is how many imports have room where one is accepted, itself included.
const placesEach = 10

// AcceptBehind is Accept for an import that has its place in the order of all imports right behind the first attempt, before
// whatever was accepted since: so it changes nothing that is newer.
func (l *Ledger) AcceptBehind(ctx context.Context, req fhirmsg.ImportRequest, at Place, rules int, definitions string) (fhirmsg.Import, State, error) {
	return l.accept(ctx, req, rules, definitions, "", at)
}

// Refuse makes the row of an import that is refused for a reason, as failed, so that its supplier can see why. One
// that was accepted before stays as it is. Errors: [ErrOthers], [ErrUnstorable].
func (l *Ledger) Refuse(ctx context.Context, req fhirmsg.ImportRequest, rules int, reason string) (fhirmsg.Import, error) {
	imp, _, err := l.accept(ctx, req, rules, "", reason, Place{})
	return imp, err
}

func (l *Ledger) accept(ctx context.Context, req fhirmsg.ImportRequest, rules int, definitions, refusal string, at Place) (fhirmsg.Import, State, error) {
	var imp fhirmsg.Import
	var state State
	err := errDropped
	for errors.Is(err, errDropped) {
		err = pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
			var err error
			imp, state, err = find(ctx, tx, req.ID)
			if errors.Is(err, ErrNotFound) {
				imp, state, err = insert(ctx, tx, req, rules, definitions, refusal, at)
			}
			if err == nil && imp.Supplier != cmp.Or(req.Supplier, fhirmsg.DefaultSupplier) {
				return ErrOthers
			}
			return err
		})
	}
	// Class 22 is a data exception. Its message may repeat the value.
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) && strings.HasPrefix(pg.Code, "22") {
		err = fmt.Errorf("%w: SQLSTATE %s", ErrUnstorable, pg.Code)
	}
	if err != nil {
		return imp, state, fmt.Errorf("accept import %s: %w", req.ID, err)
	}
	return imp, state, nil
}

func find(ctx context.Context, tx pgx.Tx, id fhirmsg.ImportID) (fhirmsg.Import, State, error) {
	var imp fhirmsg.Import
	var state State
	err := tx.QueryRow(ctx, `SELECT pins, state FROM stoker.import WHERE id = $1`, [16]byte(id)).Scan(&imp, &state)
	return imp, state, notFound(err)
}

func insert(ctx context.Context, tx pgx.Tx, req fhirmsg.ImportRequest, rules int, definitions, refusal string, at Place) (fhirmsg.Import, State, error) {
	req, policy, reason, err := applyPolicy(ctx, tx, req)
	if err != nil {
		return fhirmsg.Import{}, "", err
	}
	reason = cmp.Or(refusal, reason)
	imp := fhirmsg.Import{
		ID: req.ID, Supplier: req.Supplier, Dataset: req.Dataset, Mode: req.Mode,
		FHIRVersion: req.FHIRVersion, Validation: req.Validation, Rules: rules,
		ChunkSize: req.ChunkSize, MaxLine: req.MaxLine, Base: req.Base, Snapshot: req.IsSnapshot(), Mends: req.Mends,
	}
	if policy != nil && policy.Keys == fhirmsg.KeysScoped {
		imp.Keys = policy.Keys
	}
	if imp.Validation.Checks() {
		imp.Definitions = definitions
	}
	if req.AsOf != nil {
		asOf := micros(*req.AsOf)
		imp.AsOf = &asOf
	}
	// Before the clock, since all others wait for that: where there are millions of rows, to count them takes seconds.
	retried, mended := original{}, original{}
	if reason == "" {
		if retried, err = findOriginal(ctx, tx, req.Retry); err != nil {
			return imp, "", err
		}
		if mended, err = findOriginal(ctx, tx, req.Mends); err != nil {
			return imp, "", err
		}
	}
	// The row of the clock is the lock that puts imports in order, with room for more attempts behind each. What was dropped was before.
	var issued time.Time
	if err := tx.QueryRow(ctx, `UPDATE stoker.clock SET last = greatest(clock_timestamp(), last + $1::int * interval '1 microsecond',
		(SELECT max(at) + interval '1 microsecond' FROM stoker.dropped)) RETURNING last`, placesEach).Scan(&issued); err != nil {
		return imp, "", err
	}
	// Another fetcher may have accepted the same request while this one waited.
	if found, state, err := find(ctx, tx, req.ID); !errors.Is(err, ErrNotFound) {
		return found, state, err
	}
	imp.Issued = micros(issued)
	state := StateAccepted
	if reason == "" && at.Attempt > 1 {
		if reason, err = at.take(ctx, tx, &imp); err != nil {
			return imp, "", err
		}
	}
	if reason == "" && req.Retry != (fhirmsg.ImportID{}) {
		if reason, err = pinRetry(ctx, tx, &imp, req.Retry, retried); err != nil {
			return imp, "", err
		}
	}
	if reason == "" && imp.Mends != (fhirmsg.ImportID{}) {
		if reason, err = checkMends(ctx, tx, imp, mended); err != nil {
			return imp, "", err
		}
	}
	if reason == "" {
		if reason, err = claimDataset(ctx, tx, imp); err != nil {
			return imp, "", err
		}
	}
	if reason != "" {
		state = StateFailed
	} else if removed, err := removedJob(ctx, tx, imp.ID); err != nil {
		return imp, "", err
	} else if removed {
		state = StateCancelled
	}
	return imp, state, insertRow(ctx, tx, imp, req, policy, state, reason)
}

// take gives an import the place, if the first attempt is known, and says why it cannot.
func (p Place) take(ctx context.Context, tx pgx.Tx, imp *fhirmsg.Import) (refusal string, err error) {
	first, _, err := find(ctx, tx, p.First)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	// Older versions left no room where the clock of the database had gone back.
	var room bool
	if err := tx.QueryRow(ctx, `SELECT NOT EXISTS (SELECT FROM stoker.import WHERE issued > $1 AND issued < $1 + $2::int * interval '1 microsecond')`,
		time.UnixMicro(first.Issued), placesEach).Scan(&room); err != nil {
		return "", err
	}
	if !room {
		return fmt.Sprintf("it tries again what import %s failed on, and there is no room behind that in the order of imports: have it delivered anew", p.First), nil
	}
	imp.Accepted, imp.Issued = imp.Issued, first.Issued+int64(min(p.Attempt, placesEach))-1
	return "", nil
}

// applyPolicy completes a request by the policy of its supplier, nil where it has none, and says
// why the supplier may not deliver it. A retry is pinned to what it retries, and delivers nothing new.
func applyPolicy(ctx context.Context, tx pgx.Tx, req fhirmsg.ImportRequest) (filled fhirmsg.ImportRequest, policy *supplier.Policy, refusal string, err error) {
	if req.Supplier == "" {
		req.Supplier = fhirmsg.DefaultSupplier
	}
	s, err := findSupplier(ctx, tx, req.Supplier)
	switch {
	case errors.Is(err, ErrNoSupplier):
	case err != nil:
		return req, nil, "", err
	case req.Retry != (fhirmsg.ImportID{}):
		policy = &s.Policy
	default:
		policy = &s.Policy
		req, refusal = s.Fill(req)
		if s.Removed != nil {
			refusal = fmt.Sprintf("supplier %s was removed and delivers nothing any more", s.Name)
		}
	}
	req = req.WithDefaults()
	if err := req.Check(); err != nil && refusal == "" {
		refusal = err.Error()
	}
	return req, policy, refusal, nil
}

// errDropped is returned for an import whose dataset was dropped after it was issued, while it waited for that. It is to be issued anew.
var errDropped = errors.New("the dataset was dropped meanwhile")

// claimDataset makes the dataset with its first import, and says why it refuses this one. Errors: errDropped.
func claimDataset(ctx context.Context, tx pgx.Tx, imp fhirmsg.Import) (refusal string, err error) {
	if _, err = tx.Exec(ctx, `INSERT INTO stoker.dataset (name, mode, fhir_version) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO NOTHING`, imp.Dataset, string(imp.Mode), imp.FHIRVersion); err != nil {
		return "", err
	}
	var mode fhirmsg.Mode
	var version string
	// Shared with other imports, and not with who drops the dataset.
	var dropped bool // later than the import was issued
	err = tx.QueryRow(ctx, `SELECT mode, fhir_version FROM stoker.dataset WHERE name = $1 FOR SHARE`, imp.Dataset).Scan(&mode, &version)
	if err == nil {
		err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM stoker.dropped WHERE dataset = $1 AND at >= $2)`,
			imp.Dataset, time.UnixMicro(imp.AcceptedAt())).Scan(&dropped)
	}
	switch {
	case errors.Is(err, pgx.ErrNoRows), dropped:
		return "", errDropped
	case err != nil:
		return "", err
	case mode != imp.Mode:
		return fmt.Sprintf("dataset %s is of mode %s; this import is of mode %s. "+
			"A dataset has one mode, fixed by its first import", imp.Dataset, mode, imp.Mode), nil
	case version != imp.FHIRVersion:
		return fmt.Sprintf("dataset %s holds FHIR %s; this import is of FHIR %s", imp.Dataset, version, imp.FHIRVersion), nil
	}
	return "", nil
}

func insertRow(ctx context.Context, tx pgx.Tx, imp fhirmsg.Import, req fhirmsg.ImportRequest, policy *supplier.Policy, state State, reason string) error {
	pins, err := json.Marshal(imp)
	if err != nil {
		return err
	}
	request, err := req.Encode()
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO stoker.import (id, issued, supplier, dataset, pins, request, attempt, state, reason, retry, policy, snapshot, mends, ended)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, CASE WHEN $8 IN ('failed', 'cancelled') THEN clock_timestamp() END)`,
		[16]byte(imp.ID), time.UnixMicro(imp.AcceptedAt()), imp.Supplier, imp.Dataset, pins, request, req.Attempt, string(state), reason,
		idColumn(imp.Retry), policy, newSnapshot(req), idColumn(imp.Mends))
	return err
}

// idColumn is an import, or null where none is meant.
func idColumn(id fhirmsg.ImportID) *[16]byte {
	if id == (fhirmsg.ImportID{}) {
		return nil
	}
	column := [16]byte(id)
	return &column
}
