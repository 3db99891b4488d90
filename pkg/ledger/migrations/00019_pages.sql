-- +goose Up

-- Of each file of a pull that is being read, the page in hand: what is published is first here, so that whoever follows a
-- fetcher that died publishes the same bytes, and asks for nothing twice. Removed with the end of the import.
CREATE TABLE stoker.page (
    import uuid NOT NULL,
    file   integer NOT NULL,
    off    bigint NOT NULL, -- of its first byte in the file
    line   bigint NOT NULL, -- number of its first line, from 1
    body   bytea NOT NULL,  -- its lines
    place  jsonb NOT NULL,  -- the fetcher's own: what is asked for next; it may hold secrets
    PRIMARY KEY (import, file)
);

-- Resources of the types that a pull follows: which others point to, and which there are. Removed with the end of the import.
CREATE TABLE stoker.pointed (
    import uuid NOT NULL,
    source integer NOT NULL, -- index in the request, from 0
    type   text NOT NULL,
    id     text COLLATE "C" NOT NULL,
    state  text NOT NULL CHECK (state IN ('wanted', 'asked', 'there')),
    PRIMARY KEY (import, source, type, id)
);
CREATE INDEX pointed_wanted ON stoker.pointed (import, source, type, id) WHERE state = 'wanted';
