-- +goose Up

-- Bulk exports that imports ask for at suppliers' servers: one for each source of a request that names one. The row is
-- there before the export is asked for, and has its status URL before that is polled.
CREATE TABLE stoker.export (
    import   uuid NOT NULL,
    source   integer NOT NULL, -- index in the request, from 0
    state    text NOT NULL DEFAULT 'asking' CHECK (state IN ('asking', 'under way', 'ready', 'failed')),
    job      jsonb NOT NULL DEFAULT '{}', -- the fetcher's own; its status URL may be a secret
    next     timestamptz NOT NULL,        -- when it is to be looked at again
    held     timestamptz NOT NULL,        -- until then it is somebody's who makes a request about it
    at       timestamptz,                 -- transaction time of its manifest; null is unknown
    removed  timestamptz,                 -- from the server; or given up to
    attempts integer NOT NULL DEFAULT 0,  -- to remove it
    PRIMARY KEY (import, source)
);
CREATE INDEX export_there ON stoker.export (held) WHERE removed IS NULL;

-- What was noticed of an import that is no failure.
CREATE TABLE stoker.note (
    import uuid NOT NULL,
    note   text NOT NULL,
    PRIMARY KEY (import, note)
);

-- The time that what was delivered is of, as the supplier's server says: what changes later is in none of it. It is the
-- earliest of all manifests.
ALTER TABLE stoker.import ADD COLUMN transaction_time timestamptz;

ALTER TABLE stoker.file
    ADD COLUMN subsetted text[] NOT NULL DEFAULT '{}'; -- types of which it has incomplete resources; * is all
