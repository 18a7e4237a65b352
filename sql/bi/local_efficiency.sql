-- Efficiency of charging by the days of a time zone.

-- planned anew each time, so that the hours of these days are found by index

CREATE OR REPLACE FUNCTION bi.charging_efficiency_local_daily(zone text, first_day date, last_day date)
RETURNS TABLE (
    day date,
    vehicle_id text,
    meter_id text,
    ac_kwh numeric,
    dc_kwh numeric,
    loss_kwh numeric,
    efficiency numeric,
    coverage numeric,
    uncertainty numeric,
    expected_efficiency numeric,
    verdict text,
    frozen_side text,
    ac_active_kwh numeric,
    ac_matched_kwh numeric,
    dc_matched_kwh numeric,
    standby_kwh numeric,
    charging_hours numeric,
    mean_kw numeric,
    peak_kw numeric,
    meter_samples bigint,
    vehicle_samples bigint,
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
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    PERFORM telemetry.check_zone(zone);
    PERFORM telemetry.check_days(first_day, last_day);
    RETURN QUERY
    WITH local_hour AS MATERIALIZED (
        -- hours are kept as a whole: one that midnight cuts is of the day in which it starts
        SELECT h.hour, (h.hour AT TIME ZONE zone)::date AS day
        FROM generate_series(
            -- local dates are less than a day from those of UTC
            telemetry.day_start(first_day - 1),
            telemetry.day_start(last_day + 2),
            INTERVAL '1 hour'
        ) AS h (hour)
        WHERE (h.hour AT TIME ZONE zone)::date BETWEEN first_day AND last_day
    )
    SELECT
        s.day,
        s.vehicle_id,
        s.meter_id,
        telemetry.kwh(s.ac_mwh + s.standby_mwh)::numeric(20, 6),
        telemetry.kwh(s.dc_mwh)::numeric(20, 6),
        telemetry.kwh(s.ac_matched_mwh - s.dc_matched_mwh)::numeric(20, 6),
        j.efficiency::numeric(26, 6),
        j.coverage::numeric(5, 4),
        (CASE WHEN j.uncertainty > 9.9999 THEN 9.9999 ELSE j.uncertainty END)::numeric(5, 4),
        j.expected_efficiency::numeric(26, 6),
        j.verdict,
        j.frozen_side,
        telemetry.kwh(s.ac_mwh)::numeric(20, 6),
        telemetry.kwh(s.ac_matched_mwh)::numeric(20, 6),
        telemetry.kwh(s.dc_matched_mwh)::numeric(20, 6),
        telemetry.kwh(s.standby_mwh)::numeric(20, 6),
        telemetry.hours(s.active_us)::numeric(12, 6),
        telemetry.mean_kw(s.ac_mwh, telemetry.span(s.active_us))::numeric(26, 3),
        (s.peak_w * 0.001)::numeric(26, 3),
        s.meter_samples,
        s.vehicle_samples,
        telemetry.kwh(
            telemetry.excess(s.ac_matched_mwh, s.dc_matched_mwh, j.expected_efficiency, j.verdict)
        )::numeric(20, 6),
        telemetry.cost(c.cost, c.cost_gap)::numeric(38, 12),
        telemetry.cost(c.standby_cost, c.cost_gap)::numeric(38, 12),
        telemetry.cost(c.ac_matched_cost - c.dc_matched_cost, c.cost_gap)::numeric(38, 12),
        telemetry.cost(
            telemetry.excess(c.ac_matched_cost, c.dc_matched_cost, j.expected_efficiency, j.verdict), c.cost_gap
        )::numeric(38, 12),
        CASE WHEN c.cost_gap IS NULL THEN c.currency END,
        c.cost_gap
    FROM (
        SELECT
            h.day,
            p.vehicle_id,
            p.meter_id,
            min(p.hour) AS first_hour,
            max(p.hour) AS last_hour,
            sum(p.ac_mwh) AS ac_mwh,
            sum(p.ac_matched_mwh) AS ac_matched_mwh,
            sum(p.dc_mwh) AS dc_mwh,
            sum(p.dc_matched_mwh) AS dc_matched_mwh,
            sum(p.ac_standing_mwh) AS ac_standing_mwh,
            sum(p.dc_standing_mwh) AS dc_standing_mwh,
            sum(p.standby_mwh) AS standby_mwh,
            sum(p.edge_mwh) AS edge_mwh,
            sum(p.active_us) AS active_us,
            sum(p.matched_us) AS matched_us,
            min(p.ac_resolution_mwh) AS ac_resolution_mwh,
            min(p.dc_resolution_mwh) AS dc_resolution_mwh,
            max(p.peak_w) AS peak_w,
            min(p.battery_temp_mc) AS battery_temp_mc,
            sum(p.meter_samples)::bigint AS meter_samples,
            sum(p.vehicle_samples)::bigint AS vehicle_samples
        FROM telemetry.charging_part AS p
        INNER JOIN local_hour AS h ON h.hour = p.hour
        WHERE p.vehicle_id > ''
            AND p.hour >= telemetry.day_start(first_day - 1)
            AND p.hour <= telemetry.day_start(last_day + 2)
        GROUP BY h.day, p.vehicle_id, p.meter_id
    ) AS s
    CROSS JOIN telemetry.rules AS r
    -- as days of UTC have it: whether the last charge that tells is one of a drift
    LEFT JOIN LATERAL (
        SELECT c.below_usual >= r.drifting_after AS is_drifting
        FROM telemetry.charging_session AS c
        WHERE c.meter_id = s.meter_id
            AND c.vehicle_id = s.vehicle_id
            AND c.started_at >= s.first_hour
            AND c.started_at < s.last_hour + INTERVAL '1 hour'
            AND c.usual_efficiency IS NOT NULL
        ORDER BY c.started_at DESC
        LIMIT 1
    ) AS d ON TRUE
    CROSS JOIN LATERAL telemetry.judged(
        s.ac_mwh, s.ac_matched_mwh, s.dc_mwh, s.dc_matched_mwh, s.ac_standing_mwh, s.dc_standing_mwh,
    s.standby_mwh, s.edge_mwh,
        s.ac_resolution_mwh, s.dc_resolution_mwh, s.matched_us, s.battery_temp_mc, coalesce(d.is_drifting, FALSE), r
    ) AS j
    LEFT JOIN LATERAL (
        SELECT
            sum(p.cost) AS cost,
            sum(p.standby_cost) AS standby_cost,
            sum(p.ac_matched_cost) AS ac_matched_cost,
            sum(p.dc_matched_cost) AS dc_matched_cost,
            min(p.currency) AS currency,
            telemetry.cost_gap(count(p.price), sum(p.unpriced_mwh), min(p.currency), max(p.currency)) AS cost_gap
        FROM telemetry.priced_part AS p
        WHERE p.vehicle_id = s.vehicle_id
            AND p.meter_id = s.meter_id
            AND p.hour >= s.first_hour AND p.hour <= s.last_hour
    ) AS c ON TRUE;
END;
$$;

COMMENT ON FUNCTION bi.charging_efficiency_local_daily(text, date, date) IS
'What charging lost by the days of a time zone, right when clocks change. Takes the zone''s name, such as Europe/Berlin, and the first and last day, both included. Returns one row per vehicle, meter and day in which they were linked and either reported: the day, and what bi.charging_efficiency_daily has. Hours are counted as a whole: one that midnight cuts, in a zone that is half an hour off, is of the day in which it starts. Raises WL009 where the zone is an abbreviation or there is none of that name, WL002 unless both days are dates.';

REVOKE ALL ON FUNCTION bi.charging_efficiency_local_daily(text, date, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION bi.charging_efficiency_local_daily(text, date, date) TO wattledger_bi;
