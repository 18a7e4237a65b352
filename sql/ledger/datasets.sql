-- Datasets of telemetry.dataset, and how they build on each other.

CREATE OR REPLACE FUNCTION telemetry.drop_after(keep interval)
RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT keep + INTERVAL '2 days'
$$;

COMMENT ON FUNCTION telemetry.drop_after(interval) IS
'Takes how long rows are to be kept at least. Returns the age at which a chunk is dropped: two days more, in which the rollups catch up with readings that came at the last moment. NULL for NULL.';
REVOKE ALL ON FUNCTION telemetry.drop_after(interval) FROM PUBLIC;
-- a view of ops calls it with the rights of whoever asks
GRANT EXECUTE ON FUNCTION telemetry.drop_after(interval) TO wattledger_dba;

CREATE OR REPLACE FUNCTION telemetry.drop_before(keep interval, held_until timestamptz)
RETURNS timestamptz
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN held_until <= now() THEN telemetry.utc_minus(now(), telemetry.drop_after(keep)) END
$$;

COMMENT ON FUNCTION telemetry.drop_before(interval, timestamptz) IS
'Takes how long rows are kept (NULL: for ever), and until when nothing is dropped. Returns the moment before which chunks are dropped now; NULL where none is.';
REVOKE ALL ON FUNCTION telemetry.drop_before(interval, timestamptz) FROM PUBLIC;

CREATE OR REPLACE FUNCTION telemetry.known_dataset(name text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_name text := regexp_replace(name, '^(telemetry|bi)\.', '');
BEGIN
    IF NOT EXISTS (SELECT FROM telemetry.dataset AS d WHERE d.dataset = v_name) THEN
        RAISE EXCEPTION 'there is no dataset %', coalesce(name, 'null')
            USING ERRCODE = 'WL021',
                HINT = 'One of: ' || (SELECT string_agg(d.dataset, ', ' ORDER BY d.dataset) FROM telemetry.dataset AS d);
    END IF;
    RETURN v_name;
END;
$$;

COMMENT ON FUNCTION telemetry.known_dataset(text) IS
'Takes a dataset''s name, with or without its schema. Returns it without. Raises WL021 where there is none of that name.';
REVOKE ALL ON FUNCTION telemetry.known_dataset(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION telemetry.source_of(dataset text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE
        WHEN source_of.dataset LIKE '%daily' THEN replace(source_of.dataset, 'daily', 'hourly')
        WHEN source_of.dataset LIKE '%hourly' THEN replace(source_of.dataset, 'energy_hourly', 'reading')
    END
$$;

COMMENT ON FUNCTION telemetry.source_of(text) IS
'Takes a dataset. Returns the one that it is built from; NULL for raw readings.';
REVOKE ALL ON FUNCTION telemetry.source_of(text) FROM PUBLIC;
-- a view of ops calls it with the rights of whoever asks
GRANT EXECUTE ON FUNCTION telemetry.source_of(text) TO wattledger_dba;

CREATE OR REPLACE VIEW telemetry.dataset_level AS
SELECT
    d.dataset,
    split_part(d.dataset, '_', 1) AS side,
    CASE WHEN d.dataset LIKE '%reading' THEN 0 WHEN d.dataset LIKE '%hourly' THEN 1 ELSE 2 END AS level,
    d.keep
FROM telemetry.dataset AS d;

COMMENT ON VIEW telemetry.dataset_level IS 'Which dataset is built from which: of one side, from the level below.';
COMMENT ON COLUMN telemetry.dataset_level.dataset IS 'The dataset''s name.';
COMMENT ON COLUMN telemetry.dataset_level.side IS 'meter or vehicle.';
COMMENT ON COLUMN telemetry.dataset_level.level IS '0: raw readings, 1: hours, 2: days.';
COMMENT ON COLUMN telemetry.dataset_level.keep IS 'How long it is kept; NULL: for ever.';

CREATE OR REPLACE FUNCTION telemetry.settled_after(dataset text)
RETURNS interval
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN l.level = 0 THEN INTERVAL '1 day' ELSE r.keep + INTERVAL '3 days' END
    FROM telemetry.dataset_level AS l
    INNER JOIN telemetry.dataset_level AS r ON r.side = l.side AND r.level = 0
    WHERE l.dataset = settled_after.dataset
$$;

COMMENT ON FUNCTION telemetry.settled_after(text) IS
'Takes a dataset. Returns the age from which on its rows may be compressed: raw readings are written once, rollups are refreshed until their raw readings are dropped. NULL where those are kept for ever.';
REVOKE ALL ON FUNCTION telemetry.settled_after(text) FROM PUBLIC;
