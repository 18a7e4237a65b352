-- Efficiency of charging by charger, over all its vehicles, and AC energy of no vehicle, for analysts.

CREATE OR REPLACE VIEW bi.meter_efficiency_daily AS
SELECT
    telemetry.day_start(s.day) AS bucket,
    s.day,
    s.meter_id,
    s.vehicles,
    telemetry.kwh(s.all_ac_mwh + s.standby_mwh)::numeric(20, 6) AS ac_kwh,
    telemetry.kwh(s.dc_mwh)::numeric(20, 6) AS dc_kwh,
    telemetry.kwh(s.ac_matched_mwh - s.dc_matched_mwh)::numeric(20, 6) AS loss_kwh,
    j.efficiency::numeric(26, 6) AS efficiency,
    j.coverage::numeric(5, 4) AS coverage,
    (CASE WHEN j.uncertainty > 9.9999 THEN 9.9999 ELSE j.uncertainty END)::numeric(5, 4) AS uncertainty,
    j.expected_efficiency::numeric(26, 6) AS expected_efficiency,
    CASE WHEN s.vehicles = 0 THEN 'unlinked' ELSE j.verdict END AS verdict,
    j.frozen_side,
    telemetry.kwh(s.all_ac_mwh)::numeric(20, 6) AS ac_active_kwh,
    telemetry.kwh(s.all_ac_mwh - s.ac_mwh)::numeric(20, 6) AS unlinked_ac_kwh,
    telemetry.kwh(s.ac_matched_mwh)::numeric(20, 6) AS ac_matched_kwh,
    telemetry.kwh(s.dc_matched_mwh)::numeric(20, 6) AS dc_matched_kwh,
    telemetry.kwh(s.standby_mwh)::numeric(20, 6) AS standby_kwh,
    (telemetry.mean_kw(s.standby_mwh, telemetry.span(s.standby_us)) * 1000)::numeric(26, 3) AS standby_w,
    telemetry.hours(s.standby_us)::numeric(12, 6) AS standby_hours,
    telemetry.hours(s.all_active_us)::numeric(12, 6) AS charging_hours,
    telemetry.mean_kw(s.all_ac_mwh, telemetry.span(s.all_active_us))::numeric(26, 3) AS mean_kw,
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
        d.day,
        d.meter_id,
        count(*) FILTER (WHERE d.vehicle_id > '') AS vehicles,
        bool_or(d.is_drifting) AS is_drifting,
        coalesce(sum(d.ac_mwh) FILTER (WHERE d.vehicle_id > ''), 0) AS ac_mwh,
        coalesce(sum(d.ac_matched_mwh) FILTER (WHERE d.vehicle_id > ''), 0) AS ac_matched_mwh,
        coalesce(sum(d.dc_mwh) FILTER (WHERE d.vehicle_id > ''), 0) AS dc_mwh,
        coalesce(sum(d.dc_matched_mwh) FILTER (WHERE d.vehicle_id > ''), 0) AS dc_matched_mwh,
        coalesce(sum(d.ac_standing_mwh) FILTER (WHERE d.vehicle_id > ''), 0) AS ac_standing_mwh,
        coalesce(sum(d.dc_standing_mwh) FILTER (WHERE d.vehicle_id > ''), 0) AS dc_standing_mwh,
        sum(d.standby_mwh) AS standby_mwh,
        coalesce(sum(d.edge_mwh) FILTER (WHERE d.vehicle_id > ''), 0) AS edge_mwh,
        sum(d.standby_us) AS standby_us,
        coalesce(sum(d.active_us) FILTER (WHERE d.vehicle_id > ''), 0) AS active_us,
        coalesce(sum(d.matched_us) FILTER (WHERE d.vehicle_id > ''), 0) AS matched_us,
        sum(d.ac_mwh) AS all_ac_mwh,
        sum(d.active_us) AS all_active_us,
        min(d.ac_resolution_mwh) AS ac_resolution_mwh,
        min(d.dc_resolution_mwh) AS dc_resolution_mwh,
        max(d.peak_w) AS peak_w,
        min(d.battery_temp_mc) AS battery_temp_mc,
        sum(d.meter_samples)::bigint AS meter_samples,
        sum(d.vehicle_samples)::bigint AS vehicle_samples
    FROM telemetry.charging_day AS d
    GROUP BY d.meter_id, d.day
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
    WHERE p.meter_id = s.meter_id
        AND p.hour >= telemetry.day_start(s.day) AND p.hour < telemetry.day_start(s.day + 1)
) AS c ON TRUE;

COMMENT ON VIEW bi.meter_efficiency_daily IS
'What charging lost at a meter, over all vehicles that were linked to it, and what it drew while idle, one row per meter and UTC day.';
COMMENT ON COLUMN bi.meter_efficiency_daily.bucket IS 'Start of the UTC day.';
COMMENT ON COLUMN bi.meter_efficiency_daily.day IS 'The UTC day as a date, the same in every time zone.';
COMMENT ON COLUMN bi.meter_efficiency_daily.meter_id IS 'The meter''s id.';
COMMENT ON COLUMN bi.meter_efficiency_daily.vehicles IS 'How many vehicles were linked to it.';
COMMENT ON COLUMN bi.meter_efficiency_daily.ac_kwh IS
'AC energy in kWh that it drew, with and without a vehicle, standby included.';
COMMENT ON COLUMN bi.meter_efficiency_daily.dc_kwh IS
'DC energy in kWh that reached the batteries of the vehicles linked to it.';
COMMENT ON COLUMN bi.meter_efficiency_daily.loss_kwh IS
'What was lost on the way in matched time, in kWh: ac_matched_kwh - dc_matched_kwh.';
COMMENT ON COLUMN bi.meter_efficiency_daily.efficiency IS
'dc_matched_kwh / ac_matched_kwh; NULL where nothing is matched. Read it together with verdict.';
COMMENT ON COLUMN bi.meter_efficiency_daily.coverage IS
'Share of the AC energy above idle drawn with a vehicle that is matched, 0 to 1; NULL where there is none.';
COMMENT ON COLUMN bi.meter_efficiency_daily.uncertainty IS
'By how much efficiency may be wrong, for the digits and steps of both devices; 9.9999: that or more. NULL where nothing is matched.';
COMMENT ON COLUMN bi.meter_efficiency_daily.expected_efficiency IS
'The least efficiency that a sound charge has at this power and battery temperature; NULL where nothing is matched.';
COMMENT ON COLUMN bi.meter_efficiency_daily.verdict IS
'healthy; degraded: efficiency is certainly below what is expected; drifting: below what is usual of one of its pairs, several charges in a row; impossible: more DC than AC; frozen: one side flows and the other''s value stands; insufficient: too little energy, coverage or certainty to say; idle: nothing above idle power; unlinked: no vehicle all day.';
COMMENT ON COLUMN bi.meter_efficiency_daily.frozen_side IS
'The side whose value stands: meter or vehicle; NULL unless frozen.';
COMMENT ON COLUMN bi.meter_efficiency_daily.ac_active_kwh IS 'AC energy in kWh above idle power.';
COMMENT ON COLUMN bi.meter_efficiency_daily.unlinked_ac_kwh IS
'What of that flowed while no vehicle was linked, in kWh.';
COMMENT ON COLUMN bi.meter_efficiency_daily.ac_matched_kwh IS
'What of that flowed while the readings of both sides tell what flowed, in kWh.';
COMMENT ON COLUMN bi.meter_efficiency_daily.dc_matched_kwh IS 'DC energy of the same time, in kWh.';
COMMENT ON COLUMN bi.meter_efficiency_daily.standby_kwh IS 'AC energy in kWh of idle time, with and without a vehicle.';
COMMENT ON COLUMN bi.meter_efficiency_daily.standby_w IS 'Mean power of that time in W; NULL where there was none.';
COMMENT ON COLUMN bi.meter_efficiency_daily.standby_hours IS 'How long it was idle, in hours.';
COMMENT ON COLUMN bi.meter_efficiency_daily.charging_hours IS 'How long AC flowed above idle power, in hours.';
COMMENT ON COLUMN bi.meter_efficiency_daily.mean_kw IS 'Mean AC power of that time, in kW; NULL where none flowed.';
COMMENT ON COLUMN bi.meter_efficiency_daily.peak_kw IS
'Greatest mean AC power from one reading of the meter to the next, in kW; NULL where none flowed.';
COMMENT ON COLUMN bi.meter_efficiency_daily.meter_samples IS 'How many readings the meter sent.';
COMMENT ON COLUMN bi.meter_efficiency_daily.vehicle_samples IS 'How many readings the vehicles sent while linked.';
COMMENT ON COLUMN bi.meter_efficiency_daily.excess_loss_kwh IS
'How much more AC energy was drawn in matched time than by a sound charge, in kWh: ac_matched_kwh - dc_matched_kwh / expected_efficiency, at least 0; NULL unless judged: healthy, degraded or drifting.';
COMMENT ON COLUMN bi.meter_efficiency_daily.cost IS
'What ac_kwh cost, each hour by the tariff that holds then, exactly; NULL where that cannot be told: cost_gap says why.';
COMMENT ON COLUMN bi.meter_efficiency_daily.standby_cost IS 'What standby_kwh cost, exactly.';
COMMENT ON COLUMN bi.meter_efficiency_daily.loss_cost IS 'What loss_kwh cost, exactly.';
COMMENT ON COLUMN bi.meter_efficiency_daily.excess_loss_cost IS 'What excess_loss_kwh cost; NULL unless judged.';
COMMENT ON COLUMN bi.meter_efficiency_daily.currency IS
'The currency of its costs, as a code of ISO 4217; NULL where they cannot be told.';
COMMENT ON COLUMN bi.meter_efficiency_daily.cost_gap IS
'Why its costs cannot be told: no_tariff: some of its energy has no price; currencies: it has prices in several. NULL where they can.';

CREATE OR REPLACE VIEW bi.unlinked_energy_daily AS
SELECT
    telemetry.day_start(d.day) AS bucket,
    d.day,
    d.meter_id,
    telemetry.kwh(d.ac_mwh::numeric + d.standby_mwh)::numeric(20, 6) AS ac_kwh,
    telemetry.kwh(d.ac_mwh)::numeric(20, 6) AS ac_active_kwh,
    telemetry.kwh(d.standby_mwh)::numeric(20, 6) AS standby_kwh,
    telemetry.hours(d.active_us)::numeric(12, 6) AS charging_hours,
    telemetry.mean_kw(d.ac_mwh, telemetry.span(d.active_us))::numeric(26, 3) AS mean_kw,
    (d.peak_w * 0.001)::numeric(26, 3) AS peak_kw,
    d.meter_samples,
    telemetry.cost(c.cost, c.cost_gap)::numeric(38, 12) AS cost,
    telemetry.cost(c.standby_cost, c.cost_gap)::numeric(38, 12) AS standby_cost,
    CASE WHEN c.cost_gap IS NULL THEN c.currency END AS currency,
    c.cost_gap
FROM telemetry.charging_day AS d
-- left out of the plan where nobody asks for a cost
LEFT JOIN LATERAL (
    SELECT
        sum(p.cost) AS cost,
        sum(p.standby_cost) AS standby_cost,
        min(p.currency) AS currency,
        telemetry.cost_gap(count(p.price), sum(p.unpriced_mwh), min(p.currency), max(p.currency)) AS cost_gap
    FROM telemetry.priced_part AS p
    WHERE p.vehicle_id = ''
        AND p.meter_id = d.meter_id
        AND p.hour >= telemetry.day_start(d.day) AND p.hour < telemetry.day_start(d.day + 1)
) AS c ON TRUE
WHERE d.vehicle_id = '' AND (d.ac_mwh > 0 OR d.standby_mwh > 0);

COMMENT ON VIEW bi.unlinked_energy_daily IS
'AC energy of no vehicle, one row per meter and UTC day in which it drew some while none was linked to it.';
COMMENT ON COLUMN bi.unlinked_energy_daily.bucket IS 'Start of the UTC day.';
COMMENT ON COLUMN bi.unlinked_energy_daily.day IS 'The UTC day as a date, the same in every time zone.';
COMMENT ON COLUMN bi.unlinked_energy_daily.meter_id IS 'The meter''s id.';
COMMENT ON COLUMN bi.unlinked_energy_daily.ac_kwh IS
'AC energy in kWh that it drew while no vehicle was linked to it, standby included.';
COMMENT ON COLUMN bi.unlinked_energy_daily.ac_active_kwh IS 'AC energy in kWh above idle power.';
COMMENT ON COLUMN bi.unlinked_energy_daily.standby_kwh IS 'AC energy in kWh of idle time.';
COMMENT ON COLUMN bi.unlinked_energy_daily.charging_hours IS 'How long AC flowed above idle power, in hours.';
COMMENT ON COLUMN bi.unlinked_energy_daily.mean_kw IS 'Mean AC power of that time, in kW; NULL where none flowed.';
COMMENT ON COLUMN bi.unlinked_energy_daily.peak_kw IS
'Greatest mean AC power from one reading of the meter to the next, in kW; NULL where none flowed.';
COMMENT ON COLUMN bi.unlinked_energy_daily.meter_samples IS 'How many readings the meter sent meanwhile.';
COMMENT ON COLUMN bi.unlinked_energy_daily.cost IS
'What ac_kwh cost, each hour by the tariff that holds then, exactly; NULL where that cannot be told: cost_gap says why.';
COMMENT ON COLUMN bi.unlinked_energy_daily.standby_cost IS 'What standby_kwh cost, exactly.';
COMMENT ON COLUMN bi.unlinked_energy_daily.currency IS
'The currency of its costs, as a code of ISO 4217; NULL where they cannot be told.';
COMMENT ON COLUMN bi.unlinked_energy_daily.cost_gap IS
'Why its costs cannot be told: no_tariff: some of its energy has no price; currencies: it has prices in several. NULL where they can.';

REVOKE ALL ON bi.meter_efficiency_daily, bi.unlinked_energy_daily FROM PUBLIC;
GRANT SELECT ON bi.meter_efficiency_daily, bi.unlinked_energy_daily TO wattledger_bi;
