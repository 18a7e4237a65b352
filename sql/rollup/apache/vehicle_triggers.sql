-- Rollups on the Apache edition, by every write in its own transaction. The newest hour of each vehicle is one
-- row, which goes to the hours and days when a newer one begins: a reading that comes in time costs one update.

CREATE OR REPLACE FUNCTION telemetry.roll_up_vehicle_readings()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_hours bigint;
    v_open bigint;
BEGIN
    -- each vehicle's newest hour, in one order for all writers. From here on its row is locked, whether or not its hour
    -- is the open one, so that all hours and days of a vehicle have one writer at a time: no deadlock, nothing lost
    WITH hour AS MATERIALIZED (
        SELECT
            a.vehicle_id,
            public.time_bucket('1 hour', a.ts) AS bucket,
            sum(a.energy_mwh)::bigint AS energy_mwh,
            count(*) FILTER (WHERE a.entry = 0) AS samples,
            min(a.ts) FILTER (WHERE a.entry = 0) AS first_reading_at,
            max(a.ts) FILTER (WHERE a.entry = 0) AS last_reading_at,
            max(a.received_at) AS last_received_at,
            min(a.soc_mpct) FILTER (WHERE a.entry = 0) AS soc_mpct_min,
            max(a.soc_mpct) FILTER (WHERE a.entry = 0) AS soc_mpct_max,
            (sum(a.soc_mpct) FILTER (WHERE a.entry = 0))::bigint AS soc_mpct_sum,
            count(a.soc_mpct) FILTER (WHERE a.entry = 0) AS soc_samples,
            min(a.battery_temp_mc) FILTER (WHERE a.entry = 0) AS battery_temp_mc_min,
            max(a.battery_temp_mc) FILTER (WHERE a.entry = 0) AS battery_temp_mc_max,
            (sum(a.battery_temp_mc) FILTER (WHERE a.entry = 0))::bigint AS battery_temp_mc_sum,
            count(a.battery_temp_mc) FILTER (WHERE a.entry = 0) AS battery_temp_samples
        FROM added AS a
        GROUP BY 1, 2
    ),
    opened AS (
        INSERT INTO telemetry.vehicle_open_hour AS r (
            vehicle_id,
            bucket,
            energy_mwh,
            samples,
            first_reading_at,
            last_reading_at,
            last_received_at,
            soc_mpct_min,
            soc_mpct_max,
            soc_mpct_sum,
            soc_samples,
            battery_temp_mc_min,
            battery_temp_mc_max,
            battery_temp_mc_sum,
            battery_temp_samples
        )
        SELECT DISTINCT ON (h.vehicle_id) h.*
        FROM hour AS h
        ORDER BY h.vehicle_id, h.bucket DESC
        ON CONFLICT ON CONSTRAINT vehicle_open_hour_pkey DO UPDATE SET
            energy_mwh = r.energy_mwh + excluded.energy_mwh,
            samples = r.samples + excluded.samples,
            first_reading_at = least(r.first_reading_at, excluded.first_reading_at),
            last_reading_at = greatest(r.last_reading_at, excluded.last_reading_at),
            last_received_at = greatest(r.last_received_at, excluded.last_received_at),
            soc_mpct_min = least(r.soc_mpct_min, excluded.soc_mpct_min),
            soc_mpct_max = greatest(r.soc_mpct_max, excluded.soc_mpct_max),
            soc_mpct_sum = coalesce(r.soc_mpct_sum + excluded.soc_mpct_sum, r.soc_mpct_sum, excluded.soc_mpct_sum),
            soc_samples = r.soc_samples + excluded.soc_samples,
            battery_temp_mc_min = least(r.battery_temp_mc_min, excluded.battery_temp_mc_min),
            battery_temp_mc_max = greatest(r.battery_temp_mc_max, excluded.battery_temp_mc_max),
            battery_temp_mc_sum = coalesce(r.battery_temp_mc_sum + excluded.battery_temp_mc_sum, r.battery_temp_mc_sum, excluded.battery_temp_mc_sum),
            battery_temp_samples = r.battery_temp_samples + excluded.battery_temp_samples
        WHERE r.bucket = excluded.bucket
        RETURNING TRUE
    )
    SELECT (SELECT count(*) FROM hour), (SELECT count(*) FROM opened) INTO v_hours, v_open;
    IF v_hours = v_open THEN
        RETURN NULL;
    END IF;

    -- what is older than the open hour, and open hours that a newer one closes, go where they stay
    WITH newest AS (
        SELECT
            a.vehicle_id,
            greatest(o.bucket, max(public.time_bucket('1 hour', a.ts))) AS bucket
        FROM added AS a
        INNER JOIN telemetry.vehicle_open_hour AS o ON o.vehicle_id = a.vehicle_id
        GROUP BY a.vehicle_id, o.bucket
    ),
    past AS MATERIALIZED (
        SELECT
            o.vehicle_id,
            o.bucket,
            o.energy_mwh,
            o.samples,
            o.first_reading_at,
            o.last_reading_at,
            o.last_received_at,
            o.soc_mpct_min,
            o.soc_mpct_max,
            o.soc_mpct_sum,
            o.soc_samples,
            o.battery_temp_mc_min,
            o.battery_temp_mc_max,
            o.battery_temp_mc_sum,
            o.battery_temp_samples
        FROM telemetry.vehicle_open_hour AS o
        INNER JOIN newest AS n ON n.vehicle_id = o.vehicle_id AND n.bucket > o.bucket
        WHERE o.last_received_at IS NOT NULL
        UNION ALL
        SELECT
            a.vehicle_id,
            public.time_bucket('1 hour', a.ts),
            sum(a.energy_mwh)::bigint,
            count(*) FILTER (WHERE a.entry = 0),
            min(a.ts) FILTER (WHERE a.entry = 0),
            max(a.ts) FILTER (WHERE a.entry = 0),
            max(a.received_at),
            min(a.soc_mpct) FILTER (WHERE a.entry = 0),
            max(a.soc_mpct) FILTER (WHERE a.entry = 0),
            (sum(a.soc_mpct) FILTER (WHERE a.entry = 0))::bigint,
            count(a.soc_mpct) FILTER (WHERE a.entry = 0),
            min(a.battery_temp_mc) FILTER (WHERE a.entry = 0),
            max(a.battery_temp_mc) FILTER (WHERE a.entry = 0),
            (sum(a.battery_temp_mc) FILTER (WHERE a.entry = 0))::bigint,
            count(a.battery_temp_mc) FILTER (WHERE a.entry = 0)
        FROM added AS a
        INNER JOIN newest AS n ON n.vehicle_id = a.vehicle_id AND a.ts < n.bucket
        GROUP BY 1, 2
    ),
    hours AS (
        INSERT INTO telemetry.vehicle_energy_hourly AS r (
            vehicle_id,
            bucket,
            energy_mwh,
            samples,
            first_reading_at,
            last_reading_at,
            last_received_at,
            soc_mpct_min,
            soc_mpct_max,
            soc_mpct_sum,
            soc_samples,
            battery_temp_mc_min,
            battery_temp_mc_max,
            battery_temp_mc_sum,
            battery_temp_samples
        )
        SELECT
            p.vehicle_id,
            p.bucket,
            sum(p.energy_mwh),
            sum(p.samples),
            min(p.first_reading_at),
            max(p.last_reading_at),
            max(p.last_received_at),
            min(p.soc_mpct_min),
            max(p.soc_mpct_max),
            sum(p.soc_mpct_sum),
            sum(p.soc_samples),
            min(p.battery_temp_mc_min),
            max(p.battery_temp_mc_max),
            sum(p.battery_temp_mc_sum),
            sum(p.battery_temp_samples)
        FROM past AS p
        GROUP BY 1, 2
        ORDER BY 2, 1
        ON CONFLICT ON CONSTRAINT vehicle_energy_hourly_pkey DO UPDATE SET
            energy_mwh = r.energy_mwh + excluded.energy_mwh,
            samples = r.samples + excluded.samples,
            first_reading_at = least(r.first_reading_at, excluded.first_reading_at),
            last_reading_at = greatest(r.last_reading_at, excluded.last_reading_at),
            last_received_at = greatest(r.last_received_at, excluded.last_received_at),
            soc_mpct_min = least(r.soc_mpct_min, excluded.soc_mpct_min),
            soc_mpct_max = greatest(r.soc_mpct_max, excluded.soc_mpct_max),
            soc_mpct_sum = coalesce(r.soc_mpct_sum + excluded.soc_mpct_sum, r.soc_mpct_sum, excluded.soc_mpct_sum),
            soc_samples = r.soc_samples + excluded.soc_samples,
            battery_temp_mc_min = least(r.battery_temp_mc_min, excluded.battery_temp_mc_min),
            battery_temp_mc_max = greatest(r.battery_temp_mc_max, excluded.battery_temp_mc_max),
            battery_temp_mc_sum = coalesce(r.battery_temp_mc_sum + excluded.battery_temp_mc_sum, r.battery_temp_mc_sum, excluded.battery_temp_mc_sum),
            battery_temp_samples = r.battery_temp_samples + excluded.battery_temp_samples
    )
    INSERT INTO telemetry.vehicle_energy_daily AS r (
        vehicle_id,
        bucket,
        energy_mwh,
        samples,
        first_reading_at,
        last_reading_at,
        last_received_at,
        soc_mpct_min,
        soc_mpct_max,
        soc_mpct_sum,
        soc_samples,
        battery_temp_mc_min,
        battery_temp_mc_max,
        battery_temp_mc_sum,
        battery_temp_samples
    )
    SELECT
        p.vehicle_id,
        public.time_bucket('1 day', p.bucket),
        sum(p.energy_mwh),
        sum(p.samples),
        min(p.first_reading_at),
        max(p.last_reading_at),
        max(p.last_received_at),
        min(p.soc_mpct_min),
        max(p.soc_mpct_max),
        sum(p.soc_mpct_sum),
        sum(p.soc_samples),
        min(p.battery_temp_mc_min),
        max(p.battery_temp_mc_max),
        sum(p.battery_temp_mc_sum),
        sum(p.battery_temp_samples)
    FROM past AS p
    GROUP BY 1, 2
    ORDER BY 2, 1
    ON CONFLICT ON CONSTRAINT vehicle_energy_daily_pkey DO UPDATE SET
        energy_mwh = r.energy_mwh + excluded.energy_mwh,
        samples = r.samples + excluded.samples,
        first_reading_at = least(r.first_reading_at, excluded.first_reading_at),
        last_reading_at = greatest(r.last_reading_at, excluded.last_reading_at),
        last_received_at = greatest(r.last_received_at, excluded.last_received_at),
        soc_mpct_min = least(r.soc_mpct_min, excluded.soc_mpct_min),
        soc_mpct_max = greatest(r.soc_mpct_max, excluded.soc_mpct_max),
        soc_mpct_sum = coalesce(r.soc_mpct_sum + excluded.soc_mpct_sum, r.soc_mpct_sum, excluded.soc_mpct_sum),
        soc_samples = r.soc_samples + excluded.soc_samples,
        battery_temp_mc_min = least(r.battery_temp_mc_min, excluded.battery_temp_mc_min),
        battery_temp_mc_max = greatest(r.battery_temp_mc_max, excluded.battery_temp_mc_max),
        battery_temp_mc_sum = coalesce(r.battery_temp_mc_sum + excluded.battery_temp_mc_sum, r.battery_temp_mc_sum, excluded.battery_temp_mc_sum),
        battery_temp_samples = r.battery_temp_samples + excluded.battery_temp_samples;

    UPDATE telemetry.vehicle_open_hour AS r
    SET
        bucket = h.bucket,
        energy_mwh = h.energy_mwh,
        samples = h.samples,
        first_reading_at = h.first_reading_at,
        last_reading_at = h.last_reading_at,
        last_received_at = h.last_received_at,
        soc_mpct_min = h.soc_mpct_min,
        soc_mpct_max = h.soc_mpct_max,
        soc_mpct_sum = h.soc_mpct_sum,
        soc_samples = h.soc_samples,
        battery_temp_mc_min = h.battery_temp_mc_min,
        battery_temp_mc_max = h.battery_temp_mc_max,
        battery_temp_mc_sum = h.battery_temp_mc_sum,
        battery_temp_samples = h.battery_temp_samples
    FROM (
        SELECT DISTINCT ON (1)
            a.vehicle_id,
            public.time_bucket('1 hour', a.ts) AS bucket,
            sum(a.energy_mwh)::bigint AS energy_mwh,
            count(*) FILTER (WHERE a.entry = 0) AS samples,
            min(a.ts) FILTER (WHERE a.entry = 0) AS first_reading_at,
            max(a.ts) FILTER (WHERE a.entry = 0) AS last_reading_at,
            max(a.received_at) AS last_received_at,
            min(a.soc_mpct) FILTER (WHERE a.entry = 0) AS soc_mpct_min,
            max(a.soc_mpct) FILTER (WHERE a.entry = 0) AS soc_mpct_max,
            (sum(a.soc_mpct) FILTER (WHERE a.entry = 0))::bigint AS soc_mpct_sum,
            count(a.soc_mpct) FILTER (WHERE a.entry = 0) AS soc_samples,
            min(a.battery_temp_mc) FILTER (WHERE a.entry = 0) AS battery_temp_mc_min,
            max(a.battery_temp_mc) FILTER (WHERE a.entry = 0) AS battery_temp_mc_max,
            (sum(a.battery_temp_mc) FILTER (WHERE a.entry = 0))::bigint AS battery_temp_mc_sum,
            count(a.battery_temp_mc) FILTER (WHERE a.entry = 0) AS battery_temp_samples
        FROM added AS a
        GROUP BY 1, 2
        ORDER BY 1, 2 DESC
    ) AS h
    WHERE h.vehicle_id = r.vehicle_id AND h.bucket > r.bucket;
    RETURN NULL;
END;
$$;

COMMENT ON FUNCTION telemetry.roll_up_vehicle_readings() IS
'Trigger: adds the new rows of telemetry.vehicle_reading to the hours and days that they belong to.';
REVOKE ALL ON FUNCTION telemetry.roll_up_vehicle_readings() FROM PUBLIC;
