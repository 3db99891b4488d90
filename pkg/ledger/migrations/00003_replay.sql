-- +goose Up

-- What the stream of resources held is written again, into the same dataset or another.
CREATE TABLE stoker.replay (
    id       uuid PRIMARY KEY,
    dataset  text NOT NULL, -- whose messages
    target   text NOT NULL, -- which dataset they are written into
    import   uuid,          -- only those of this import
    force    boolean NOT NULL DEFAULT false, -- bodies also at equal version
    after    timestamptz,   -- imports accepted until then are not replayed: the dataset was dropped then
    first    bigint NOT NULL DEFAULT 0, -- sequences of the stream, fixed when the replay begins
    last     bigint NOT NULL DEFAULT 0,
    whole    boolean NOT NULL DEFAULT false, -- once complete, target has all that dataset had up to last
    state    text NOT NULL CHECK (state IN ('preparing', 'running', 'complete', 'failed', 'cancelled')),
    reason   text NOT NULL DEFAULT '',
    created  timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended    timestamptz
);
CREATE INDEX replay_open ON stoker.replay (state) WHERE ended IS NULL;

-- What a replay reads of each type.
CREATE TABLE stoker.replay_type (
    replay   uuid NOT NULL,
    type     text NOT NULL COLLATE "C",
    first    bigint NOT NULL,
    last     bigint NOT NULL,
    messages bigint NOT NULL, -- the stream held between the two
    PRIMARY KEY (replay, type)
);

-- Statements: what became of one message of a replay.
CREATE TABLE stoker.replayed (
    replay    uuid NOT NULL,
    sequence  bigint NOT NULL, -- in the stream
    type      text NOT NULL COLLATE "C",
    unstated  boolean NOT NULL, -- the dataset's own account does not have it, so another dataset did not get it
    resources bigint NOT NULL,  -- what is not counted in the following was there under the same version
    inserted  bigint NOT NULL,
    updated   bigint NOT NULL,
    unchanged bigint NOT NULL,
    stale     bigint NOT NULL,
    deleted   bigint NOT NULL,
    skipped   bigint NOT NULL,
    rejected  bigint NOT NULL,
    discarded bigint NOT NULL,
    cancelled bigint NOT NULL,
    PRIMARY KEY (replay, sequence)
);

-- When a dataset was last dropped. The stream may still have messages of the imports before.
CREATE TABLE stoker.dropped (
    dataset text PRIMARY KEY,
    at      timestamptz NOT NULL
);
