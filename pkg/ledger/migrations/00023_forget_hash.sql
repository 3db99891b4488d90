-- +goose Up

-- forget_hash has a row forget its hash when anyone but a writer changes its resource (00001). Triggers call it AFTER the update now:
-- for a BEFORE trigger PostgreSQL locks each row that writers update, to ask whether it is to be called. Tables that an older version
-- made have theirs BEFORE until a writer meets them. Who edits a row needs no right to its hash; so that nobody makes the function's rights
-- his own by a trigger on his own table, nobody but its owner may make triggers of it.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION stoker.forget_hash() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_WHEN = 'BEFORE' THEN
        NEW.hash := NULL;
        NEW.changed := pg_current_xact_id();
        RETURN NEW;
    END IF;
    EXECUTE format('UPDATE %I.%I SET hash = NULL, changed = pg_current_xact_id() WHERE id = $1', TG_TABLE_SCHEMA, TG_TABLE_NAME)
        USING NEW.id;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION stoker.forget_hash() FROM PUBLIC;
