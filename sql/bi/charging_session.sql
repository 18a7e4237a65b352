-- Charges, for analysts: each as it is judged by itself.

CREATE OR REPLACE VIEW bi.charging_session AS
SELECT
    s.meter_id,
    s.started_at,
    nullif(s.vehicle_id, '') AS vehicle_id,
    s.ended_at,
    -- looked up one by one, and not at all where nobody asks for it
    coalesce(
        s.unplugged_at,
        (
            SELECT upper(l.during)
            FROM telemetry.charging_link AS l
            WHERE l.meter_id = s.meter_id AND l.vehicle_id = s.vehicle_id AND l.during @> s.started_at
        )
    ) AS unplugged_at,
    (
        SELECT n.session_id
        FROM telemetry.device_session AS n
        WHERE n.dataset = CASE WHEN s.transaction_no > 0 THEN 'meter_reading' ELSE 'vehicle_reading' END
            AND n.device_id = CASE WHEN s.transaction_no > 0 THEN s.meter_id ELSE s.vehicle_id END
            AND n.session_no = abs(s.transaction_no)
    ) AS session_id,
    telemetry.kwh(s.ac_mwh::numeric + s.standby_mwh)::numeric(20, 6) AS ac_kwh,
    telemetry.kwh(s.dc_mwh)::numeric(20, 6) AS dc_kwh,
    telemetry.kwh(s.ac_matched_mwh::numeric - s.dc_matched_mwh)::numeric(20, 6) AS loss_kwh,
    s.efficiency::numeric(26, 6) AS efficiency,
    s.coverage::numeric(5, 4) AS coverage,
    (CASE WHEN s.uncertainty > 9.9999 THEN 9.9999 ELSE s.uncertainty END)::numeric(5, 4) AS uncertainty,
    s.expected_efficiency::numeric(26, 6) AS expected_efficiency,
    s.usual_efficiency::numeric(26, 6) AS usual_efficiency,
    s.verdict,
    s.frozen_side,
    telemetry.kwh(s.ac_mwh)::numeric(20, 6) AS ac_active_kwh,
    telemetry.kwh(s.ac_matched_mwh)::numeric(20, 6) AS ac_matched_kwh,
    telemetry.kwh(s.dc_matched_mwh)::numeric(20, 6) AS dc_matched_kwh,
    telemetry.kwh(s.standby_mwh)::numeric(20, 6) AS standby_kwh,
    telemetry.hours(s.active_us)::numeric(12, 6) AS charging_hours,
    telemetry.mean_kw(s.ac_mwh, telemetry.span(s.active_us))::numeric(26, 3) AS mean_kw,
    (s.peak_w * 0.001)::numeric(26, 3) AS peak_kw,
    (s.soc_start_mpct * 0.001)::numeric(10, 3) AS soc_start_percent,
    (s.soc_end_mpct * 0.001)::numeric(10, 3) AS soc_end_percent,
    (s.temp_start_mc * 0.001)::numeric(10, 3) AS battery_temp_start_c,
    (s.temp_end_mc * 0.001)::numeric(10, 3) AS battery_temp_end_c,
    (s.battery_temp_mc * 0.001)::numeric(10, 3) AS battery_temp_min_c,
    telemetry.kwh(s.ac_register_start_mwh)::numeric(20, 6) AS ac_register_start_kwh,
    telemetry.kwh(s.ac_register_end_mwh)::numeric(20, 6) AS ac_register_end_kwh,
    telemetry.kwh(s.dc_register_start_mwh)::numeric(20, 6) AS dc_register_start_kwh,
    telemetry.kwh(s.dc_register_end_mwh)::numeric(20, 6) AS dc_register_end_kwh,
    s.meter_samples,
    s.vehicle_samples,
    telemetry.kwh(s.excess_loss_mwh)::numeric(20, 6) AS excess_loss_kwh,
    s.cost::numeric(26, 4) AS cost,
    s.standby_cost::numeric(26, 4) AS standby_cost,
    s.loss_cost::numeric(26, 4) AS loss_cost,
    s.excess_loss_cost::numeric(26, 4) AS excess_loss_cost,
    s.currency,
    s.cost_gap,
    m.name AS meter_name,
    v.name AS vehicle_name,
    m.site
FROM telemetry.judged_session AS s
LEFT JOIN telemetry.device_label AS m ON m.dataset = 'meter_reading' AND m.device_id = s.meter_id
LEFT JOIN telemetry.device_label AS v ON v.dataset = 'vehicle_reading' AND v.device_id = s.vehicle_id;

COMMENT ON VIEW bi.charging_session IS
'Charges, one row per meter and start. One ends with its link, with the session that the devices named, or with a pause.';
COMMENT ON COLUMN bi.charging_session.meter_id IS 'The meter''s id.';
COMMENT ON COLUMN bi.charging_session.started_at IS 'When energy began to flow.';
COMMENT ON COLUMN bi.charging_session.vehicle_id IS 'The vehicle that was linked to the meter; NULL where none was.';
COMMENT ON COLUMN bi.charging_session.ended_at IS
'When energy last flowed; of a charge that goes on, as far as is known.';
COMMENT ON COLUMN bi.charging_session.unplugged_at IS
'When the devices last named the session, else when the link ends; NULL where neither is known.';
COMMENT ON COLUMN bi.charging_session.session_id IS
'What the devices call it, such as a transaction''s id: the meter''s name, else the vehicle''s; NULL where neither named one.';
COMMENT ON COLUMN bi.charging_session.ac_kwh IS
'AC energy in kWh that the meter drew, standby during the charge included.';
COMMENT ON COLUMN bi.charging_session.dc_kwh IS 'DC energy in kWh that reached the battery.';
COMMENT ON COLUMN bi.charging_session.loss_kwh IS
'What was lost on the way in matched time, in kWh: ac_matched_kwh - dc_matched_kwh.';
COMMENT ON COLUMN bi.charging_session.efficiency IS
'dc_matched_kwh / ac_matched_kwh; NULL where nothing is matched. Read it together with verdict.';
COMMENT ON COLUMN bi.charging_session.coverage IS
'Share of the AC energy above idle that is matched, 0 to 1; NULL where there is none.';
COMMENT ON COLUMN bi.charging_session.uncertainty IS
'By how much efficiency may be wrong, for the digits and steps of both devices; 9.9999: that or more. NULL where nothing is matched.';
COMMENT ON COLUMN bi.charging_session.expected_efficiency IS
'The least efficiency that a sound charge has at this power and battery temperature; NULL where nothing is matched.';
COMMENT ON COLUMN bi.charging_session.usual_efficiency IS
'Median of the comparable charges of vehicle and meter before it; NULL: fewer than five, or not judged.';
COMMENT ON COLUMN bi.charging_session.verdict IS
'healthy; degraded: efficiency is certainly below what is expected; drifting: below what is usual of the pair, several charges in a row; impossible: more DC than AC; frozen: one side flows and the other''s value stands; insufficient: too little energy, coverage or certainty to say; idle: nothing above idle power.';
COMMENT ON COLUMN bi.charging_session.frozen_side IS
'The side whose value stands: meter or vehicle; NULL unless frozen.';
COMMENT ON COLUMN bi.charging_session.ac_active_kwh IS 'AC energy in kWh above idle power.';
COMMENT ON COLUMN bi.charging_session.ac_matched_kwh IS
'What of that flowed while the readings of both sides tell what flowed, in kWh.';
COMMENT ON COLUMN bi.charging_session.dc_matched_kwh IS 'DC energy of the same time, in kWh.';
COMMENT ON COLUMN bi.charging_session.standby_kwh IS 'AC energy in kWh of idle time between its start and its end.';
COMMENT ON COLUMN bi.charging_session.charging_hours IS 'How long AC flowed above idle power, in hours.';
COMMENT ON COLUMN bi.charging_session.mean_kw IS 'Mean AC power of that time, in kW; NULL where none flowed.';
COMMENT ON COLUMN bi.charging_session.peak_kw IS
'Greatest mean AC power from one reading of the meter to the next, in kW; NULL where none flowed.';
COMMENT ON COLUMN bi.charging_session.soc_start_percent IS
'State of charge at the start, in percent; NULL if not reported.';
COMMENT ON COLUMN bi.charging_session.soc_end_percent IS
'State of charge at the end, in percent; NULL if not reported.';
COMMENT ON COLUMN bi.charging_session.battery_temp_start_c IS
'Battery temperature at the start, in °C; NULL if not reported.';
COMMENT ON COLUMN bi.charging_session.battery_temp_end_c IS
'Battery temperature at the end, in °C; NULL if not reported.';
COMMENT ON COLUMN bi.charging_session.battery_temp_min_c IS
'Its lowest value in matched time, in °C; NULL if not reported.';
COMMENT ON COLUMN bi.charging_session.ac_register_start_kwh IS
'The meter''s register at the start, in kWh; NULL: it sends none.';
COMMENT ON COLUMN bi.charging_session.ac_register_end_kwh IS
'The meter''s register at the end, in kWh; NULL: it sends none.';
COMMENT ON COLUMN bi.charging_session.dc_register_start_kwh IS
'The vehicle''s register at the start, in kWh; NULL: it sends none.';
COMMENT ON COLUMN bi.charging_session.dc_register_end_kwh IS
'The vehicle''s register at the end, in kWh; NULL: it sends none.';
COMMENT ON COLUMN bi.charging_session.meter_samples IS 'How many readings the meter sent in these hours.';
COMMENT ON COLUMN bi.charging_session.vehicle_samples IS
'How many readings the vehicle sent in these hours while linked.';
COMMENT ON COLUMN bi.charging_session.excess_loss_kwh IS
'How much more AC energy it drew in matched time than a sound charge, in kWh: ac_matched_kwh - dc_matched_kwh / expected_efficiency, at least 0; NULL unless judged: healthy, degraded or drifting.';
COMMENT ON COLUMN bi.charging_session.cost IS
'What ac_kwh cost, each hour by the tariff that holds then, rounded to the currency''s minor unit; NULL where that cannot be told: cost_gap says why.';
COMMENT ON COLUMN bi.charging_session.standby_cost IS 'What standby_kwh cost, rounded by itself.';
COMMENT ON COLUMN bi.charging_session.loss_cost IS 'What loss_kwh cost, rounded by itself.';
COMMENT ON COLUMN bi.charging_session.excess_loss_cost IS
'What excess_loss_kwh cost, rounded by itself; NULL unless judged.';
COMMENT ON COLUMN bi.charging_session.currency IS
'The currency of its costs, as a code of ISO 4217; NULL where they cannot be told.';
COMMENT ON COLUMN bi.charging_session.cost_gap IS
'Why its costs cannot be told: no_tariff: some of its energy has no price; currencies: it has prices in several. NULL where they can.';
COMMENT ON COLUMN bi.charging_session.meter_name IS 'What people call the meter now; NULL: nothing. Personal.';
COMMENT ON COLUMN bi.charging_session.vehicle_name IS 'What people call the vehicle now; NULL: nothing. Personal.';
COMMENT ON COLUMN bi.charging_session.site IS 'The site that the meter belongs to now; NULL: none is known.';

REVOKE ALL ON bi.charging_session FROM PUBLIC;
GRANT SELECT ON bi.charging_session TO wattledger_bi;
