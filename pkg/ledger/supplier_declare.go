package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// AddSupplier declares a supplier, or brings back one that was removed. One that is there is declared anew
// only with replace, and keeps its tokens. Errors: [ErrSupplier].
func (l *Ledger) AddSupplier(ctx context.Context, s supplier.Supplier, replace bool) error {
	err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		if err := lockSuppliers(ctx, tx); err != nil {
			return err
		}
		there, err := findSupplier(ctx, tx, s.Name)
		switch {
		case err == nil && there.FromFile && there.Removed == nil:
			return refuse(ErrSupplier, "it is declared in suppliers.yaml; change it there")
		case err == nil && there.Removed == nil && !replace:
			return refuse(ErrSupplier, "it is there already; to declare it anew, give --replace")
		case err != nil && !errors.Is(err, ErrNoSupplier):
			return err
		}
		s.TokenHashes = append(there.TokenHashes, s.TokenHashes...)
		if err := writeSupplier(ctx, tx, s, false); err != nil {
			return err
		}
		return checkSupplier(ctx, tx, s)
	})
	if err != nil {
		return fmt.Errorf("add supplier %s: %w", s.Name, err)
	}
	return nil
}

// ApplySuppliers declares those of suppliers.yaml, all or none. Those that the file named before and does not
// any more stay as they were, and are the commands' to change; their names are returned. Errors: [ErrSupplier].
func (l *Ledger) ApplySuppliers(ctx context.Context, list []supplier.Supplier) (left []string, err error) {
	err = pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		if err := lockSuppliers(ctx, tx); err != nil {
			return err
		}
		names := make([]string, len(list))
		for i, s := range list {
			names[i] = s.Name
		}
		rows, err := tx.Query(ctx, `UPDATE stoker.supplier SET from_file = false
			WHERE from_file AND name <> ALL($1) RETURNING name`, names)
		if err != nil {
			return err
		}
		if left, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			return err
		}
		// All first, so that who shares a dataset with whom does not depend on their order.
		for _, s := range list {
			if err := writeSupplier(ctx, tx, s, true); err != nil {
				return fmt.Errorf("supplier %s: %w", s.Name, err)
			}
		}
		for _, s := range list {
			if err := checkSupplier(ctx, tx, s); err != nil {
				return fmt.Errorf("supplier %s: %w", s.Name, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("apply the file of suppliers: %w", err)
	}
	return left, nil
}

// AddToken keeps the hash of another token of a supplier. Errors: [ErrNoSupplier], and [ErrSupplier]
// for one of suppliers.yaml, where the hash is to be written instead.
func (l *Ledger) AddToken(ctx context.Context, name, hash string) error {
	return l.change(ctx, name, "add a token of", func(tx pgx.Tx, s Supplier) error {
		s.TokenHashes = append(s.TokenHashes, hash)
		return writeSupplier(ctx, tx, s.Supplier, false)
	})
}

// RemoveSupplier refuses what a supplier delivers from now on, and its tokens. What it delivered stays, and its
// imports that are under way go on. Errors: [ErrNoSupplier], [ErrSupplier].
func (l *Ledger) RemoveSupplier(ctx context.Context, name string) error {
	return l.change(ctx, name, "remove", func(tx pgx.Tx, _ Supplier) error {
		_, err := tx.Exec(ctx, `UPDATE stoker.supplier SET removed = clock_timestamp(), credentials = '{}' WHERE name = $1`, name)
		if err == nil { // brought back, it does not bring them back
			_, err = tx.Exec(ctx, `DELETE FROM stoker.access_token WHERE supplier = $1`, name)
		}
		return err
	})
}

// change changes a supplier that is there and not of the file.
func (l *Ledger) change(ctx context.Context, name, what string, do func(pgx.Tx, Supplier) error) error {
	err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		if err := lockSuppliers(ctx, tx); err != nil {
			return err
		}
		s, err := findSupplier(ctx, tx, name)
		switch {
		case err != nil:
			return err
		case s.Removed != nil:
			return fmt.Errorf("it was removed: %w", ErrNoSupplier)
		case s.FromFile:
			return refuse(ErrSupplier, "it is declared in suppliers.yaml; change it there")
		}
		return do(tx, s)
	})
	if err != nil {
		return fmt.Errorf("%s supplier %s: %w", what, name, err)
	}
	return nil
}

func writeSupplier(ctx context.Context, tx pgx.Tx, s supplier.Supplier, fromFile bool) error {
	if err := s.Check(); err != nil {
		return refuse(ErrSupplier, "%w", err)
	}
	policy, err := json.Marshal(s.Policy)
	if err != nil {
		return err
	}
	credentials, err := json.Marshal(s.Credentials)
	if err != nil {
		return err
	}
	if err := forgetElsewhere(ctx, tx, s); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO stoker.supplier AS s (name, policy, credentials, from_file) VALUES ($1, $2, $3, $4)
		ON CONFLICT (name) DO UPDATE SET policy = excluded.policy, credentials = excluded.credentials, from_file = excluded.from_file, removed = NULL`,
		s.Name, policy, credentials, fromFile)
	return err
}

// forgetElsewhere has a supplier's syncs ask for everything again where the policy about to be written puts it elsewhere: what was imported into
// another dataset, or in another mode, is not there.
func forgetElsewhere(ctx context.Context, tx pgx.Tx, s supplier.Supplier) error {
	dataset, mode := fhirmsg.DefaultDataset, fhirmsg.Mode("") // of one that was never declared
	switch there, err := findSupplier(ctx, tx, s.Name); {
	case err == nil:
		dataset, mode = there.DatasetOf(s.Name), there.Mode
	case !errors.Is(err, ErrNoSupplier):
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE stoker.sync SET cursor = NULL, generation = generation + 1 WHERE definition->>'supplier' = $1
		AND ($2 AND coalesce(definition->>'dataset', '') = '' OR $3 AND coalesce(definition->>'mode', '') = '')`,
		s.Name, dataset != s.DatasetOf(s.Name), mode != s.Mode)
	return err
}

// checkSupplier refuses what would mix keys without anybody having said so: a dataset that others
// deliver into, where no key policy is named, and another key policy than the supplier's rows in the
// dataset have; and another one's client id.
func checkSupplier(ctx context.Context, tx pgx.Tx, s supplier.Supplier) error {
	dataset := s.DatasetOf(s.Name)
	var other *string
	err := tx.QueryRow(ctx, `SELECT coalesce(
		(SELECT min(name) FROM stoker.supplier WHERE name <> $1 AND removed IS NULL AND coalesce(policy->>'dataset', name) = $2),
		(SELECT min(supplier) FROM stoker.import WHERE dataset = $2 AND supplier <> $1))`,
		s.Name, dataset).Scan(&other)
	switch {
	case err != nil:
		return err
	case other != nil && s.Keys == "":
		return refuse(ErrSupplier, "dataset %s has the resources of supplier %s too, and equal ids of both would be one resource: name a key policy, "+
			"scoped to keep them apart or keep to let the later one win", dataset, *other)
	}
	if err := checkClient(ctx, tx, s); err != nil {
		return err
	}
	var keys *string
	err = tx.QueryRow(ctx, `SELECT min(coalesce(pins->>'keys', 'keep')) FROM stoker.import
		WHERE dataset = $2 AND supplier = $1 AND listed IS NOT NULL AND coalesce(pins->>'keys', 'keep') <> $3`, s.Name, dataset, string(s.KeysOrKeep())).Scan(&keys)
	if err == nil && keys != nil {
		err = refuse(ErrSupplier, "its imports into dataset %s have key policy %s, which cannot be changed: every resource would be there twice; "+
			"name another dataset to begin anew", dataset, *keys)
	}
	return err
}

// checkClient refuses a client id that is another supplier's: who proves to have it must be one of them.
func checkClient(ctx context.Context, tx pgx.Tx, s supplier.Supplier) error {
	if s.ClientID == "" {
		return nil
	}
	var other *string
	err := tx.QueryRow(ctx, `SELECT min(name) FROM stoker.supplier WHERE name <> $1 AND removed IS NULL AND credentials->>'client_id' = $2`,
		s.Name, s.ClientID).Scan(&other)
	if err == nil && other != nil {
		err = refuse(ErrSupplier, "client_id: is that of supplier %s", *other)
	}
	return err
}

// lockSuppliers has those who change suppliers take turns: what one may be depends on the others.
func lockSuppliers(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('stoker:suppliers', 0))`)
	return err
}
