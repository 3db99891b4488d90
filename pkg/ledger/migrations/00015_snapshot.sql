-- +goose Up

-- How the step of a snapshot stands, after which the supplier's rows are what the import has; null: it is none.
ALTER TABLE stoker.import ADD COLUMN snapshot jsonb;
CREATE INDEX import_snapshot ON stoker.import (id) WHERE snapshot->>'state' IN ('pending', 'deleting');

DROP TRIGGER count_change ON stoker.import;
CREATE TRIGGER count_change BEFORE UPDATE ON stoker.import FOR EACH ROW
    WHEN (NEW.change = OLD.change AND (NEW.state, NEW.reason, NEW.attempt, NEW.listed, NEW.closed, NEW.limited, NEW.ended, NEW.snapshot)
        IS DISTINCT FROM (OLD.state, OLD.reason, OLD.attempt, OLD.listed, OLD.closed, OLD.limited, OLD.ended, OLD.snapshot))
    EXECUTE FUNCTION stoker.count_change();

-- Keys that a snapshot has and whose rows may be another import's all the same: in mode sync an older import's may
-- be newer at its source, and an incomplete resource gives way to any full one. Until the step is decided.
CREATE TABLE stoker.mentioned (
    import uuid NOT NULL,
    type   text NOT NULL COLLATE "C",
    id     text NOT NULL COLLATE "C",
    PRIMARY KEY (import, type, id)
);

-- Deletions of a snapshot that are decided, and are not in the stream of resources yet: one batch a row.
CREATE TABLE stoker.absent (
    import  uuid NOT NULL,
    off     bigint NOT NULL, -- of the batch
    type    text NOT NULL COLLATE "C",
    rows    integer NOT NULL,
    records bytea NOT NULL,  -- the batch's body
    PRIMARY KEY (import, off)
);
