-- +goose Up

-- The request of a run that has ended is of no use, and may have secrets and ids of patients.
UPDATE stoker.sync_run SET request = NULL WHERE ended IS NOT NULL AND request IS NOT NULL;
