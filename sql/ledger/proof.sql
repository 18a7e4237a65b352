-- Proof, before raw readings or hours go, that the levels above hold all of them.

-- in PL/pgSQL, and planned anew each time: only so the chunks of the window alone are looked at

CREATE OR REPLACE FUNCTION telemetry.unproven_meter_hours(since timestamptz, until timestamptz)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    RETURN (
        SELECT format(
            '%s in the hour from %s: %s mWh in %s readings, in the hours %s in %s',
            coalesce(r.meter_id, h.meter_id),
            to_char(coalesce(r.bucket, h.bucket) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"'),
            coalesce(r.energy_mwh, 0), coalesce(r.samples, 0), coalesce(h.energy_mwh, 0), coalesce(h.samples, 0)
        )
        FROM (
            SELECT
                a.meter_id,
                telemetry.floor_hour(a.ts) AS bucket,
                sum(a.energy_mwh) AS energy_mwh,
                count(*) FILTER (WHERE a.entry = 0) AS samples
            FROM telemetry.meter_reading AS a
            WHERE a.ts >= unproven_meter_hours.since AND a.ts < unproven_meter_hours.until
            GROUP BY 1, 2
        ) AS r
        FULL JOIN (
            SELECT e.meter_id, e.bucket, e.energy_mwh, e.samples
            FROM bi.meter_energy_hourly AS e
            WHERE e.bucket >= unproven_meter_hours.since AND e.bucket < unproven_meter_hours.until
        ) AS h ON h.meter_id = r.meter_id AND h.bucket = r.bucket
        WHERE (r.energy_mwh, r.samples) IS DISTINCT FROM (h.energy_mwh, h.samples)
        LIMIT 1
    );
END;
$$;

COMMENT ON FUNCTION telemetry.unproven_meter_hours(timestamptz, timestamptz) IS
'Takes a window of whole hours (since included, until not). Returns a sentence about one hour of a meter in which its readings and bi.meter_energy_hourly differ in energy or number; NULL where all agree.';

CREATE OR REPLACE FUNCTION telemetry.unproven_vehicle_hours(since timestamptz, until timestamptz)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    RETURN (
        SELECT format(
            '%s in the hour from %s: %s mWh in %s readings, in the hours %s in %s',
            coalesce(r.vehicle_id, h.vehicle_id),
            to_char(coalesce(r.bucket, h.bucket) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"'),
            coalesce(r.energy_mwh, 0), coalesce(r.samples, 0), coalesce(h.energy_mwh, 0), coalesce(h.samples, 0)
        )
        FROM (
            SELECT
                a.vehicle_id,
                telemetry.floor_hour(a.ts) AS bucket,
                sum(a.energy_mwh) AS energy_mwh,
                count(*) FILTER (WHERE a.entry = 0) AS samples
            FROM telemetry.vehicle_reading AS a
            WHERE a.ts >= unproven_vehicle_hours.since AND a.ts < unproven_vehicle_hours.until
            GROUP BY 1, 2
        ) AS r
        FULL JOIN (
            SELECT e.vehicle_id, e.bucket, e.energy_mwh, e.samples
            FROM bi.vehicle_energy_hourly AS e
            WHERE e.bucket >= unproven_vehicle_hours.since AND e.bucket < unproven_vehicle_hours.until
        ) AS h ON h.vehicle_id = r.vehicle_id AND h.bucket = r.bucket
        WHERE (r.energy_mwh, r.samples) IS DISTINCT FROM (h.energy_mwh, h.samples)
        LIMIT 1
    );
END;
$$;

COMMENT ON FUNCTION telemetry.unproven_vehicle_hours(timestamptz, timestamptz) IS
'Takes a window of whole hours (since included, until not). Returns a sentence about one hour of a vehicle in which its readings and bi.vehicle_energy_hourly differ in energy or number; NULL where all agree.';

CREATE OR REPLACE FUNCTION telemetry.unproven_days(side text, since timestamptz, until timestamptz)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    RETURN (
        SELECT format(
            '%s on %s: %s mWh in %s readings by the hours, by the days %s in %s',
            coalesce(h.device_id, d.device_id),
            to_char(coalesce(h.bucket, d.bucket) AT TIME ZONE 'UTC', 'YYYY-MM-DD'),
            coalesce(h.energy_mwh, 0), coalesce(h.samples, 0), coalesce(d.energy_mwh, 0), coalesce(d.samples, 0)
        )
        FROM (
            SELECT
                e.device_id,
                telemetry.floor_day(e.bucket) AS bucket,
                sum(e.energy_mwh) AS energy_mwh,
                sum(e.samples)::bigint AS samples
            FROM (
                SELECT m.meter_id AS device_id, m.bucket, m.energy_mwh, m.samples
                FROM bi.meter_energy_hourly AS m
                WHERE unproven_days.side = 'meter'
                    AND m.bucket >= unproven_days.since AND m.bucket < unproven_days.until
                UNION ALL
                SELECT v.vehicle_id, v.bucket, v.energy_mwh, v.samples
                FROM bi.vehicle_energy_hourly AS v
                WHERE unproven_days.side = 'vehicle'
                    AND v.bucket >= unproven_days.since AND v.bucket < unproven_days.until
            ) AS e
            GROUP BY 1, 2
        ) AS h
        FULL JOIN (
            SELECT m.meter_id AS device_id, m.bucket, m.energy_mwh, m.samples
            FROM bi.meter_energy_daily AS m
            WHERE unproven_days.side = 'meter'
                AND m.bucket >= unproven_days.since AND m.bucket < unproven_days.until
            UNION ALL
            SELECT v.vehicle_id, v.bucket, v.energy_mwh, v.samples
            FROM bi.vehicle_energy_daily AS v
            WHERE unproven_days.side = 'vehicle'
                AND v.bucket >= unproven_days.since AND v.bucket < unproven_days.until
        ) AS d ON d.device_id = h.device_id AND d.bucket = h.bucket
        WHERE (h.energy_mwh, h.samples) IS DISTINCT FROM (d.energy_mwh, d.samples)
        LIMIT 1
    );
END;
$$;

COMMENT ON FUNCTION telemetry.unproven_days(text, timestamptz, timestamptz) IS
'Takes meter or vehicle and a window of whole UTC days (since included, until not). Returns a sentence about one day of a device in which its hours and days differ in energy or number of readings; NULL where all agree.';

CREATE OR REPLACE FUNCTION telemetry.unproven(dataset text, since timestamptz, until timestamptz)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_side text := split_part(dataset, '_', 1);
    v_since timestamptz := telemetry.floor_day(since);
    v_complete timestamptz;
BEGIN
    IF dataset LIKE '%daily' THEN
        RETURN NULL;  -- nothing is built from days
    END IF;
    SELECT d.complete_since INTO v_complete FROM telemetry.dataset AS d WHERE d.dataset = v_side || '_energy_hourly';
    -- a day of which a part of the hours is gone was proven when that went
    IF v_since < v_complete THEN
        v_since := telemetry.ceiling_day(v_complete);
    END IF;
    RETURN coalesce(
        CASE dataset
            WHEN 'meter_reading' THEN telemetry.unproven_meter_hours(since, until)
            WHEN 'vehicle_reading' THEN telemetry.unproven_vehicle_hours(since, until)
        END,
        telemetry.unproven_days(v_side, v_since, telemetry.ceiling_day(until))
    );
END;
$$;

COMMENT ON FUNCTION telemetry.unproven(text, timestamptz, timestamptz) IS
'Takes a dataset and a window of whole hours (since included, until not) of which its rows are to go. Returns a sentence about one difference between these rows and the hours or days that are built from them; NULL where there is none.';

CREATE OR REPLACE FUNCTION telemetry.stray_reading(dataset text, since timestamptz, until timestamptz)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    RETURN (
        SELECT format(
            '%s has a reading of %s, and others of that time were dropped before',
            r.device_id,
            to_char(r.ts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
        )
        FROM (
            SELECT m.meter_id AS device_id, m.ts
            FROM telemetry.meter_reading AS m
            WHERE stray_reading.dataset = 'meter_reading'
                AND m.ts >= stray_reading.since AND m.ts < stray_reading.until
            UNION ALL
            SELECT v.vehicle_id, v.ts
            FROM telemetry.vehicle_reading AS v
            WHERE stray_reading.dataset = 'vehicle_reading'
                AND v.ts >= stray_reading.since AND v.ts < stray_reading.until
        ) AS r
        LIMIT 1
    );
END;
$$;

COMMENT ON FUNCTION telemetry.stray_reading(text, timestamptz, timestamptz) IS
'Takes a dataset and a window of which its rows were dropped before. Returns a sentence about a reading of that time that is stored nevertheless, and that no rollup counts; NULL where there is none, and for rollups.';

CREATE OR REPLACE FUNCTION telemetry.note_proven(dataset text, since timestamptz, until timestamptz)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    INSERT INTO telemetry.proven_energy AS p (dataset, day, device_hours, samples, energy_mwh, proven_at)
    SELECT note_proven.dataset, telemetry.floor_day(e.bucket), count(*), sum(e.samples)::bigint, sum(e.energy_mwh)::bigint, now()
    FROM (
        SELECT m.bucket, m.samples, m.energy_mwh
        FROM bi.meter_energy_hourly AS m
        WHERE note_proven.dataset = 'meter_reading'
            AND m.bucket >= note_proven.since AND m.bucket < note_proven.until
        UNION ALL
        SELECT v.bucket, v.samples, v.energy_mwh
        FROM bi.vehicle_energy_hourly AS v
        WHERE note_proven.dataset = 'vehicle_reading'
            AND v.bucket >= note_proven.since AND v.bucket < note_proven.until
    ) AS e
    GROUP BY 2
    -- a part of a day's chunks
    ON CONFLICT ON CONSTRAINT proven_energy_pkey DO UPDATE SET
        device_hours = p.device_hours + excluded.device_hours,
        samples = p.samples + excluded.samples,
        energy_mwh = p.energy_mwh + excluded.energy_mwh,
        proven_at = excluded.proven_at;
END;
$$;

COMMENT ON FUNCTION telemetry.note_proven(text, timestamptz, timestamptz) IS
'Notes in telemetry.proven_energy what the hours hold of raw readings that are dropped now. Takes meter_reading or vehicle_reading (of another dataset nothing is noted) and the window of whole hours that was proven. Returns nothing.';

REVOKE ALL ON FUNCTION
    telemetry.unproven_meter_hours(timestamptz, timestamptz),
    telemetry.unproven_vehicle_hours(timestamptz, timestamptz),
    telemetry.unproven_days(text, timestamptz, timestamptz),
    telemetry.unproven(text, timestamptz, timestamptz),
    telemetry.stray_reading(text, timestamptz, timestamptz),
    telemetry.note_proven(text, timestamptz, timestamptz)
FROM PUBLIC;
