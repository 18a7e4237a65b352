-- Losses of the whole fleet's charging, and which vehicles lose most.

CREATE OR REPLACE FUNCTION api.fleet_vehicles(
    since timestamptz,
    until timestamptz,
    ordering text DEFAULT 'efficiency',
    after text DEFAULT NULL,
    page_size integer DEFAULT 100
)
RETURNS TABLE (
    vehicle_id text,
    ac_kwh numeric,
    dc_kwh numeric,
    loss_kwh numeric,
    efficiency numeric,
    meter_coverage numeric,
    vehicle_coverage numeric,
    status text,
    place text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET work_mem = '64MB'  -- to group a fleet's hours in memory
AS $$
DECLARE
    v_after jsonb;
BEGIN
    IF ordering IN ('efficiency', 'loss', 'vehicle_id') IS NOT TRUE THEN
        RAISE EXCEPTION 'vehicles are ordered by efficiency, loss or vehicle_id' USING ERRCODE = 'WL004';
    END IF;
    v_after := CASE
        -- there an id says all
        WHEN ordering = 'vehicle_id' AND strpos(after, '/') = 0 THEN jsonb_build_array(0, 0, after)
        ELSE telemetry.sorted_by(after, ordering, ARRAY['number', 'number', 'string'])
    END;

    RETURN QUERY
    WITH judged AS MATERIALIZED (
        SELECT
            e.vehicle_id,
            e.ac_mwh,
            e.dc_mwh,
            c.meter_coverage,
            c.vehicle_coverage,
            telemetry.efficiency(e.ac_mwh, e.dc_mwh) AS efficiency,
            telemetry.efficiency_status(e.ac_mwh, e.dc_mwh, c.meter_coverage, c.vehicle_coverage, r) AS status
        FROM telemetry.fleet_energy(fleet_vehicles.since, fleet_vehicles.until) AS e
        CROSS JOIN telemetry.rules AS r
        CROSS JOIN LATERAL (
            SELECT
                telemetry.coverage(e.meter_samples, e.linked, r.reading_interval) AS meter_coverage,
                telemetry.coverage(e.vehicle_samples, e.linked, r.reading_interval) AS vehicle_coverage
        ) AS c
    ),
    ranked AS (
        SELECT
            j.*,
            j.vehicle_id COLLATE "C" AS id,
            CASE fleet_vehicles.ordering
                -- what cannot be judged comes last, whatever its ratio; of either, what has none
                WHEN 'efficiency' THEN (j.status = 'insufficient')::integer * 2 + (j.efficiency IS NULL)::integer
                ELSE 0
            END AS class,
            CASE fleet_vehicles.ordering
                WHEN 'efficiency' THEN coalesce(j.efficiency, 0)
                WHEN 'loss' THEN j.dc_mwh - j.ac_mwh
                ELSE 0
            END AS figure
        FROM judged AS j
    )
    SELECT
        k.vehicle_id,
        trim_scale(telemetry.kwh(k.ac_mwh)),
        trim_scale(telemetry.kwh(k.dc_mwh)),
        trim_scale(telemetry.kwh(k.ac_mwh - k.dc_mwh)),
        k.efficiency,
        k.meter_coverage,
        k.vehicle_coverage,
        k.status,
        telemetry.place(fleet_vehicles.ordering, jsonb_build_array(k.class, k.figure, k.vehicle_id))
    FROM ranked AS k
    WHERE v_after IS NULL
        OR (k.class, k.figure, k.id) > ((v_after ->> 0)::numeric, (v_after ->> 1)::numeric, v_after ->> 2)
    ORDER BY k.class, k.figure, k.id
    LIMIT fleet_vehicles.page_size;
END;
$$;

COMMENT ON FUNCTION api.fleet_vehicles(timestamptz, timestamptz, text, text, integer) IS
'Takes a window of whole hours (since included, until not), an ordering, the place of the last vehicle of the page before (by vehicle_id, also its id; NULL: the first page) and a page size. Returns vehicles that were linked and had readings, worst first: by efficiency (lowest first, those that cannot be judged last), by loss (highest first), or by vehicle_id. Each with energy in kWh of both sides, the loss, the efficiency, the coverage of either side, a status: insufficient, impossible, degraded or healthy, and its place. What follows a place does not depend on which vehicle had it: one whose figures do not change is on one page, whatever becomes of others meanwhile. Raises WL004 for another ordering, WL008 where the place cannot be read or is of another ordering.';

CREATE OR REPLACE FUNCTION api.fleet(since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL)
RETURNS TABLE (
    window_start timestamptz,
    window_end timestamptz,
    vehicles bigint,
    ac_kwh numeric,
    dc_kwh numeric,
    loss_kwh numeric,
    efficiency numeric,
    meter_coverage numeric,
    vehicle_coverage numeric,
    status text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET work_mem = '64MB'  -- to group a fleet's hours in memory
AS $$
DECLARE
    v_since timestamptz;
    v_until timestamptz;
BEGIN
    SELECT
        CASE WHEN w.since < h.hourly_since THEN telemetry.floor_day(w.since) ELSE telemetry.floor_hour(w.since) END,
        CASE WHEN w.until < h.hourly_since THEN telemetry.ceiling_day(w.until) ELSE telemetry.ceiling_hour(w.until) END
    INTO v_since, v_until
    FROM telemetry.asked_window(fleet.since, fleet.until) AS w
    CROSS JOIN telemetry.horizon AS h;

    RETURN QUERY
    SELECT
        v_since,
        v_until,
        f.vehicles,
        trim_scale(telemetry.kwh(f.ac_mwh)),
        trim_scale(telemetry.kwh(f.dc_mwh)),
        trim_scale(telemetry.kwh(f.ac_mwh - f.dc_mwh)),
        telemetry.efficiency(f.ac_mwh, f.dc_mwh),
        c.meter,
        c.vehicle,
        telemetry.window_status(TRUE, f.vehicles > 0, f.ac_mwh, f.dc_mwh, c.meter, c.vehicle, r)
    FROM (
        SELECT
            count(*) AS vehicles,
            coalesce(sum(e.ac_mwh), 0) AS ac_mwh,
            coalesce(sum(e.dc_mwh), 0) AS dc_mwh,
            coalesce(sum(e.meter_samples), 0)::bigint AS meter_samples,
            coalesce(sum(e.vehicle_samples), 0)::bigint AS vehicle_samples,
            coalesce(sum(e.linked), INTERVAL '0') AS linked
        FROM telemetry.fleet_energy(v_since, v_until) AS e
    ) AS f
    CROSS JOIN telemetry.rules AS r
    CROSS JOIN LATERAL (
        SELECT
            telemetry.coverage(f.meter_samples, f.linked, r.reading_interval) AS meter,
            telemetry.coverage(f.vehicle_samples, f.linked, r.reading_interval) AS vehicle
    ) AS c;
END;
$$;

COMMENT ON FUNCTION api.fleet(timestamptz, timestamptz) IS
'Takes a window: since (NULL: 24 hours before its end) and until (NULL: now). Returns one row for the whole hours that the window touches, in UTC (whole days where the hours are gone): the window, how many vehicles were linked and had readings, energy in kWh of both sides, the loss, the efficiency (NULL without AC), the coverage of either side, and a status: no_data, insufficient, impossible, degraded or healthy. Raises WL002 where the window is empty.';

REVOKE ALL ON FUNCTION
    api.fleet(timestamptz, timestamptz),
    api.fleet_vehicles(timestamptz, timestamptz, text, text, integer)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    api.fleet(timestamptz, timestamptz),
    api.fleet_vehicles(timestamptz, timestamptz, text, text, integer)
TO wattledger_service;
