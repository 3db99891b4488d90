-- +goose Up

-- Who was declared, and may deliver under which policy. A supplier that was removed keeps its
-- row, so that what comes in its name is refused.
CREATE TABLE stoker.supplier (
    name        text PRIMARY KEY,
    policy      jsonb NOT NULL,
    credentials jsonb NOT NULL,
    from_file   boolean NOT NULL, -- declared in suppliers.yaml, and changed there only
    created     timestamptz NOT NULL DEFAULT clock_timestamp(),
    removed     timestamptz
);

-- The policy that an import was accepted under; null: its supplier had none.
ALTER TABLE stoker.import ADD COLUMN policy jsonb;
CREATE INDEX import_supplier ON stoker.import (supplier, issued);
CREATE INDEX import_dataset ON stoker.import (dataset, supplier);

-- Requests that were named by an Idempotency-Key, and what was answered.
CREATE TABLE stoker.request (
    caller  text NOT NULL, -- the supplier, or '' for operators
    key     text NOT NULL,
    asked   uuid NOT NULL, -- hash of method, path and body
    begun   timestamptz NOT NULL DEFAULT clock_timestamp(),
    status  integer,       -- null: not answered yet
    header  jsonb,
    body    bytea,
    PRIMARY KEY (caller, key)
);
CREATE INDEX request_begun ON stoker.request (begun);

-- Of what was written, the rows that took the place of another supplier's.
ALTER TABLE stoker.written ADD COLUMN foreign_rows bigint NOT NULL DEFAULT 0;

-- What a supplier with key policy scoped calls a resource, in all tables that writers made before.
-- +goose StatementBegin
DO $$
DECLARE t regclass;
BEGIN
    FOR t IN
        SELECT c.oid FROM pg_class c
        WHERE c.relkind = 'r' AND c.relnamespace IN (
            SELECT l.relnamespace FROM pg_trigger g JOIN pg_class l ON l.oid = g.tgrelid WHERE g.tgname = 'forget_hash')
        AND (c.relname = 'tombstone' OR c.relname LIKE '%\_history'
            OR EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname = 'forget_hash'))
    LOOP
        EXECUTE format('ALTER TABLE %s ADD COLUMN IF NOT EXISTS original_id text COLLATE "C"', t);
    END LOOP;
END
$$;
-- +goose StatementEnd
