-- +goose Up
CREATE SCHEMA IF NOT EXISTS stoker;

-- The clock of all imports: each is issued later than the one before, whatever the
-- system's clock does. One row.
CREATE TABLE stoker.clock (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    last     timestamptz NOT NULL
);
INSERT INTO stoker.clock (last) VALUES ('epoch');

CREATE TABLE stoker.dataset (
    name         text PRIMARY KEY,
    mode         text NOT NULL CHECK (mode IN ('overwrite', 'sync')),
    fhir_version text NOT NULL,
    created      timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE stoker.import (
    id       uuid PRIMARY KEY,
    issued   timestamptz NOT NULL UNIQUE,
    supplier text NOT NULL,
    dataset  text NOT NULL,
    pins     jsonb NOT NULL, -- what every message of the import carries
    request  jsonb NOT NULL,
    attempt  integer NOT NULL DEFAULT 0,
    state    text NOT NULL CHECK (state IN
             ('accepted', 'fetching', 'draining', 'complete', 'failed', 'cancelled', 'paused')),
    reason   text NOT NULL DEFAULT '',
    listed   timestamptz, -- when the list of files was pinned
    closed   timestamptz, -- when the last file was closed
    ended    timestamptz
);
CREATE INDEX import_open ON stoker.import (state) WHERE ended IS NULL;

CREATE TABLE stoker.file (
    import  uuid NOT NULL,
    file    integer NOT NULL, -- index in the import, from 0
    name    text NOT NULL,
    type    text NOT NULL DEFAULT '', -- declared for all its resources
    locator jsonb NOT NULL,   -- how to open it again
    reading jsonb,            -- validator and format, stored before the first chunk
    state   text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'open', 'closed', 'failed')),
    reason  text NOT NULL DEFAULT '',
    size    bigint NOT NULL DEFAULT -1, -- bytes at the source, -1 is unknown
    read    bigint NOT NULL DEFAULT 0,  -- bytes read of them
    PRIMARY KEY (import, file)
);

CREATE TABLE stoker.skipped (
    import uuid NOT NULL,
    name   text NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (import, name)
);

-- Statements. They have no foreign keys: a message may tell of an import before its row
-- is back after a restore, and 500 million resources make over a million of them.
-- Offsets and lengths are of decompressed bytes.

CREATE TABLE stoker.fetched (
    import uuid NOT NULL,
    file   integer NOT NULL,
    off    bigint NOT NULL,
    length bigint NOT NULL,
    lines  bigint NOT NULL,
    PRIMARY KEY (import, file, off)
);

CREATE TABLE stoker.parsed (
    import           uuid NOT NULL,
    file             integer NOT NULL,
    off              bigint NOT NULL,
    fingerprint      uuid NOT NULL,
    divergent        boolean NOT NULL DEFAULT false,
    lines            bigint NOT NULL,
    blank            bigint NOT NULL,
    control          bigint NOT NULL,
    rejected         bigint NOT NULL,
    plain            bigint NOT NULL,
    bundles          bigint NOT NULL,
    entries          bigint NOT NULL,
    entries_rejected bigint NOT NULL,
    ignored          bigint NOT NULL,
    clamped          bigint NOT NULL,
    issues           bigint NOT NULL,
    PRIMARY KEY (import, file, off)
);

CREATE TABLE stoker.written (
    import      uuid NOT NULL,
    file        integer NOT NULL,
    off         bigint NOT NULL,
    type        text NOT NULL COLLATE "C",
    part        integer NOT NULL,
    fingerprint uuid NOT NULL,
    divergent   boolean NOT NULL DEFAULT false,
    inserted    bigint NOT NULL,
    updated     bigint NOT NULL,
    unchanged   bigint NOT NULL,
    stale       bigint NOT NULL,
    deleted     bigint NOT NULL,
    skipped     bigint NOT NULL,
    rejected    bigint NOT NULL,
    discarded   bigint NOT NULL,
    cancelled   bigint NOT NULL,
    conflicts   bigint NOT NULL, -- of the updated and stale: equal stamp, other content (mode sync)
    outcomes    bytea NOT NULL,  -- one letter for each resource, in the batch's order
    PRIMARY KEY (import, file, off, type, part)
);

CREATE TABLE stoker.reject (
    import uuid NOT NULL,
    file   integer NOT NULL,
    line   bigint NOT NULL,
    entry  integer NOT NULL,
    off    bigint NOT NULL, -- of the line's first byte
    type   text NOT NULL DEFAULT '',
    id     text NOT NULL DEFAULT '',
    issues jsonb NOT NULL,
    raw    bytea NOT NULL,  -- the line, or the entry of a Bundle, as it came
    cut    boolean NOT NULL,
    PRIMARY KEY (import, file, line, entry)
);

-- totals adds the statements of one import.
-- +goose StatementBegin
CREATE FUNCTION stoker.totals(the_import uuid, OUT lines_read bigint, OUT lines_parsed bigint,
    OUT blank bigint, OUT control bigint, OUT lines_rejected bigint, OUT plain bigint, OUT bundles bigint,
    OUT seen bigint, OUT rejected bigint, OUT ignored bigint, OUT inserted bigint, OUT updated bigint,
    OUT unchanged bigint, OUT stale bigint, OUT deleted bigint, OUT skipped bigint, OUT discarded bigint,
    OUT cancelled bigint, OUT conflicts bigint, OUT clamped bigint, OUT issues bigint, OUT divergent bigint,
    OUT missing bigint, OUT settled boolean)
LANGUAGE sql STABLE AS $$
    WITH f AS (
        SELECT coalesce(sum(lines), 0)::bigint AS lines
        FROM stoker.fetched WHERE import = the_import
    ), p AS (
        SELECT coalesce(sum(lines), 0)::bigint AS lines, coalesce(sum(blank), 0)::bigint AS blank,
            coalesce(sum(control), 0)::bigint AS control, coalesce(sum(rejected), 0)::bigint AS rejected,
            coalesce(sum(plain), 0)::bigint AS plain, coalesce(sum(bundles), 0)::bigint AS bundles,
            coalesce(sum(plain + entries), 0)::bigint AS seen,
            coalesce(sum(entries_rejected), 0)::bigint AS entries_rejected,
            coalesce(sum(ignored), 0)::bigint AS ignored, coalesce(sum(clamped), 0)::bigint AS clamped,
            coalesce(sum(issues), 0)::bigint AS issues,
            count(*) FILTER (WHERE divergent) AS divergent
        FROM stoker.parsed WHERE import = the_import
    ), w AS (
        SELECT coalesce(sum(inserted), 0)::bigint AS inserted, coalesce(sum(updated), 0)::bigint AS updated,
            coalesce(sum(unchanged), 0)::bigint AS unchanged, coalesce(sum(stale), 0)::bigint AS stale,
            coalesce(sum(deleted), 0)::bigint AS deleted, coalesce(sum(skipped), 0)::bigint AS skipped,
            coalesce(sum(rejected), 0)::bigint AS rejected, coalesce(sum(discarded), 0)::bigint AS discarded,
            coalesce(sum(cancelled), 0)::bigint AS cancelled, coalesce(sum(conflicts), 0)::bigint AS conflicts,
            count(*) FILTER (WHERE divergent) AS divergent
        FROM stoker.written WHERE import = the_import
    ), m AS (
        SELECT f.lines - p.lines AS lines,
            p.seen - p.entries_rejected - p.ignored - w.inserted - w.updated - w.unchanged - w.stale
            - w.deleted - w.skipped - w.rejected - w.discarded - w.cancelled AS resources
        FROM f, p, w
    )
    SELECT f.lines, p.lines, p.blank, p.control, p.rejected, p.plain, p.bundles, p.seen,
        p.entries_rejected + w.rejected, p.ignored, w.inserted, w.updated, w.unchanged, w.stale,
        w.deleted, w.skipped, w.discarded, w.cancelled, w.conflicts, p.clamped, p.issues,
        p.divergent + w.divergent, m.lines + m.resources, m.lines = 0 AND m.resources = 0
    FROM f, p, w, m
$$;
-- +goose StatementEnd

-- A row whose resource was changed by anyone but a writer forgets its hash, so that the
-- next import sees that the content differs and restores it. Every table of every dataset
-- has a trigger that calls this.
-- +goose StatementBegin
CREATE FUNCTION stoker.forget_hash() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.hash := NULL;
    NEW.changed := pg_current_xact_id();
    RETURN NEW;
END
$$;
-- +goose StatementEnd
