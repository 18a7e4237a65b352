-- Exports: the moments that are asked for, and the windows in which history is read.

CREATE OR REPLACE FUNCTION ops.local_moment(moment text, zone text DEFAULT 'UTC')
RETURNS timestamptz
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- so that what is set below ends with the call
SET timezone = 'UTC'
SET datestyle = 'ISO, YMD'
AS $$
BEGIN
    PERFORM telemetry.check_zone(zone);
    PERFORM set_config('timezone', zone, TRUE);
    RETURN moment::timestamptz;
EXCEPTION WHEN invalid_datetime_format OR datetime_field_overflow OR invalid_parameter_value THEN
    RAISE EXCEPTION '"%" is not a time', moment
        USING ERRCODE = 'WL002',
            HINT = 'Give a day, such as 2026-01-31, or a time, such as 2026-01-31T12:00 or 2026-01-31T12:00+01:00.';
END;
$$;

COMMENT ON FUNCTION ops.local_moment(text, text) IS
'Takes a time as it is written, or a day for its start, and the time zone in which it is meant where it has no offset of its own. Returns the moment; NULL for NULL. An hour that clocks pass twice is the second one, in winter time. Raises WL002 where it cannot be read, WL009 for an unknown time zone.';

CREATE OR REPLACE FUNCTION ops.export_windows(
    subject text,
    since timestamptz DEFAULT NULL,
    until timestamptz DEFAULT NULL
)
RETURNS TABLE (window_start timestamptz, window_end timestamptz, estimated_rows bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_side text := substring(subject FROM '^(meter|vehicle)_(reading|energy_hourly)$');
BEGIN
    IF v_side IS NULL AND subject IS DISTINCT FROM 'charging_session' THEN
        RAISE EXCEPTION '% is not exported', coalesce(subject, 'null')
            USING ERRCODE = 'WL021',
                HINT = 'One of: meter_reading, vehicle_reading, meter_energy_hourly, vehicle_energy_hourly, charging_session.';
    END IF;
    IF since >= until THEN
        RAISE EXCEPTION 'the window must begin before it ends'
            USING ERRCODE = 'WL002', HINT = 'Send a "to" that is later than "from".';
    END IF;

    RETURN QUERY
    WITH span AS (
        -- of hours that a continuous aggregate does not have yet, the chunks are those of their readings
        SELECT
            c.range_start AS first,
            c.range_end AS last,
            CASE
                WHEN h.dataset = subject
                    THEN public.approximate_row_count(format('%I.%I', c.chunk_schema, c.chunk_name)::regclass)
            END AS rows,
            INTERVAL '24 hours' AS step
        FROM telemetry.dataset_hypertable() AS h
        INNER JOIN timescaledb_information.chunks AS c
            ON c.hypertable_schema = h.hypertable_schema AND c.hypertable_name = h.hypertable_name
        WHERE h.dataset IN (subject, telemetry.source_of(subject))
        UNION ALL
        -- many are few rows, and their query takes long to plan
        SELECT
            date_trunc('month', min(s.started_at), 'UTC'),
            max(s.started_at) + INTERVAL '1 microsecond',
            (SELECT c.reltuples::bigint FROM pg_class AS c WHERE c.oid = 'telemetry.charging_session'::regclass),
            INTERVAL '768 hours'
        FROM telemetry.charging_session AS s
        WHERE subject = 'charging_session'
        HAVING min(s.started_at) IS NOT NULL
    ),
    part AS (
        SELECT
            p.first,
            p.first + s.step AS last,
            s.rows * extract(EPOCH FROM s.step) / extract(EPOCH FROM s.last - s.first) AS rows
        FROM span AS s
        CROSS JOIN LATERAL generate_series(
            telemetry.floor_day(s.first), s.last - INTERVAL '1 microsecond', s.step
        ) AS p (first)
    )
    SELECT
        greatest(p.first, since),
        least(p.last, until),
        greatest(sum(p.rows), 0)::bigint
    FROM part AS p
    WHERE (since IS NULL OR p.last > since) AND (until IS NULL OR p.first < until)
    GROUP BY p.first, p.last
    ORDER BY p.first;
END;
$$;

COMMENT ON FUNCTION ops.export_windows(text, timestamptz, timestamptz) IS
'Takes what is to be exported (meter_reading, vehicle_reading, meter_energy_hourly, vehicle_energy_hourly or charging_session), and from when (included) until when (not included); NULL: all. Returns the windows of time that history is read in, oldest first, without those that hold nothing: UTC days, or 32 days of charging sessions, each with its start, its end and about how many rows of all devices it has, 0 where that is not known. Raises WL021 for another subject, WL002 where the window ends before it begins.';

REVOKE ALL ON FUNCTION
    ops.local_moment(text, text),
    ops.export_windows(text, timestamptz, timestamptz)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    ops.local_moment(text, text),
    ops.export_windows(text, timestamptz, timestamptz)
TO wattledger_dba;
