-- +goose Up

ALTER TABLE stoker.import
    ADD COLUMN mends uuid,        -- whose rejects it delivers anew
    ADD COLUMN swept timestamptz; -- when its rejects were removed, as its supplier's policy says
CREATE INDEX import_mends ON stoker.import (mends) WHERE mends IS NOT NULL;
CREATE INDEX import_kept ON stoker.import (ended) WHERE policy->'keep_reports_days' IS NOT NULL AND swept IS NULL AND ended IS NOT NULL;

CREATE INDEX reject_key ON stoker.reject (import, type, id) WHERE NOT stored;

-- Rejects whose resource was delivered again and taken. Stated with the batch that has it.
CREATE TABLE stoker.resolved (
    import  uuid NOT NULL, -- of the reject
    file    integer NOT NULL,
    line    bigint NOT NULL,
    entry   integer NOT NULL,
    by      uuid NOT NULL, -- the import that has it
    by_file integer NOT NULL,
    PRIMARY KEY (import, file, line, entry, by, by_file)
);
CREATE INDEX resolved_by ON stoker.resolved (by);

-- What was computed of imports for reports that compare them. It may be computed again.
CREATE TABLE stoker.content (
    import   uuid PRIMARY KEY,
    computed timestamptz NOT NULL DEFAULT clock_timestamp(),
    content  jsonb NOT NULL
);
