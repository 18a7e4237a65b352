-- Efficiency of the fleet's charging, for analysts: by UTC day, vehicles that cannot be judged apart.

CREATE OR REPLACE VIEW bi.fleet_efficiency_daily AS
SELECT
    telemetry.day_start(f.day) AS bucket,
    f.day,
    f.vehicles,
    f.judged_vehicles,
    telemetry.kwh(f.ac_mwh)::numeric(20, 6) AS ac_kwh,
    telemetry.kwh(f.dc_mwh)::numeric(20, 6) AS dc_kwh,
    telemetry.kwh(f.judged_ac_mwh)::numeric(20, 6) AS judged_ac_kwh,
    telemetry.kwh(f.judged_dc_mwh)::numeric(20, 6) AS judged_dc_kwh,
    telemetry.kwh(f.ac_mwh - f.judged_ac_mwh)::numeric(20, 6) AS unjudged_ac_kwh,
    telemetry.kwh(f.dc_mwh - f.judged_dc_mwh)::numeric(20, 6) AS unjudged_dc_kwh,
    telemetry.kwh(f.ac_matched_mwh - f.dc_matched_mwh)::numeric(20, 6) AS loss_kwh,
    telemetry.efficiency(f.ac_matched_mwh, f.dc_matched_mwh)::numeric(26, 6) AS efficiency,
    (f.matched_mwh / nullif(f.active_mwh, 0))::numeric(5, 4) AS coverage,
    (f.uncertain / nullif(f.ac_matched_mwh, 0))::numeric(5, 4) AS uncertainty,
    (f.expected / nullif(f.ac_matched_mwh, 0))::numeric(26, 6) AS expected_efficiency,
    CASE
        WHEN f.judged_vehicles = 0 AND f.idle_vehicles = f.vehicles THEN 'idle'
        WHEN f.judged_vehicles = 0 THEN 'insufficient'
        -- each vehicle's share of it is what it drew
        WHEN f.dc_matched_mwh + f.uncertain < f.expected THEN 'degraded'
        ELSE 'healthy'
    END AS verdict,
    telemetry.kwh(f.ac_matched_mwh)::numeric(20, 6) AS ac_matched_kwh,
    telemetry.kwh(f.dc_matched_mwh)::numeric(20, 6) AS dc_matched_kwh,
    telemetry.kwh(f.standby_mwh)::numeric(20, 6) AS standby_kwh,
    f.healthy_vehicles,
    f.degraded_vehicles,
    f.drifting_vehicles,
    f.impossible_vehicles,
    f.frozen_vehicles,
    f.insufficient_vehicles,
    f.idle_vehicles
FROM (
    SELECT
        v.day,
        sum(v.vehicles)::bigint AS vehicles,
        coalesce(sum(v.vehicles) FILTER (WHERE v.is_judged), 0)::bigint AS judged_vehicles,
        sum(v.ac_mwh + v.standby_mwh) AS ac_mwh,
        sum(v.dc_mwh) AS dc_mwh,
        sum(v.standby_mwh) AS standby_mwh,
        sum(v.ac_mwh) AS active_mwh,
        sum(v.ac_matched_mwh) AS matched_mwh,
        coalesce(sum(v.ac_mwh + v.standby_mwh) FILTER (WHERE v.is_judged), 0) AS judged_ac_mwh,
        coalesce(sum(v.dc_mwh) FILTER (WHERE v.is_judged), 0) AS judged_dc_mwh,
        coalesce(sum(v.ac_matched_mwh) FILTER (WHERE v.is_judged), 0) AS ac_matched_mwh,
        coalesce(sum(v.dc_matched_mwh) FILTER (WHERE v.is_judged), 0) AS dc_matched_mwh,
        (sum(v.expected_mwh) FILTER (WHERE v.is_judged))::numeric AS expected,
        (sum(v.uncertain_mwh) FILTER (WHERE v.is_judged))::numeric AS uncertain,
        coalesce(sum(v.vehicles) FILTER (WHERE v.verdict = 'healthy'), 0)::bigint AS healthy_vehicles,
        coalesce(sum(v.vehicles) FILTER (WHERE v.verdict = 'degraded'), 0)::bigint AS degraded_vehicles,
        coalesce(sum(v.vehicles) FILTER (WHERE v.verdict = 'drifting'), 0)::bigint AS drifting_vehicles,
        coalesce(sum(v.vehicles) FILTER (WHERE v.verdict = 'impossible'), 0)::bigint AS impossible_vehicles,
        coalesce(sum(v.vehicles) FILTER (WHERE v.verdict = 'frozen'), 0)::bigint AS frozen_vehicles,
        coalesce(sum(v.vehicles) FILTER (WHERE v.verdict = 'insufficient'), 0)::bigint AS insufficient_vehicles,
        coalesce(sum(v.vehicles) FILTER (WHERE v.verdict = 'idle'), 0)::bigint AS idle_vehicles
    FROM (
        -- a day has seven verdicts at most, and 100,000 vehicles: sums in floating point take a third of the time
        -- that numeric does, and are exact below 2⁵³ milliwatt-hours, nine billion kWh
        SELECT
            u.day,
            u.verdict,
            telemetry.is_judged(u.verdict) AS is_judged,
            count(*) AS vehicles,
            sum(u.ac_mwh::bigint) AS ac_mwh,
            sum(u.ac_matched_mwh::bigint) AS ac_matched_mwh,
            sum(u.dc_mwh::bigint) AS dc_mwh,
            sum(u.dc_matched_mwh::bigint) AS dc_matched_mwh,
            sum(u.standby_mwh::bigint) AS standby_mwh,
            sum(u.expected_efficiency * u.ac_matched_mwh) AS expected_mwh,
            sum(u.uncertainty * u.ac_matched_mwh) AS uncertain_mwh
        FROM (
            SELECT
                s.*,
                j.uncertainty,
                j.expected_efficiency,
                j.verdict
            FROM (
                -- a vehicle over all meters of its day
                SELECT
                    d.day,
                    d.vehicle_id,
                    bool_or(d.is_drifting) AS is_drifting,
                    sum(d.ac_mwh::double precision) AS ac_mwh,
                    sum(d.ac_matched_mwh::double precision) AS ac_matched_mwh,
                    sum(d.dc_mwh::double precision) AS dc_mwh,
                    sum(d.dc_matched_mwh::double precision) AS dc_matched_mwh,
                    sum(d.ac_standing_mwh::double precision) AS ac_standing_mwh,
                    sum(d.dc_standing_mwh::double precision) AS dc_standing_mwh,
                    sum(d.standby_mwh::double precision) AS standby_mwh,
                    sum(d.edge_mwh::double precision) AS edge_mwh,
                    sum(d.matched_us::double precision) AS matched_us,
                    min(d.ac_resolution_mwh) AS ac_resolution_mwh,
                    min(d.dc_resolution_mwh) AS dc_resolution_mwh,
                    min(d.battery_temp_mc) AS battery_temp_mc
                FROM telemetry.charging_day AS d
                WHERE d.vehicle_id > ''
                GROUP BY d.day, d.vehicle_id
            ) AS s
            CROSS JOIN telemetry.rules AS r
            CROSS JOIN LATERAL telemetry.judged(
                s.ac_mwh, s.ac_matched_mwh, s.dc_mwh, s.dc_matched_mwh, s.ac_standing_mwh, s.dc_standing_mwh,
                s.standby_mwh, s.edge_mwh, s.ac_resolution_mwh, s.dc_resolution_mwh, s.matched_us,
                s.battery_temp_mc, s.is_drifting, r
            ) AS j
            -- so that each is judged once, and not wherever its verdict is looked at
            ORDER BY s.day
        ) AS u
        GROUP BY u.day, u.verdict
    ) AS v
    GROUP BY v.day
) AS f;

COMMENT ON VIEW bi.fleet_efficiency_daily IS
'What the fleet''s charging lost between grid and battery, one row per UTC day, over all vehicles that were linked to a meter; those that cannot be judged apart.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.bucket IS 'Start of the UTC day.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.day IS 'The UTC day as a date, the same in every time zone.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.vehicles IS
'How many vehicles were linked and had readings on either side; each is judged over all its meters.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.judged_vehicles IS
'How many of them can be judged: healthy, degraded or drifting.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.ac_kwh IS
'AC energy in kWh that the meters drew while linked, standby included.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.dc_kwh IS 'DC energy in kWh that reached the batteries while linked.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.judged_ac_kwh IS 'What of ac_kwh is of vehicles that can be judged.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.judged_dc_kwh IS 'What of dc_kwh is of vehicles that can be judged.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.unjudged_ac_kwh IS 'What of ac_kwh is of the others.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.unjudged_dc_kwh IS 'What of dc_kwh is of the others.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.loss_kwh IS
'What was lost in matched time by vehicles that can be judged, in kWh: ac_matched_kwh - dc_matched_kwh.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.efficiency IS
'dc_matched_kwh / ac_matched_kwh; NULL where no vehicle can be judged.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.coverage IS
'Share of all AC energy above idle that is matched, 0 to 1; NULL where there is none.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.uncertainty IS
'By how much efficiency may be wrong; NULL where no vehicle can be judged.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.expected_efficiency IS
'The least efficiency that is expected, each vehicle counting by what it drew; NULL where none can be judged.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.verdict IS
'healthy; degraded: efficiency is certainly below what is expected; insufficient: no vehicle can be judged; idle: nothing above idle power.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.ac_matched_kwh IS
'Matched AC energy of vehicles that can be judged, in kWh.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.dc_matched_kwh IS 'DC energy of the same time, in kWh.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.standby_kwh IS 'AC energy in kWh of idle time of all of them.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.healthy_vehicles IS 'How many vehicles were healthy that day.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.degraded_vehicles IS 'How many lost more than is expected.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.drifting_vehicles IS
'How many were below what is usual of their pair, several charges in a row.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.impossible_vehicles IS 'How many had more DC than AC: a metering fault.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.frozen_vehicles IS
'How many had a side whose value stood while the other''s flowed.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.insufficient_vehicles IS
'How many had too little energy, coverage or certainty to say.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.idle_vehicles IS 'How many drew nothing above idle power.';

REVOKE ALL ON bi.fleet_efficiency_daily FROM PUBLIC;
GRANT SELECT ON bi.fleet_efficiency_daily TO wattledger_bi;
