-- +goose Up

-- Deliveries by $bulk-submit: of one or several manifests, each of which is an import. All that was asked for is here
-- before it is answered; what follows from it is done afterwards, and again after a crash.
CREATE TABLE stoker.submission (
    id        uuid PRIMARY KEY, -- made of supplier, submitter and name
    supplier  text NOT NULL,
    dataset   text NOT NULL,
    system    text NOT NULL, -- of the submitter
    submitter text NOT NULL,
    name      text NOT NULL, -- submissionId
    state     text NOT NULL CHECK (state IN ('in-progress', 'completed', 'stopped')),
    draft     boolean NOT NULL DEFAULT false, -- its sender uses words of the draft that came before the ballot
    watched   boolean NOT NULL DEFAULT false, -- it has a status URL
    begun     timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed    timestamptz -- when it was completed or stopped
);
CREATE INDEX submission_open ON stoker.submission (supplier) WHERE closed IS NULL;

CREATE TABLE stoker.submitted (
    import      uuid PRIMARY KEY, -- made of submission and manifest
    submission  uuid NOT NULL,
    place       integer NOT NULL, -- in the submission, from 1
    manifest    text NOT NULL,    -- URL
    request     jsonb,            -- the import request as long as it is not in the queue; it may hold secrets
    withdrawn   timestamptz,      -- it is to be undone: replaced, or stopped with all others
    replacement uuid,             -- the import that takes its place
    undone      timestamptz,      -- nothing of it is left, but for what problem says
    removed     bigint NOT NULL DEFAULT 0, -- by undoing it: resources of which nothing is left
    restored    bigint NOT NULL DEFAULT 0, -- and those that have an earlier version again
    problem     text NOT NULL DEFAULT '',  -- why it cannot be undone
    UNIQUE (submission, place)
);
CREATE INDEX submitted_waiting ON stoker.submitted (import) WHERE request IS NOT NULL;
CREATE INDEX submitted_withdrawn ON stoker.submitted (import) WHERE withdrawn IS NOT NULL AND undone IS NULL;
