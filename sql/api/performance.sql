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
    settled_until timestamptz,
    ac_matched_kwh numeric,
    dc_matched_kwh numeric,
    ac_active_kwh numeric,
    standby_kwh numeric,
    coverage numeric,
    uncertainty numeric,
    expected_efficiency numeric,
    frozen_side text,
    excess_loss_kwh numeric,
    cost numeric,
    standby_cost numeric,
    loss_cost numeric,
    excess_loss_cost numeric,
    currency text,
    cost_gap text
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
            coalesce(sum(telemetry.elapsed(l.since, l.until)), INTERVAL '0') AS duration
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
    ),
    charged AS (
        SELECT
            coalesce(sum(p.ac_mwh), 0) AS ac_mwh,
            coalesce(sum(p.ac_matched_mwh), 0) AS ac_matched_mwh,
            coalesce(sum(p.dc_mwh), 0) AS dc_mwh,
            coalesce(sum(p.dc_matched_mwh), 0) AS dc_matched_mwh,
            coalesce(sum(p.ac_standing_mwh), 0) AS ac_standing_mwh,
            coalesce(sum(p.dc_standing_mwh), 0) AS dc_standing_mwh,
            coalesce(sum(p.standby_mwh), 0) AS standby_mwh,
            coalesce(sum(p.edge_mwh), 0) AS edge_mwh,
            coalesce(sum(p.matched_us), 0) AS matched_us,
            min(p.ac_resolution_mwh) AS ac_resolution_mwh,
            min(p.dc_resolution_mwh) AS dc_resolution_mwh,
            min(p.battery_temp_mc) AS battery_temp_mc,
            sum((p.ac_mwh + p.standby_mwh) * t.price) AS cost,
            sum(p.standby_mwh * t.price) AS standby_cost,
            sum(p.ac_matched_mwh * t.price) AS ac_matched_cost,
            sum(p.dc_matched_mwh * t.price) AS dc_matched_cost,
            min(t.currency) AS currency,
            max(t.digits) AS digits,
            telemetry.cost_gap(
                count(t.price),
                sum(p.ac_mwh + p.standby_mwh) FILTER (WHERE t.price IS NULL),
                min(t.currency),
                max(t.currency)
            ) AS cost_gap
        FROM telemetry.vehicle_charging(performance.vehicle_id, v_first, v_end) AS p
        LEFT JOIN LATERAL telemetry.price_at(p.meter_id, p.hour) AS t ON TRUE
    )
    SELECT
        v_first,
        v_end,
        trim_scale(telemetry.kwh(k.ac_mwh)),
        trim_scale(telemetry.kwh(k.dc_mwh)),
        trim_scale(telemetry.kwh(coalesce(w.energy_mwh, 0) - k.dc_mwh)),
        trim_scale(telemetry.kwh(p.ac_matched_mwh - p.dc_matched_mwh)),
        telemetry.efficiency(p.ac_matched_mwh, p.dc_matched_mwh),
        round(w.battery_temp_mc_sum * 0.001 / nullif(w.battery_temp_samples, 0), 3),
        k.meter_samples,
        coalesce(w.samples, 0),
        c.meter,
        c.vehicle,
        CASE
            WHEN k.links = 0 THEN 'unlinked'
            WHEN k.meter_samples + k.vehicle_samples = 0 THEN 'no_data'
            ELSE j.verdict
        END,
        CASE
            WHEN NOT k.rounded AND (v_first, v_end) = (v_since, v_until) THEN NULL
            WHEN v_since < v_hourly_since THEN 'day'
            ELSE 'hour'
        END,
        trim_scale(telemetry.kwh(k.provisional_ac_mwh)),
        trim_scale(telemetry.kwh(w.provisional_mwh)),
        least(k.settled_until, w.settled_until),
        trim_scale(telemetry.kwh(p.ac_matched_mwh)),
        trim_scale(telemetry.kwh(p.dc_matched_mwh)),
        trim_scale(telemetry.kwh(p.ac_mwh)),
        trim_scale(telemetry.kwh(p.standby_mwh)),
        round(j.coverage::numeric, 4),
        round(j.uncertainty::numeric, 4),
        round(j.expected_efficiency::numeric, 6),
        j.frozen_side,
        trim_scale(round(
            telemetry.kwh(
                telemetry.excess(p.ac_matched_mwh, p.dc_matched_mwh, j.expected_efficiency, j.verdict)
            ),
            6
        )),
        round(telemetry.cost(p.cost, p.cost_gap), p.digits),
        round(telemetry.cost(p.standby_cost, p.cost_gap), p.digits),
        round(telemetry.cost(p.ac_matched_cost - p.dc_matched_cost, p.cost_gap), p.digits),
        round(
            telemetry.cost(
                telemetry.excess(p.ac_matched_cost, p.dc_matched_cost, j.expected_efficiency, j.verdict),
                p.cost_gap
            ),
            p.digits
        ),
        CASE WHEN p.cost_gap IS NULL THEN p.currency END,
        p.cost_gap
    FROM linked AS k
    CROSS JOIN whole AS w
    CROSS JOIN charged AS p
    CROSS JOIN telemetry.rules AS r
    CROSS JOIN LATERAL (
        SELECT
            telemetry.coverage(k.meter_samples, k.duration, r.reading_interval) AS meter,
            telemetry.coverage(k.vehicle_samples, k.duration, r.reading_interval) AS vehicle
    ) AS c
    CROSS JOIN LATERAL telemetry.judged(
        p.ac_mwh, p.ac_matched_mwh, p.dc_mwh, p.dc_matched_mwh, p.ac_standing_mwh, p.dc_standing_mwh,
        p.standby_mwh, p.edge_mwh,
        p.ac_resolution_mwh, p.dc_resolution_mwh, p.matched_us, p.battery_temp_mc,
        telemetry.is_drifting(performance.vehicle_id, NULL, v_first, v_end), r
    ) AS j;
END;
$$;

COMMENT ON FUNCTION api.performance(text, timestamptz, timestamptz) IS
'Takes a vehicle and a window: since (included; NULL: 24 hours before its end) and until (not included; NULL: now). Returns one row: the window as it was answered, energy in kWh drawn from the grid by the meters linked to the vehicle in that time (AC), delivered to its battery while linked (DC) and while not linked, the loss and the efficiency of the matched time, in which the readings of both sides explain what flowed: matched AC - matched DC, and matched DC / matched AC (NULL without); the average battery temperature in °C (NULL without samples), how many readings of either side were counted, the coverage of either side (share of the expected readings in the linked time), a status: unlinked, no_data, or what telemetry.judged says (idle, insufficient, frozen, impossible, degraded, drifting or healthy), and NULL where all ends are exact, else hour or day: to what the ends of the window or of links were rounded, because the raw readings or the hours of that time are gone; how much of AC and DC in kWh is not settled yet, with a reading''s time before which all is (NULL: everything is settled); matched AC and DC in kWh, AC above idle and of idle time as far as readings explain it, the share of AC above idle that is matched, by how much the efficiency may be wrong, the least efficiency that a sound charge has (either NULL without), the side that is frozen (meter or vehicle; NULL: none), how much more AC in kWh was drawn in matched time than by a sound charge (NULL unless judged), and what AC above idle and standby, standby alone, the loss and that excess cost, each hour by the tariff that holds then, each rounded to the currency''s minor unit, with the currency (NULL where costs cannot be told), and why they cannot: no_tariff or currencies (NULL: they can). Raises WL002 where the window is empty.';

REVOKE ALL ON FUNCTION api.performance(text, timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.performance(text, timestamptz, timestamptz) TO wattledger_service;
