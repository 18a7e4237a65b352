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
AS $$
DECLARE
    v_materialized text;
    v_query text;
    v_device text := split_part(rollup, '_', 1) || '_id';
    v_columns text;
BEGIN
    SELECT
        format('%I.%I', c.materialization_hypertable_schema, c.materialization_hypertable_name),
        rtrim(c.view_definition, E'; \n')
    INTO STRICT v_materialized, v_query
    FROM timescaledb_information.continuous_aggregates AS c
    WHERE c.view_schema = 'bi' AND c.view_name = keep_history_rollup.rollup;
    SELECT string_agg(format('%I', a.attname), ', ' ORDER BY a.attnum) INTO v_columns
    FROM pg_attribute AS a
    WHERE a.attrelid = format('bi.%I', rollup)::regclass AND a.attnum > 0 AND NOT a.attisdropped;
    EXECUTE format(
        'INSERT INTO %s (%s) SELECT %2$s FROM (%s) AS r WHERE r.%I = ANY ($1) AND r.bucket >= $2 AND r.bucket < $3',
        v_materialized, v_columns, v_query, v_device
    )
    USING device_ids, since, until;
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
AS $$
DECLARE
    v_side text := split_part(dataset, '_', 1);
    v_hours telemetry.dataset := (SELECT d FROM telemetry.dataset AS d WHERE d.dataset = v_side || '_energy_hourly');
    v_materialized text;
BEGIN
    PERFORM telemetry.keep_history_rollup(v_side || '_energy_hourly', device_ids, since, until);
    PERFORM telemetry.keep_history_rollup(v_side || '_energy_daily', device_ids, since, until);
    IF v_hours.complete_since > since THEN
        -- hours of before are kept by nobody any more
        SELECT format('%I.%I', h.hypertable_schema, h.hypertable_name) INTO STRICT v_materialized
        FROM telemetry.dataset_hypertable() AS h
        WHERE h.dataset = v_hours.dataset;
        EXECUTE format(
            'DELETE FROM %s AS h WHERE h.%I = ANY ($1) AND h.bucket >= $2 AND h.bucket < $3',
            v_materialized, v_side || '_id'
        )
        USING device_ids, since, least(until, v_hours.complete_since);
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.keep_history_rollups(text, text[], timestamptz, timestamptz) IS
'Brings hours and days of devices up to date whose history stands among the raw readings. Takes meter_reading or vehicle_reading, the devices, and a window of whole UTC days (since included, until not) in which they had no hours and days before. Returns nothing.';
REVOKE ALL ON FUNCTION
    telemetry.keep_history_rollup(text, text[], timestamptz, timestamptz),
    telemetry.keep_history_rollups(text, text[], timestamptz, timestamptz)
FROM PUBLIC;
