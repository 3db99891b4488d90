-- +goose Up

-- Of runs that ask for a bulk export, and of those that delete what their source lacks.
ALTER TABLE stoker.sync_run
    ADD COLUMN since       timestamptz,                  -- what changed since then was asked for; null: all
    ADD COLUMN joined      integer NOT NULL DEFAULT 0,   -- patients that joined, of whom all was asked for besides
    ADD COLUMN notices     text[] NOT NULL DEFAULT '{}', -- what was noticed when the source was asked
    ADD COLUMN max_deletes text;                         -- what the source lacks is deleted, up to this limit, '' is the default one; null: it is not
