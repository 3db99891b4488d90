-- +goose Up

-- How far the stream DELIVER was gathered into deliveries. Sequences are of one stream, so the row is of
-- the one that was made at that time.
CREATE TABLE stoker.gathered (
    stream   timestamptz PRIMARY KEY,
    sequence bigint NOT NULL
);

-- Messages of DELIVER that become an import, until it has been fetched.
CREATE TABLE stoker.delivery (
    stream    timestamptz NOT NULL,
    first     bigint NOT NULL,       -- sequences of its first and last message
    last      bigint NOT NULL,
    supplier  text NOT NULL,
    name      text NOT NULL,         -- as the supplier calls it; '' is none
    messages  bigint NOT NULL,
    bytes     bigint NOT NULL,
    import    uuid,                  -- once it is closed; null: more may come
    requested boolean NOT NULL DEFAULT false,
    PRIMARY KEY (stream, first)
);

CREATE UNIQUE INDEX ON stoker.delivery (stream, supplier, name) WHERE import IS NULL;
