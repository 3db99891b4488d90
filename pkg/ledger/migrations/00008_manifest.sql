-- +goose Up

-- What a manifest says of a file.
ALTER TABLE stoker.file
    ADD COLUMN kind  text NOT NULL DEFAULT '', -- '': resources; deleted: Bundles of deletions; outcome: reports of the supplier, not stored
    ADD COLUMN count bigint,                   -- of resources; null is unknown
    ADD COLUMN as_of timestamptz;              -- its transaction time; null is unknown
