-- Sessions as they are judged, each by itself, with what each cost: rounded to the currency's minor unit once, here.

CREATE OR REPLACE VIEW telemetry.judged_session AS
SELECT
    s.meter_id,
    s.started_at,
    s.vehicle_id,
    s.ended_at,
    s.unplugged_at,
    s.transaction_no,
    s.soc_start_mpct,
    s.soc_end_mpct,
    s.temp_start_mc,
    s.temp_end_mc,
    s.ac_register_start_mwh,
    s.ac_register_end_mwh,
    s.dc_register_start_mwh,
    s.dc_register_end_mwh,
    s.usual_efficiency,
    s.below_usual,
    s.ac_mwh,
    s.ac_matched_mwh,
    s.dc_mwh,
    s.dc_matched_mwh,
    s.ac_standing_mwh,
    s.dc_standing_mwh,
    s.standby_mwh,
    s.edge_mwh,
    s.standby_us,
    s.active_us,
    s.matched_us,
    s.ac_resolution_mwh,
    s.dc_resolution_mwh,
    s.peak_w,
    s.battery_temp_mc,
    s.meter_samples,
    s.vehicle_samples,
    j.efficiency,
    j.coverage,
    j.uncertainty,
    j.expected_efficiency,
    j.verdict,
    j.frozen_side,
    telemetry.is_judged(j.verdict) AS is_judged,
    width_bucket(
        telemetry.mean_kw(s.ac_matched_mwh, telemetry.span(s.matched_us)),
        ARRAY[3.6, 7.5, 15, 50]::double precision[]
    ) AS power_class,
    width_bucket(s.battery_temp_mc * 0.001, ARRAY[5, 15, 25]::numeric[]) AS temp_class,
    telemetry.excess(s.ac_matched_mwh, s.dc_matched_mwh, j.expected_efficiency, j.verdict) AS excess_loss_mwh,
    round(telemetry.cost(c.cost, c.cost_gap), c.digits) AS cost,
    round(telemetry.cost(c.standby_cost, c.cost_gap), c.digits) AS standby_cost,
    round(telemetry.cost(c.ac_matched_cost - c.dc_matched_cost, c.cost_gap), c.digits) AS loss_cost,
    round(
        telemetry.cost(
            telemetry.excess(c.ac_matched_cost, c.dc_matched_cost, j.expected_efficiency, j.verdict), c.cost_gap
        ),
        c.digits
    ) AS excess_loss_cost,
    CASE WHEN c.cost_gap IS NULL THEN c.currency END AS currency,
    c.cost_gap,
    telemetry.excess(s.ac_matched_mwh, s.dc_matched_mwh, s.usual_efficiency, j.verdict) AS unusual_loss_mwh,
    round(
        telemetry.cost(
            telemetry.excess(c.ac_matched_cost, c.dc_matched_cost, s.usual_efficiency, j.verdict), c.cost_gap
        ),
        c.digits
    ) AS unusual_loss_cost
FROM telemetry.charging_session AS s
CROSS JOIN telemetry.rules AS r
CROSS JOIN LATERAL telemetry.judged(
    s.ac_mwh, s.ac_matched_mwh, s.dc_mwh, s.dc_matched_mwh, s.ac_standing_mwh, s.dc_standing_mwh,
    s.standby_mwh, s.edge_mwh, s.ac_resolution_mwh, s.dc_resolution_mwh, s.matched_us, s.battery_temp_mc,
    s.below_usual >= r.drifting_after, r
) AS j
-- by the hours that it was put together from; left out of the plan where nobody asks for a cost
LEFT JOIN LATERAL (
    SELECT
        sum(p.cost) AS cost,
        sum(p.standby_cost) AS standby_cost,
        sum(p.ac_matched_cost) AS ac_matched_cost,
        sum(p.dc_matched_cost) AS dc_matched_cost,
        min(p.currency) AS currency,
        max(p.digits) AS digits,
        telemetry.cost_gap(count(p.price), sum(p.unpriced_mwh), min(p.currency), max(p.currency)) AS cost_gap
    FROM telemetry.priced_part AS p
    WHERE p.meter_id = s.meter_id
        AND p.hour >= telemetry.floor_hour(s.started_at) AND p.hour < s.ended_at
        AND p.until > s.started_at AND p.since < s.ended_at
) AS c ON TRUE
WHERE greatest(s.ac_mwh, s.dc_mwh) >= telemetry.mwh(r.smallest_session_kwh);

COMMENT ON VIEW telemetry.judged_session IS
'Charging sessions, as telemetry.charging_session has them, with what telemetry.judged says of each; without those that are too small to be shown.';
COMMENT ON COLUMN telemetry.judged_session.meter_id IS 'The meter.';
COMMENT ON COLUMN telemetry.judged_session.started_at IS 'When energy began to flow.';
COMMENT ON COLUMN telemetry.judged_session.vehicle_id IS 'The vehicle that was linked; empty: none.';
COMMENT ON COLUMN telemetry.judged_session.ended_at IS 'When it last flowed.';
COMMENT ON COLUMN telemetry.judged_session.unplugged_at IS
'When the session that the devices named was named last, at most the end of the link; NULL: none was.';
COMMENT ON COLUMN telemetry.judged_session.transaction_no IS
'The session that the devices named: of the meter, else below 0 of the vehicle; NULL: none.';
COMMENT ON COLUMN telemetry.judged_session.soc_start_mpct IS
'State of charge at the start, in thousandths of a percent; NULL if not reported.';
COMMENT ON COLUMN telemetry.judged_session.soc_end_mpct IS
'State of charge at the end, in thousandths of a percent; NULL if not reported.';
COMMENT ON COLUMN telemetry.judged_session.temp_start_mc IS
'Battery temperature at the start, in thousandths of a degree Celsius; NULL if not reported.';
COMMENT ON COLUMN telemetry.judged_session.temp_end_mc IS
'Battery temperature at the end, in thousandths of a degree Celsius; NULL if not reported.';
COMMENT ON COLUMN telemetry.judged_session.ac_register_start_mwh IS
'The meter''s register at the start, in milliwatt-hours; NULL: it sends none.';
COMMENT ON COLUMN telemetry.judged_session.ac_register_end_mwh IS
'The meter''s register at the end, in milliwatt-hours; NULL: it sends none.';
COMMENT ON COLUMN telemetry.judged_session.dc_register_start_mwh IS
'The vehicle''s register at the start, in milliwatt-hours; NULL: it sends none.';
COMMENT ON COLUMN telemetry.judged_session.dc_register_end_mwh IS
'The vehicle''s register at the end, in milliwatt-hours; NULL: it sends none.';
COMMENT ON COLUMN telemetry.judged_session.usual_efficiency IS
'Median of the pair''s comparable sessions before; NULL: too few, or not judged.';
COMMENT ON COLUMN telemetry.judged_session.below_usual IS
'How many judged sessions of the pair in a row, up to this one, were below the usual by more than the rule allows.';
COMMENT ON COLUMN telemetry.judged_session.ac_mwh IS 'AC energy above idle, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.judged_session.ac_matched_mwh IS
'What of that flowed while the vehicle''s readings explain the time too, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.judged_session.dc_mwh IS 'DC energy of the linked vehicle, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.judged_session.dc_matched_mwh IS 'DC energy in the matched time, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.judged_session.ac_standing_mwh IS
'Matched AC energy while the vehicle reported none, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.judged_session.dc_standing_mwh IS
'DC energy while the meter reported idle AC, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.judged_session.standby_mwh IS 'AC energy of idle time, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.judged_session.edge_mwh IS
'Matched energy of steps at the edges of flow and of links, in milliwatt-hours: half of it is uncertain.';
COMMENT ON COLUMN telemetry.judged_session.standby_us IS 'How long AC was idle, in microseconds.';
COMMENT ON COLUMN telemetry.judged_session.active_us IS 'How long AC flowed above idle, in microseconds.';
COMMENT ON COLUMN telemetry.judged_session.matched_us IS 'How much of that time is matched, in microseconds.';
COMMENT ON COLUMN telemetry.judged_session.ac_resolution_mwh IS
'The meter''s finest step, in milliwatt-hours; NULL where it never rose.';
COMMENT ON COLUMN telemetry.judged_session.dc_resolution_mwh IS
'The vehicle''s finest step, in milliwatt-hours; NULL where it never rose.';
COMMENT ON COLUMN telemetry.judged_session.peak_w IS
'The greatest mean power of a step of the meter, in watts; NULL where none flowed.';
COMMENT ON COLUMN telemetry.judged_session.battery_temp_mc IS
'The battery''s lowest temperature in matched time, in thousandths of a degree Celsius; NULL if not reported.';
COMMENT ON COLUMN telemetry.judged_session.meter_samples IS 'How many readings of the meter there are.';
COMMENT ON COLUMN telemetry.judged_session.vehicle_samples IS 'How many readings of the linked vehicle there are.';
COMMENT ON COLUMN telemetry.judged_session.efficiency IS 'Matched DC / matched AC; NULL where nothing is matched.';
COMMENT ON COLUMN telemetry.judged_session.coverage IS 'Matched AC / AC above idle; NULL without AC.';
COMMENT ON COLUMN telemetry.judged_session.uncertainty IS
'By how much the efficiency may be off; NULL where there is none.';
COMMENT ON COLUMN telemetry.judged_session.expected_efficiency IS
'The least efficiency of a sound charge of this power and temperature.';
COMMENT ON COLUMN telemetry.judged_session.verdict IS
'frozen, idle, insufficient, impossible, degraded, drifting or healthy.';
COMMENT ON COLUMN telemetry.judged_session.frozen_side IS
'meter or vehicle: whose value stands; NULL where neither does.';
COMMENT ON COLUMN telemetry.judged_session.is_judged IS
'Whether the verdict is about efficiency: healthy, drifting or degraded.';
COMMENT ON COLUMN telemetry.judged_session.power_class IS
'Class of mean power, of 3.6, 7.5, 15 and 50 kW: 0 to 4; NULL where nothing is matched.';
COMMENT ON COLUMN telemetry.judged_session.temp_class IS
'Class of battery temperature, of 5, 15 and 25 °C: 0 to 3; NULL if not reported.';
COMMENT ON COLUMN telemetry.judged_session.excess_loss_mwh IS
'How much more AC it drew in matched time than a sound charge takes, in milliwatt-hours; NULL unless judged.';
COMMENT ON COLUMN telemetry.judged_session.cost IS
'What AC above idle and standby cost, rounded to the currency''s minor unit; NULL where that cannot be told.';
COMMENT ON COLUMN telemetry.judged_session.standby_cost IS 'What of that standby cost, rounded by itself.';
COMMENT ON COLUMN telemetry.judged_session.loss_cost IS
'What matched AC cost beyond matched DC at the same prices, rounded by itself.';
COMMENT ON COLUMN telemetry.judged_session.excess_loss_cost IS
'What of that a sound charge would not have cost, rounded by itself; NULL unless judged.';
COMMENT ON COLUMN telemetry.judged_session.currency IS 'The costs'' currency; NULL where they cannot be told.';
COMMENT ON COLUMN telemetry.judged_session.cost_gap IS
'Why costs cannot be told: no_tariff, or currencies (several); NULL where they can.';
COMMENT ON COLUMN telemetry.judged_session.unusual_loss_mwh IS
'How much more AC was drawn than at the usual efficiency of the pair, in milliwatt-hours; NULL where that is not known.';
COMMENT ON COLUMN telemetry.judged_session.unusual_loss_cost IS 'What that cost, in the currency''s unit.';
