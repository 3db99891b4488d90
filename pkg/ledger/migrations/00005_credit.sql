-- +goose Up

-- How far an import is stored, so that what is on its way can be added up without reading
-- all its statements, and what its fetcher waits for. A hint: without the row it is found again.
CREATE TABLE stoker.credit (
    import  uuid PRIMARY KEY,
    file    integer NOT NULL DEFAULT 0, -- the chunks below this one are stored
    off     bigint NOT NULL DEFAULT 0,
    waiting text NOT NULL DEFAULT '',   -- why fetching does not go on; '' is that it does
    since   timestamptz                 -- when anything moved last
);
