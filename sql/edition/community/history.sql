-- Hours and days of history on the Community edition: computed as a refresh does, of the devices alone that are new
-- there, and stored beside those of all others, which no refresh of that time could compute any more.

CREATE OR REPLACE FUNCTION telemetry.keep_history_rollup(
    rollup text,
    device_ids text[],
    since timestamptz,
    until timestamptz
)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
-- as times are put into statements
SET timezone = 'UTC'
SET datestyle = 'ISO'
AS $$
DECLARE
    v_device text := split_part(rollup, '_', 1) || '_id';
    v_of record;
BEGIN
    SELECT h.schema_name, h.table_name, c.direct_view_schema, c.direct_view_name INTO STRICT v_of
    FROM _timescaledb_catalog.continuous_agg AS c
    INNER JOIN _timescaledb_catalog.hypertable AS h ON h.id = c.mat_hypertable_id
    WHERE c.user_view_schema = 'bi' AND c.user_view_name = keep_history_rollup.rollup;
    IF (
        SELECT count(DISTINCT r.columns)
        FROM (
            SELECT array_agg(a.attname ORDER BY a.attnum) AS columns
            FROM pg_attribute AS a
            WHERE a.attrelid IN (
                format('%I.%I', v_of.schema_name, v_of.table_name)::regclass,
                format('%I.%I', v_of.direct_view_schema, v_of.direct_view_name)::regclass
            ) AND a.attnum > 0 AND NOT a.attisdropped
            GROUP BY a.attrelid
        ) AS r
    ) <> 1 THEN
        RAISE EXCEPTION 'TimescaleDB stores % otherwise than it computes it', rollup;
    END IF;
    EXECUTE format(
        'INSERT INTO %I.%I SELECT r.* FROM %I.%I AS r WHERE r.%I = ANY (%L::text[]) AND r.bucket >= %L AND r.bucket < %L',
        v_of.schema_name, v_of.table_name, v_of.direct_view_schema, v_of.direct_view_name, v_device, device_ids,
        since, until
    );
END;
$$;

COMMENT ON FUNCTION telemetry.keep_history_rollup(text, text[], timestamptz, timestamptz) IS
'Computes rows of an hourly or daily rollup and stores them. Takes the rollup, devices of which it has no rows in the window, and that window (since included, until not). Returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.keep_history_rollups(
    dataset text,
    device_ids text[],
    since timestamptz,
    until timestamptz
)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
-- as times are put into statements
SET timezone = 'UTC'
SET datestyle = 'ISO'
AS $$
DECLARE
    v_side text := split_part(dataset, '_', 1);
    v_side_id text := v_side || '_id';
    v_hours telemetry.dataset := (SELECT d FROM telemetry.dataset AS d WHERE d.dataset = v_side || '_energy_hourly');
    v_of record;
BEGIN
    PERFORM telemetry.keep_history_rollup(v_side || '_energy_hourly', device_ids, since, until);
    PERFORM telemetry.keep_history_rollup(v_side || '_energy_daily', device_ids, since, until);
    IF v_hours.complete_since > since THEN
        -- hours of before are kept by nobody any more
        SELECT h.hypertable_schema, h.hypertable_name INTO STRICT v_of
        FROM telemetry.dataset_hypertable() AS h
        WHERE h.dataset = v_hours.dataset;
        EXECUTE format(
            'DELETE FROM %I.%I AS h WHERE h.%I = ANY (%L::text[]) AND h.bucket >= %L AND h.bucket < %L',
            v_of.hypertable_schema, v_of.hypertable_name, v_side_id, device_ids, since,
            least(until, v_hours.complete_since)
        );
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.keep_history_rollups(text, text[], timestamptz, timestamptz) IS
'Brings hours and days of devices up to date whose history stands among the raw readings. Takes meter_reading or vehicle_reading, the devices, and a window of whole UTC days (since included, until not) in which they had no hours and days before. Returns nothing.';
REVOKE ALL ON FUNCTION
    telemetry.keep_history_rollup(text, text[], timestamptz, timestamptz),
    telemetry.keep_history_rollups(text, text[], timestamptz, timestamptz)
FROM PUBLIC;

CREATE OR REPLACE PROCEDURE telemetry.show_history(dataset text, since timestamptz, until timestamptz)
LANGUAGE plpgsql
AS $$
DECLARE
    v_rollup text;
    v_relation regclass;
    v_role text;
BEGIN
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    PERFORM telemetry.refresh_wholly();
    FOREACH v_rollup IN ARRAY ARRAY['hourly', 'daily'] LOOP
        v_rollup := split_part(dataset, '_', 1) || '_energy_' || v_rollup;
        CONTINUE WHEN EXISTS (
            SELECT FROM telemetry.watermark() AS w WHERE w.dataset = v_rollup AND w.watermark >= show_history.until
        );
        SELECT h.relation INTO v_relation FROM telemetry.dataset_hypertable() AS h WHERE h.dataset = v_rollup;
        COMMIT;
        -- for the session, since a refresh goes on after a commit: see ops.refresh
        v_role := pg_catalog.current_setting('role');
        SET ROLE wattledger_owner;
        SET LOCAL search_path = pg_catalog, pg_temp;
        -- it leaves what is stored there as it is, and finds out how far that goes
        CALL public.refresh_continuous_aggregate(v_relation, since, until);
        PERFORM pg_catalog.set_config('role', v_role, FALSE);
        COMMIT;
        SET LOCAL ROLE wattledger_owner;
        SET LOCAL search_path = pg_catalog, pg_temp;
    END LOOP;
END;
$$;

COMMENT ON PROCEDURE telemetry.show_history (text, timestamptz, timestamptz) IS
'Has hours and days of history seen that are stored, also where nothing was ever refreshed; in the caller''s turn. Takes meter_reading or vehicle_reading and a window of whole UTC days (since included, until not) of which no raw reading is kept. It commits as it goes.';
REVOKE ALL ON PROCEDURE telemetry.show_history(text, timestamptz, timestamptz) FROM PUBLIC;
