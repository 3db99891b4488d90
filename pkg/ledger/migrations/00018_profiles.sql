-- +goose Up

-- Which elements the resources of a chunk had: a statement of the parser's, said once with its row of stoker.parsed.
CREATE TABLE stoker.profile (
    import    uuid NOT NULL,
    file      integer NOT NULL,
    off       bigint NOT NULL,
    type      text NOT NULL COLLATE "C",
    resources bigint NOT NULL,
    elements  jsonb NOT NULL,            -- how many had it, by its name
    first     text NOT NULL COLLATE "C", -- the earliest date, "" if none is known
    last      text NOT NULL COLLATE "C",
    PRIMARY KEY (import, file, off, type)
);
