-- +goose Up

-- Imports that were asked for by a FHIR operation, and are watched at a status URL. The row is there
-- before the request is published, so that the URL holds from the moment that it is told.
CREATE TABLE stoker.job (
    import   uuid PRIMARY KEY,
    supplier text NOT NULL,
    asked    timestamptz NOT NULL DEFAULT clock_timestamp(),
    removed  timestamptz -- by DELETE of the status URL, which is not there any more
);
