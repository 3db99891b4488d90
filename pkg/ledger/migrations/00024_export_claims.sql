-- +goose Up

-- How often an export was claimed: who claimed it before the last one keeps nothing of it.
ALTER TABLE stoker.export ADD COLUMN claims integer NOT NULL DEFAULT 0;
