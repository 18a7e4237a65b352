-- Energy of many devices in parts of hours, from the raw readings by index.

-- planned anew each time, so that only the chunks of these parts are looked at: call it with the parts of one hour

CREATE OR REPLACE FUNCTION telemetry.meter_energy_of_parts(
    meter_ids text[],
    sinces timestamptz[],
    untils timestamptz[]
)
RETURNS TABLE (part bigint, energy_mwh numeric, samples bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    v_since timestamptz := (SELECT min(s.since) FROM unnest(sinces) AS s (since));
    v_until timestamptz := (SELECT max(u.until) FROM unnest(untils) AS u (until));
BEGIN
    RETURN QUERY
    SELECT p.part, r.energy_mwh, r.samples
    FROM unnest(meter_ids, sinces, untils) WITH ORDINALITY AS p (meter_id, since, until, part)
    CROSS JOIN LATERAL (
        SELECT sum(a.energy_mwh) AS energy_mwh, count(*) FILTER (WHERE a.entry = 0) AS samples
        FROM telemetry.meter_reading AS a
        WHERE a.meter_id = p.meter_id AND a.ts >= p.since AND a.ts < p.until AND a.ts >= v_since AND a.ts < v_until
    ) AS r
    WHERE r.energy_mwh IS NOT NULL;
END;
$$;

COMMENT ON FUNCTION telemetry.meter_energy_of_parts(text[], timestamptz[], timestamptz[]) IS
'Takes parts of an hour: the meter, the start (included) and the end (not) of each. Returns a row for each part with readings: its place in the arrays, the AC energy in milliwatt-hours, and how many readings there are.';

CREATE OR REPLACE FUNCTION telemetry.vehicle_energy_of_parts(
    vehicle_ids text[],
    sinces timestamptz[],
    untils timestamptz[]
)
RETURNS TABLE (part bigint, energy_mwh numeric, samples bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    v_since timestamptz := (SELECT min(s.since) FROM unnest(sinces) AS s (since));
    v_until timestamptz := (SELECT max(u.until) FROM unnest(untils) AS u (until));
BEGIN
    RETURN QUERY
    SELECT p.part, r.energy_mwh, r.samples
    FROM unnest(vehicle_ids, sinces, untils) WITH ORDINALITY AS p (vehicle_id, since, until, part)
    CROSS JOIN LATERAL (
        SELECT sum(a.energy_mwh) AS energy_mwh, count(*) FILTER (WHERE a.entry = 0) AS samples
        FROM telemetry.vehicle_reading AS a
        WHERE a.vehicle_id = p.vehicle_id AND a.ts >= p.since AND a.ts < p.until AND a.ts >= v_since AND a.ts < v_until
    ) AS r
    WHERE r.energy_mwh IS NOT NULL;
END;
$$;

COMMENT ON FUNCTION telemetry.vehicle_energy_of_parts(text[], timestamptz[], timestamptz[]) IS
'Takes parts of an hour: the vehicle, the start (included) and the end (not) of each. Returns a row for each part with readings: its place in the arrays, the DC energy in milliwatt-hours, and how many readings there are.';

REVOKE ALL ON FUNCTION
    telemetry.meter_energy_of_parts(text[], timestamptz[], timestamptz[]),
    telemetry.vehicle_energy_of_parts(text[], timestamptz[], timestamptz[])
FROM PUBLIC;
