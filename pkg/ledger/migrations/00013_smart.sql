-- +goose Up

-- Assertions by which clients got a token, so that none is good for a second one.
CREATE TABLE stoker.assertion (
    client text NOT NULL,
    jti    text NOT NULL, -- its hash
    until  timestamptz NOT NULL, -- when it has expired for certain
    PRIMARY KEY (client, jti)
);
CREATE INDEX assertion_until ON stoker.assertion (until);

-- Access tokens of suppliers, by their hashes.
CREATE TABLE stoker.access_token (
    hash     text PRIMARY KEY,
    supplier text NOT NULL,
    client   text NOT NULL, -- the supplier's client id when it was given
    scope    text NOT NULL,
    until    timestamptz NOT NULL
);
CREATE INDEX access_token_until ON stoker.access_token (until);
