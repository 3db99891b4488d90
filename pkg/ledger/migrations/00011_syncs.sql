-- +goose Up

-- Sources that are asked again and again, on a schedule.
CREATE TABLE stoker.sync (
    name       text PRIMARY KEY,
    kind       text NOT NULL,
    definition jsonb NOT NULL,    -- supplier.Sync; may hold secrets
    from_file  boolean NOT NULL,  -- declared in suppliers.yaml, and changed there only
    created    timestamptz NOT NULL DEFAULT clock_timestamp(),
    paused     boolean NOT NULL DEFAULT false,
    due        timestamptz,       -- when the next run begins; null: never
    cursor     jsonb,             -- how far it was imported, as its kind says; null: not at all
    generation integer NOT NULL DEFAULT 0 -- counts up when it becomes another source: cursors of before do not count
);

-- What became of each time that a sync was due, or was run by hand.
CREATE TABLE stoker.sync_run (
    sync       text NOT NULL REFERENCES stoker.sync ON DELETE CASCADE,
    due        timestamptz NOT NULL,
    generation integer NOT NULL,
    manual     boolean NOT NULL,
    whole      boolean NOT NULL,  -- all is asked for, whatever the cursor says
    state      text NOT NULL,     -- asking, importing; ended: unchanged, complete, failed
    reason     text NOT NULL DEFAULT '',
    begun      timestamptz NOT NULL,
    ended      timestamptz,
    import     uuid,
    request    jsonb,             -- of the import
    published  boolean NOT NULL DEFAULT false,
    cursor     jsonb,             -- becomes the sync's when the import is complete
    PRIMARY KEY (sync, due)
);

-- One run of a sync at a time.
CREATE UNIQUE INDEX sync_run_open ON stoker.sync_run (sync) WHERE ended IS NULL;
