-- +goose Up

-- What is needed to bring a database up to date that was restored from a backup.

-- Changes of an import's state are counted, so that of two statements of it the newer one is
-- known, and published in the stream JOURNAL. A row that was made again from messages has none.
ALTER TABLE stoker.import
    ADD COLUMN change    bigint NOT NULL DEFAULT 1,
    ADD COLUMN published bigint NOT NULL DEFAULT 0; -- the last change that was published
CREATE INDEX import_unpublished ON stoker.import (id) WHERE change > published;

-- +goose StatementBegin
CREATE FUNCTION stoker.count_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.change := OLD.change + 1;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER count_change BEFORE UPDATE ON stoker.import FOR EACH ROW
    WHEN (NEW.change = OLD.change AND (NEW.state, NEW.reason, NEW.attempt, NEW.listed, NEW.closed, NEW.limited, NEW.ended)
        IS DISTINCT FROM (OLD.state, OLD.reason, OLD.attempt, OLD.listed, OLD.closed, OLD.limited, OLD.ended))
    EXECUTE FUNCTION stoker.count_change();

-- Statements about batches that were written before the database was restored. A replay says them again in
-- the transaction in which it writes the batch, and removes them here.
CREATE TABLE stoker.restored (
    import      uuid NOT NULL,
    file        integer NOT NULL,
    off         bigint NOT NULL,
    type        text NOT NULL COLLATE "C",
    part        integer NOT NULL,
    fingerprint uuid NOT NULL,
    dataset     text NOT NULL,
    sequence    bigint NOT NULL, -- of the batch in the stream of resources
    conflicts   bigint NOT NULL,
    foreign_rows bigint NOT NULL,
    outcomes    bytea NOT NULL,
    PRIMARY KEY (import, file, off, type, part, fingerprint)
);

CREATE INDEX restored_dataset ON stoker.restored (dataset, type, sequence);

ALTER TABLE stoker.replay
    ADD COLUMN restores timestamptz; -- it brings back all that was lost since: at its end nothing may be missing
