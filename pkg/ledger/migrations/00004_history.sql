-- +goose Up

-- Datasets that keep every version they see, in a table beside each type's. The name may be of a
-- dataset that has no import yet. What imports accepted later bring is in the history; of those
-- before, some may have been overwritten already.
CREATE TABLE stoker.history (
    dataset text PRIMARY KEY,
    since   timestamptz NOT NULL -- on the clock of imports
);

-- What was discarded: an import, or one of its files. Every transaction that writes reads this
-- under its dataset's lock, and stores nothing of it.
CREATE TABLE stoker.discard (
    import    uuid NOT NULL,
    file      integer NOT NULL, -- -1: all of them
    discarded timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (import, file)
);
