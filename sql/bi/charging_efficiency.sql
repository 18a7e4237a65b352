-- Efficiency of charging, for analysts: by vehicle, meter and hour or UTC day.

CREATE OR REPLACE VIEW bi.charging_efficiency_hourly AS
SELECT
    s.bucket,
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
    telemetry.cost((s.ac_mwh + s.standby_mwh) * c.price, c.cost_gap)::numeric(38, 12) AS cost,
    telemetry.cost(s.standby_mwh * c.price, c.cost_gap)::numeric(38, 12) AS standby_cost,
    telemetry.cost((s.ac_matched_mwh - s.dc_matched_mwh) * c.price, c.cost_gap)::numeric(38, 12) AS loss_cost,
    telemetry.cost(
        telemetry.excess(s.ac_matched_mwh, s.dc_matched_mwh, j.expected_efficiency, j.verdict) * c.price, c.cost_gap
    )::numeric(38, 12) AS excess_loss_cost,
    CASE WHEN c.cost_gap IS NULL THEN c.currency END AS currency,
    c.cost_gap
FROM (
    SELECT
        p.hour AS bucket,
        p.vehicle_id,
        p.meter_id,
        sum(p.ac_mwh) AS ac_mwh,
        sum(p.ac_matched_mwh) AS ac_matched_mwh,
        sum(p.dc_mwh) AS dc_mwh,
        sum(p.dc_matched_mwh) AS dc_matched_mwh,
        sum(p.ac_standing_mwh) AS ac_standing_mwh,
        sum(p.dc_standing_mwh) AS dc_standing_mwh,
        sum(p.standby_mwh) AS standby_mwh,
        sum(p.edge_mwh) AS edge_mwh,
        sum(p.standby_us) AS standby_us,
        sum(p.active_us) AS active_us,
        sum(p.matched_us) AS matched_us,
        min(p.ac_resolution_mwh) AS ac_resolution_mwh,
        min(p.dc_resolution_mwh) AS dc_resolution_mwh,
        max(p.peak_w) AS peak_w,
        min(p.battery_temp_mc) AS battery_temp_mc,
        sum(p.meter_samples)::bigint AS meter_samples,
        sum(p.vehicle_samples)::bigint AS vehicle_samples
    FROM telemetry.charging_part AS p
    -- what no vehicle was linked to comes first in the index
    WHERE p.vehicle_id > ''
    GROUP BY p.vehicle_id, p.hour, p.meter_id
) AS s
CROSS JOIN telemetry.rules AS r
CROSS JOIN LATERAL telemetry.judged(
    s.ac_mwh, s.ac_matched_mwh, s.dc_mwh, s.dc_matched_mwh, s.ac_standing_mwh, s.dc_standing_mwh,
    s.standby_mwh, s.edge_mwh,
    s.ac_resolution_mwh, s.dc_resolution_mwh, s.matched_us, s.battery_temp_mc, FALSE, r
) AS j
-- as telemetry.price_at has it; left out of the plan where nobody asks for a cost
LEFT JOIN LATERAL (
    SELECT
        max(o.price) AS price,
        max(o.currency) AS currency,
        telemetry.cost_gap(count(o.price), 0, NULL, NULL) AS cost_gap
    FROM (
        SELECT
            telemetry.price_of(t.prices, s.bucket AT TIME ZONE t.zone) AS price,
            t.currency
        FROM telemetry.standing_tariff AS t
        WHERE t.meter_id IN (s.meter_id, '') AND s.bucket >= t.since AND s.bucket < t.until
        ORDER BY t.meter_id DESC, t.tariff_id DESC
        LIMIT 1
    ) AS o
) AS c ON TRUE;

COMMENT ON VIEW bi.charging_efficiency_hourly IS
'What charging lost between grid and battery, one row per vehicle, meter and hour in which they were linked and either reported.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.bucket IS 'Start of the hour, in UTC.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.vehicle_id IS 'The vehicle''s id.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.meter_id IS 'The id of the meter that it was linked to.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.ac_kwh IS
'AC energy in kWh that the meter drew while linked to the vehicle, standby included.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.dc_kwh IS 'DC energy in kWh that reached the battery while linked.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.loss_kwh IS
'What was lost on the way in matched time, in kWh: ac_matched_kwh - dc_matched_kwh.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.efficiency IS
'dc_matched_kwh / ac_matched_kwh; NULL where nothing is matched. Read it together with verdict.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.coverage IS
'Share of the AC energy above idle that is matched, 0 to 1; NULL where there is none.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.uncertainty IS
'By how much efficiency may be wrong, for the digits and steps of both devices; 9.9999: that or more. NULL where nothing is matched.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.expected_efficiency IS
'The least efficiency that a sound charge has at this power and battery temperature; NULL where nothing is matched.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.verdict IS
'healthy; degraded: efficiency is certainly below what is expected; impossible: more DC than AC; frozen: one side flows and the other''s value stands; insufficient: too little energy, coverage or certainty to say; idle: nothing above idle power. Of the hour alone: days and charges know more.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.frozen_side IS
'The side whose value stands: meter or vehicle; NULL unless frozen.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.ac_active_kwh IS 'AC energy in kWh above idle power.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.ac_matched_kwh IS
'What of that flowed while the readings of both sides tell what flowed, in kWh.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.dc_matched_kwh IS 'DC energy of the same time, in kWh.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.standby_kwh IS
'AC energy in kWh of idle time, in which nothing is expected of the vehicle.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.charging_hours IS 'How long AC flowed above idle power, in hours.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.mean_kw IS 'Mean AC power of that time, in kW; NULL where none flowed.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.peak_kw IS
'Greatest mean AC power from one reading of the meter to the next, in kW; NULL where none flowed.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.meter_samples IS 'How many readings the meter sent while linked.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.vehicle_samples IS 'How many readings the vehicle sent while linked.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.excess_loss_kwh IS
'How much more AC energy was drawn in matched time than by a sound charge, in kWh: ac_matched_kwh - dc_matched_kwh / expected_efficiency, at least 0; NULL unless judged: healthy, degraded or drifting.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.cost IS
'What ac_kwh cost, each hour by the tariff that holds then, exactly; NULL where that cannot be told: cost_gap says why.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.standby_cost IS 'What standby_kwh cost, exactly.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.loss_cost IS 'What loss_kwh cost, exactly.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.excess_loss_cost IS 'What excess_loss_kwh cost; NULL unless judged.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.currency IS
'The currency of its costs, as a code of ISO 4217; NULL where they cannot be told.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.cost_gap IS
'Why its costs cannot be told: no_tariff: some of its energy has no price; currencies: it has prices in several. NULL where they can.';

CREATE OR REPLACE VIEW bi.charging_efficiency_daily AS
SELECT
    telemetry.day_start(d.day) AS bucket,
    d.day,
    d.vehicle_id,
    d.meter_id,
    telemetry.kwh(d.ac_mwh::numeric + d.standby_mwh)::numeric(20, 6) AS ac_kwh,
    telemetry.kwh(d.dc_mwh)::numeric(20, 6) AS dc_kwh,
    telemetry.kwh(d.ac_matched_mwh::numeric - d.dc_matched_mwh)::numeric(20, 6) AS loss_kwh,
    j.efficiency::numeric(26, 6) AS efficiency,
    j.coverage::numeric(5, 4) AS coverage,
    (CASE WHEN j.uncertainty > 9.9999 THEN 9.9999 ELSE j.uncertainty END)::numeric(5, 4) AS uncertainty,
    j.expected_efficiency::numeric(26, 6) AS expected_efficiency,
    j.verdict,
    j.frozen_side,
    telemetry.kwh(d.ac_mwh)::numeric(20, 6) AS ac_active_kwh,
    telemetry.kwh(d.ac_matched_mwh)::numeric(20, 6) AS ac_matched_kwh,
    telemetry.kwh(d.dc_matched_mwh)::numeric(20, 6) AS dc_matched_kwh,
    telemetry.kwh(d.standby_mwh)::numeric(20, 6) AS standby_kwh,
    telemetry.hours(d.active_us)::numeric(12, 6) AS charging_hours,
    telemetry.mean_kw(d.ac_mwh, telemetry.span(d.active_us))::numeric(26, 3) AS mean_kw,
    (d.peak_w * 0.001)::numeric(26, 3) AS peak_kw,
    d.meter_samples,
    d.vehicle_samples,
    telemetry.kwh(
        telemetry.excess(d.ac_matched_mwh, d.dc_matched_mwh, j.expected_efficiency, j.verdict)
    )::numeric(20, 6) AS excess_loss_kwh,
    telemetry.cost(c.cost, c.cost_gap)::numeric(38, 12) AS cost,
    telemetry.cost(c.standby_cost, c.cost_gap)::numeric(38, 12) AS standby_cost,
    telemetry.cost(c.ac_matched_cost - c.dc_matched_cost, c.cost_gap)::numeric(38, 12) AS loss_cost,
    telemetry.cost(
        telemetry.excess(c.ac_matched_cost, c.dc_matched_cost, j.expected_efficiency, j.verdict), c.cost_gap
    )::numeric(38, 12) AS excess_loss_cost,
    CASE WHEN c.cost_gap IS NULL THEN c.currency END AS currency,
    c.cost_gap
FROM telemetry.charging_day AS d
CROSS JOIN telemetry.rules AS r
CROSS JOIN LATERAL telemetry.judged(
    d.ac_mwh, d.ac_matched_mwh, d.dc_mwh, d.dc_matched_mwh, d.ac_standing_mwh, d.dc_standing_mwh,
    d.standby_mwh, d.edge_mwh,
    d.ac_resolution_mwh, d.dc_resolution_mwh, d.matched_us, d.battery_temp_mc, d.is_drifting, r
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
    WHERE p.vehicle_id = d.vehicle_id
        AND p.meter_id = d.meter_id
        AND p.hour >= telemetry.day_start(d.day) AND p.hour < telemetry.day_start(d.day + 1)
) AS c ON TRUE
WHERE d.vehicle_id > '';

COMMENT ON VIEW bi.charging_efficiency_daily IS
'What charging lost between grid and battery, one row per vehicle, meter and UTC day in which they were linked and either reported.';
COMMENT ON COLUMN bi.charging_efficiency_daily.bucket IS 'Start of the UTC day.';
COMMENT ON COLUMN bi.charging_efficiency_daily.day IS 'The UTC day as a date, the same in every time zone.';
COMMENT ON COLUMN bi.charging_efficiency_daily.vehicle_id IS 'The vehicle''s id.';
COMMENT ON COLUMN bi.charging_efficiency_daily.meter_id IS 'The id of the meter that it was linked to.';
COMMENT ON COLUMN bi.charging_efficiency_daily.ac_kwh IS
'AC energy in kWh that the meter drew while linked to the vehicle, standby included.';
COMMENT ON COLUMN bi.charging_efficiency_daily.dc_kwh IS 'DC energy in kWh that reached the battery while linked.';
COMMENT ON COLUMN bi.charging_efficiency_daily.loss_kwh IS
'What was lost on the way in matched time, in kWh: ac_matched_kwh - dc_matched_kwh.';
COMMENT ON COLUMN bi.charging_efficiency_daily.efficiency IS
'dc_matched_kwh / ac_matched_kwh; NULL where nothing is matched. Read it together with verdict.';
COMMENT ON COLUMN bi.charging_efficiency_daily.coverage IS
'Share of the AC energy above idle that is matched, 0 to 1; NULL where there is none.';
COMMENT ON COLUMN bi.charging_efficiency_daily.uncertainty IS
'By how much efficiency may be wrong, for the digits and steps of both devices; 9.9999: that or more. NULL where nothing is matched.';
COMMENT ON COLUMN bi.charging_efficiency_daily.expected_efficiency IS
'The least efficiency that a sound charge has at this power and battery temperature; NULL where nothing is matched.';
COMMENT ON COLUMN bi.charging_efficiency_daily.verdict IS
'healthy; degraded: efficiency is certainly below what is expected; drifting: below what is usual of the pair, several charges in a row; impossible: more DC than AC; frozen: one side flows and the other''s value stands; insufficient: too little energy, coverage or certainty to say; idle: nothing above idle power.';
COMMENT ON COLUMN bi.charging_efficiency_daily.frozen_side IS
'The side whose value stands: meter or vehicle; NULL unless frozen.';
COMMENT ON COLUMN bi.charging_efficiency_daily.ac_active_kwh IS 'AC energy in kWh above idle power.';
COMMENT ON COLUMN bi.charging_efficiency_daily.ac_matched_kwh IS
'What of that flowed while the readings of both sides tell what flowed, in kWh.';
COMMENT ON COLUMN bi.charging_efficiency_daily.dc_matched_kwh IS 'DC energy of the same time, in kWh.';
COMMENT ON COLUMN bi.charging_efficiency_daily.standby_kwh IS
'AC energy in kWh of idle time, in which nothing is expected of the vehicle.';
COMMENT ON COLUMN bi.charging_efficiency_daily.charging_hours IS 'How long AC flowed above idle power, in hours.';
COMMENT ON COLUMN bi.charging_efficiency_daily.mean_kw IS 'Mean AC power of that time, in kW; NULL where none flowed.';
COMMENT ON COLUMN bi.charging_efficiency_daily.peak_kw IS
'Greatest mean AC power from one reading of the meter to the next, in kW; NULL where none flowed.';
COMMENT ON COLUMN bi.charging_efficiency_daily.meter_samples IS 'How many readings the meter sent while linked.';
COMMENT ON COLUMN bi.charging_efficiency_daily.vehicle_samples IS 'How many readings the vehicle sent while linked.';
COMMENT ON COLUMN bi.charging_efficiency_daily.excess_loss_kwh IS
'How much more AC energy was drawn in matched time than by a sound charge, in kWh: ac_matched_kwh - dc_matched_kwh / expected_efficiency, at least 0; NULL unless judged: healthy, degraded or drifting.';
COMMENT ON COLUMN bi.charging_efficiency_daily.cost IS
'What ac_kwh cost, each hour by the tariff that holds then, exactly; NULL where that cannot be told: cost_gap says why.';
COMMENT ON COLUMN bi.charging_efficiency_daily.standby_cost IS 'What standby_kwh cost, exactly.';
COMMENT ON COLUMN bi.charging_efficiency_daily.loss_cost IS 'What loss_kwh cost, exactly.';
COMMENT ON COLUMN bi.charging_efficiency_daily.excess_loss_cost IS 'What excess_loss_kwh cost; NULL unless judged.';
COMMENT ON COLUMN bi.charging_efficiency_daily.currency IS
'The currency of its costs, as a code of ISO 4217; NULL where they cannot be told.';
COMMENT ON COLUMN bi.charging_efficiency_daily.cost_gap IS
'Why its costs cannot be told: no_tariff: some of its energy has no price; currencies: it has prices in several. NULL where they can.';

REVOKE ALL ON bi.charging_efficiency_hourly, bi.charging_efficiency_daily FROM PUBLIC;
GRANT SELECT ON bi.charging_efficiency_hourly, bi.charging_efficiency_daily TO wattledger_bi;
