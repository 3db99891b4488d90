-- +goose Up

-- What was found in a chunk, rejected or stored all the same: a statement of the parser's,
-- said once with its row of stoker.parsed. Where off is negative it is of the line of that
-- number, which a writer rejected.
CREATE TABLE stoker.issue (
    import      uuid NOT NULL,
    file        integer NOT NULL,
    off         bigint NOT NULL,
    severity    text NOT NULL,
    code        text NOT NULL,
    expression  text NOT NULL COLLATE "C", -- without indexes
    count       bigint NOT NULL,
    line        bigint NOT NULL,           -- the first that has it
    diagnostics text NOT NULL,
    PRIMARY KEY (import, file, off, severity, code, expression)
);

ALTER TABLE stoker.reject
    ADD COLUMN stored   boolean NOT NULL DEFAULT false, -- not a reject: stored in spite of its issues
    ADD COLUMN resource bytea;                          -- of an entry that validation rejected: as it would have been stored

ALTER TABLE stoker.import
    ADD COLUMN limited timestamptz, -- when it was noticed that too much of it is rejected; it is noticed once
    ADD COLUMN retry   uuid;        -- whose rejects it puts through again
CREATE INDEX import_retry ON stoker.import (retry) WHERE retry IS NOT NULL;
