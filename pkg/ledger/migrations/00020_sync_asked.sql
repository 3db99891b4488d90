-- +goose Up

-- When the request for the run's import was put into the queue last; null: by an older version, or not yet.
ALTER TABLE stoker.sync_run ADD COLUMN asked timestamptz;
