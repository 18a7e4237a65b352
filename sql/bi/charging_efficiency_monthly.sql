-- Efficiency of charging, for analysts: by vehicle, meter and UTC month.

CREATE OR REPLACE VIEW bi.charging_efficiency_monthly AS
SELECT
    s.bucket,
    telemetry.utc_day(s.bucket) AS month,
    s.vehicle_id,
    s.meter_id,
    telemetry.kwh(s.ac_mwh + s.standby_mwh)::numeric(20, 6) AS ac_kwh,
    telemetry.kwh(s.dc_mwh)::numeric(20, 6) AS dc_kwh,
    telemetry.kwh(s.ac_matched_mwh - s.dc_matched_mwh)::numeric(20, 6) AS loss_kwh,
    j.efficiency::numeric(26, 6) AS efficiency,
    j.coverage::numeric(5, 4) AS coverage,
    (CASE WHEN j.uncertainty > 9.9999 THEN 9.9999 ELSE j.uncertainty END)::numeric(5, 4) AS uncertainty,
    j.expected_efficiency::numeric(26, 6) AS expected_efficiency,
    j.verdict,
    j.frozen_side,
    telemetry.kwh(s.ac_mwh)::numeric(20, 6) AS ac_active_kwh,
    telemetry.kwh(s.ac_matched_mwh)::numeric(20, 6) AS ac_matched_kwh,
    telemetry.kwh(s.dc_matched_mwh)::numeric(20, 6) AS dc_matched_kwh,
    telemetry.kwh(s.standby_mwh)::numeric(20, 6) AS standby_kwh,
    telemetry.hours(s.active_us)::numeric(12, 6) AS charging_hours,
    telemetry.mean_kw(s.ac_mwh, telemetry.span(s.active_us))::numeric(26, 3) AS mean_kw,
    (s.peak_w * 0.001)::numeric(26, 3) AS peak_kw,
    s.meter_samples,
    s.vehicle_samples,
    telemetry.kwh(
        telemetry.excess(s.ac_matched_mwh, s.dc_matched_mwh, j.expected_efficiency, j.verdict)
    )::numeric(20, 6) AS excess_loss_kwh,
    telemetry.cost(c.cost, c.cost_gap)::numeric(38, 12) AS cost,
    telemetry.cost(c.standby_cost, c.cost_gap)::numeric(38, 12) AS standby_cost,
    telemetry.cost(c.ac_matched_cost - c.dc_matched_cost, c.cost_gap)::numeric(38, 12) AS loss_cost,
    telemetry.cost(
        telemetry.excess(c.ac_matched_cost, c.dc_matched_cost, j.expected_efficiency, j.verdict), c.cost_gap
    )::numeric(38, 12) AS excess_loss_cost,
    CASE WHEN c.cost_gap IS NULL THEN c.currency END AS currency,
    c.cost_gap
FROM (
    SELECT
        date_trunc('month', telemetry.day_start(d.day), 'UTC') AS bucket,
        d.vehicle_id,
        d.meter_id,
        bool_or(d.is_drifting) AS is_drifting,
        sum(d.ac_mwh) AS ac_mwh,
        sum(d.ac_matched_mwh) AS ac_matched_mwh,
        sum(d.dc_mwh) AS dc_mwh,
        sum(d.dc_matched_mwh) AS dc_matched_mwh,
        sum(d.ac_standing_mwh) AS ac_standing_mwh,
        sum(d.dc_standing_mwh) AS dc_standing_mwh,
        sum(d.standby_mwh) AS standby_mwh,
        sum(d.edge_mwh) AS edge_mwh,
        sum(d.standby_us) AS standby_us,
        sum(d.active_us) AS active_us,
        sum(d.matched_us) AS matched_us,
        min(d.ac_resolution_mwh) AS ac_resolution_mwh,
        min(d.dc_resolution_mwh) AS dc_resolution_mwh,
        max(d.peak_w) AS peak_w,
        min(d.battery_temp_mc) AS battery_temp_mc,
        sum(d.meter_samples)::bigint AS meter_samples,
        sum(d.vehicle_samples)::bigint AS vehicle_samples
    FROM telemetry.charging_day AS d
    WHERE d.vehicle_id > ''
    GROUP BY date_trunc('month', telemetry.day_start(d.day), 'UTC'), d.vehicle_id, d.meter_id
) AS s
CROSS JOIN telemetry.rules AS r
CROSS JOIN LATERAL telemetry.judged(
    s.ac_mwh, s.ac_matched_mwh, s.dc_mwh, s.dc_matched_mwh, s.ac_standing_mwh, s.dc_standing_mwh,
    s.standby_mwh, s.edge_mwh,
    s.ac_resolution_mwh, s.dc_resolution_mwh, s.matched_us, s.battery_temp_mc, s.is_drifting, r
) AS j
-- left out of the plan where nobody asks for a cost
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
        AND p.hour >= s.bucket AND p.hour < telemetry.utc_minus(s.bucket, INTERVAL '-1 month')
) AS c ON TRUE;

COMMENT ON VIEW bi.charging_efficiency_monthly IS
'What charging lost between grid and battery, one row per vehicle, meter and UTC month in which they were linked and either reported.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.bucket IS 'Start of the UTC month.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.month IS 'Its first day as a date, the same in every time zone.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.vehicle_id IS 'The vehicle''s id.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.meter_id IS 'The id of the meter that it was linked to.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.ac_kwh IS
'AC energy in kWh that the meter drew while linked to the vehicle, standby included.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.dc_kwh IS 'DC energy in kWh that reached the battery while linked.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.loss_kwh IS
'What was lost on the way in matched time, in kWh: ac_matched_kwh - dc_matched_kwh.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.efficiency IS
'dc_matched_kwh / ac_matched_kwh; NULL where nothing is matched. Read it together with verdict.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.coverage IS
'Share of the AC energy above idle that is matched, 0 to 1; NULL where there is none.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.uncertainty IS
'By how much efficiency may be wrong, for the digits and steps of both devices; 9.9999: that or more. NULL where nothing is matched.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.expected_efficiency IS
'The least efficiency that a sound charge has at this power and battery temperature; NULL where nothing is matched.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.verdict IS
'healthy; degraded: efficiency is certainly below what is expected; drifting: below what is usual of the pair, several charges in a row; impossible: more DC than AC; frozen: one side flows and the other''s value stands; insufficient: too little energy, coverage or certainty to say; idle: nothing above idle power.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.frozen_side IS
'The side whose value stands: meter or vehicle; NULL unless frozen.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.ac_active_kwh IS 'AC energy in kWh above idle power.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.ac_matched_kwh IS
'What of that flowed while the readings of both sides tell what flowed, in kWh.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.dc_matched_kwh IS 'DC energy of the same time, in kWh.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.standby_kwh IS
'AC energy in kWh of idle time, in which nothing is expected of the vehicle.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.charging_hours IS 'How long AC flowed above idle power, in hours.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.mean_kw IS
'Mean AC power of that time, in kW; NULL where none flowed.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.peak_kw IS
'Greatest mean AC power from one reading of the meter to the next, in kW; NULL where none flowed.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.meter_samples IS 'How many readings the meter sent while linked.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.vehicle_samples IS 'How many readings the vehicle sent while linked.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.excess_loss_kwh IS
'How much more AC energy was drawn in matched time than by a sound charge, in kWh: ac_matched_kwh - dc_matched_kwh / expected_efficiency, at least 0; NULL unless judged: healthy, degraded or drifting.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.cost IS
'What ac_kwh cost, each hour by the tariff that holds then, exactly; NULL where that cannot be told: cost_gap says why.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.standby_cost IS 'What standby_kwh cost, exactly.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.loss_cost IS 'What loss_kwh cost, exactly.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.excess_loss_cost IS 'What excess_loss_kwh cost; NULL unless judged.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.currency IS
'The currency of its costs, as a code of ISO 4217; NULL where they cannot be told.';
COMMENT ON COLUMN bi.charging_efficiency_monthly.cost_gap IS
'Why its costs cannot be told: no_tariff: some of its energy has no price; currencies: it has prices in several. NULL where they can.';

REVOKE ALL ON bi.charging_efficiency_monthly FROM PUBLIC;
GRANT SELECT ON bi.charging_efficiency_monthly TO wattledger_bi;
