-- +goose Up

ALTER TABLE stoker.import
    ADD COLUMN mends uuid,        -- whose rejects it delivers anew
    ADD COLUMN swept timestamptz; -- when its rejects were removed, as its supplier's policy says
CREATE INDEX import_mends ON stoker.import (mends) WHERE mends IS NOT NULL;
CREATE INDEX import_kept ON stoker.import (ended) WHERE policy->'keep_reports_days' IS NOT NULL AND swept IS NULL AND ended IS NOT NULL;

-- By hash: what a reject has for an id may be of any length.
CREATE INDEX reject_key ON stoker.reject (import, hashtextextended(id, 0)) WHERE NOT stored;

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
