-- Losses of a vehicle's charging between grid and battery in a window of time.

CREATE OR REPLACE FUNCTION api.performance(
    vehicle_id text,
    since timestamptz DEFAULT NULL,
    until timestamptz DEFAULT NULL
)
RETURNS TABLE (
    window_start timestamptz,
    window_end timestamptz,
    ac_kwh numeric,
    dc_kwh numeric,
    dc_unlinked_kwh numeric,
    loss_kwh numeric,
    efficiency numeric,
    avg_battery_temp_c numeric,
    meter_samples bigint,
    vehicle_samples bigint,
    meter_coverage numeric,
    vehicle_coverage numeric,
    status text,
    rounded_to text,
    provisional_kwh_ac numeric,
    provisional_kwh_dc numeric,
    settled_until timestamptz
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan  -- planned once: what depends on the window is in the functions it calls
AS $$
DECLARE
    v_since timestamptz;
    v_until timestamptz;
    v_raw_since timestamptz;
    v_hourly_since timestamptz;
    v_first timestamptz;
    v_end timestamptz;
BEGIN
    SELECT w.since, w.until INTO v_since, v_until
    FROM telemetry.asked_window(performance.since, performance.until) AS w;
    SELECT
        h.raw_since,
        h.hourly_since,
        telemetry.answerable(v_since, h.raw_since, h.hourly_since),
        telemetry.answerable(v_until, h.raw_since, h.hourly_since)
    INTO v_raw_since, v_hourly_since, v_first, v_end
    FROM telemetry.horizon AS h;

    RETURN QUERY
    WITH link AS MATERIALIZED (
        SELECT
            l.meter_id,
            greatest(a.since, v_first) AS since,
            least(a.until, v_end) AS until,
            (a.since <> lower(l.during) AND a.since > v_first) IS TRUE
            OR (a.until <> upper(l.during) AND a.until < v_end) IS TRUE AS rounded
        FROM telemetry.charging_link AS l
        CROSS JOIN LATERAL (
            SELECT
                telemetry.answerable(
                    coalesce(lower(l.during), '-infinity'), v_raw_since, v_hourly_since
                ) AS since,
                telemetry.answerable(
                    coalesce(upper(l.during), 'infinity'), v_raw_since, v_hourly_since
                ) AS until
        ) AS a
        WHERE l.vehicle_id = performance.vehicle_id AND greatest(a.since, v_first) < least(a.until, v_end)
    ),
    whole AS MATERIALIZED (
        SELECT e.*
        FROM telemetry.vehicle_energy(performance.vehicle_id, v_first, v_end, v_hourly_since) AS e
    ),
    linked AS (
        SELECT
            count(*) AS links,
            coalesce(bool_or(l.rounded), FALSE) AS rounded,
            coalesce(sum(a.energy_mwh), 0) AS ac_mwh,
            coalesce(sum(a.samples), 0)::bigint AS meter_samples,
            coalesce(sum(d.energy_mwh), 0) AS dc_mwh,
            coalesce(sum(d.samples), 0)::bigint AS vehicle_samples,
            coalesce(sum(a.provisional_mwh), 0) AS provisional_ac_mwh,
            min(a.settled_until) AS settled_until,
            -- no reading can be expected of the time to come
            coalesce(sum(greatest(least(l.until, now()) - l.since, INTERVAL '0')), INTERVAL '0') AS duration
        FROM link AS l
        CROSS JOIN LATERAL telemetry.meter_energy(l.meter_id, l.since, l.until, v_hourly_since) AS a
        CROSS JOIN LATERAL (
            -- mostly one link lasts for the whole window, which is asked for anyway
            SELECT w.energy_mwh, w.samples
            FROM whole AS w
            WHERE (l.since, l.until) = (v_first, v_end)
            UNION ALL
            SELECT e.energy_mwh, e.samples
            FROM telemetry.vehicle_energy(
                performance.vehicle_id, l.since, l.until, v_hourly_since
            ) AS e
            WHERE (l.since, l.until) <> (v_first, v_end)
        ) AS d
    )
    SELECT
        v_first,
        v_end,
        trim_scale(telemetry.kwh(k.ac_mwh)),
        trim_scale(telemetry.kwh(k.dc_mwh)),
        trim_scale(telemetry.kwh(coalesce(w.energy_mwh, 0) - k.dc_mwh)),
        trim_scale(telemetry.kwh(k.ac_mwh - k.dc_mwh)),
        telemetry.efficiency(k.ac_mwh, k.dc_mwh),
        round(w.battery_temp_mc_sum * 0.001 / nullif(w.battery_temp_samples, 0), 3),
        k.meter_samples,
        coalesce(w.samples, 0),
        c.meter,
        c.vehicle,
        telemetry.window_status(
            k.links > 0, k.meter_samples + k.vehicle_samples > 0, k.ac_mwh, k.dc_mwh, c.meter, c.vehicle, r
        ),
        CASE
            WHEN NOT k.rounded AND (v_first, v_end) = (v_since, v_until) THEN NULL
            WHEN v_since < v_hourly_since THEN 'day'
            ELSE 'hour'
        END,
        trim_scale(telemetry.kwh(k.provisional_ac_mwh)),
        trim_scale(telemetry.kwh(w.provisional_mwh)),
        least(k.settled_until, w.settled_until)
    FROM linked AS k
    CROSS JOIN whole AS w
    CROSS JOIN telemetry.rules AS r
    CROSS JOIN LATERAL (
        SELECT
            telemetry.coverage(k.meter_samples, k.duration, r.reading_interval) AS meter,
            telemetry.coverage(k.vehicle_samples, k.duration, r.reading_interval) AS vehicle
    ) AS c;
END;
$$;

COMMENT ON FUNCTION api.performance(text, timestamptz, timestamptz) IS
'Takes a vehicle and a window: since (included; NULL: 24 hours before its end) and until (not included; NULL: now). Returns one row: the window as it was answered, energy in kWh drawn from the grid by the meters linked to the vehicle in that time (AC), delivered to its battery while linked (DC) and while not linked, the loss AC - DC, the efficiency DC / AC (NULL without AC), the average battery temperature in °C (NULL without samples), how many readings of either side were counted, the coverage of either side (share of the expected readings in the linked time), a status: unlinked, no_data, insufficient, impossible, degraded or healthy, and NULL where all ends are exact, else hour or day: to what the ends of the window or of links were rounded, because the raw readings or the hours of that time are gone; and how much of AC and DC in kWh is not settled yet, with a reading''s time before which all is (NULL: everything is settled). Raises WL002 where the window is empty.';

REVOKE ALL ON FUNCTION api.performance(text, timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.performance(text, timestamptz, timestamptz) TO wattledger_service;
