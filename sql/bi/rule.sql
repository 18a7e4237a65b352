-- The rules that charging is judged by, for analysts: a line in a chart, and a legend.

CREATE OR REPLACE VIEW bi.rule AS
SELECT
    v.name,
    v.value::numeric(20, 6) AS value,
    v.unit,
    telemetry.meaning_of_rule(v.name) AS meaning
FROM telemetry.rules AS r
CROSS JOIN LATERAL (
    VALUES
    ('degraded_below', r.degraded_below, 'DC / AC'),
    ('full_kw', r.full_kw, 'kW'),
    ('slow_degraded_below', r.slow_degraded_below, 'DC / AC'),
    ('slow_kw', r.slow_kw, 'kW'),
    ('cold_below_c', r.cold_below_c, '°C'),
    ('cold_allowance', r.cold_allowance, 'DC / AC'),
    ('cold_heating_kwh', r.cold_heating_kwh, 'kWh'),
    ('drifting_below_usual', r.drifting_below_usual, 'DC / AC'),
    ('drifting_after', r.drifting_after, 'charges'),
    ('idle_below_kw', r.idle_below_kw, 'kW'),
    ('session_ends_after', extract(EPOCH FROM r.session_ends_after) / 60, 'minutes'),
    ('smallest_session_kwh', r.smallest_session_kwh, 'kWh'),
    ('frozen_above_kwh', r.frozen_above_kwh, 'kWh'),
    ('greatest_uncertainty', r.greatest_uncertainty, 'DC / AC'),
    ('sufficient_energy_kwh', r.sufficient_energy_kwh, 'kWh'),
    ('sufficient_coverage', r.sufficient_coverage, 'share'),
    ('alert_after', r.alert_after, 'charges'),
    ('alert_ends_after', r.alert_ends_after, 'charges'),
    ('drift_alert_after', r.drift_alert_after, 'charges'),
    ('critical_below_expected', r.critical_below_expected, 'DC / AC'),
    ('unlinked_above_kwh', r.unlinked_above_kwh, 'kWh'),
    ('silent_after', extract(EPOCH FROM r.silent_after) / 60, 'minutes'),
    ('standby_above_w', r.standby_above_w, 'W'),
    ('standby_share_of_peak', r.standby_share_of_peak, 'share'),
    ('reading_interval', extract(EPOCH FROM r.reading_interval) / 60, 'minutes'),
    ('clock_skew', extract(EPOCH FROM r.clock_skew) / 60, 'minutes')
) AS v (name, value, unit);

COMMENT ON VIEW bi.rule IS
'The rules that charging is judged by, one row per rule. A database administrator may change them, and a changed one holds for the past too.';
COMMENT ON COLUMN bi.rule.name IS 'The rule''s name.';
COMMENT ON COLUMN bi.rule.value IS 'Its value, in the unit that is told.';
COMMENT ON COLUMN bi.rule.unit IS 'The unit: kW, W, kWh, °C, minutes, charges, DC / AC, or a share of 1.';
COMMENT ON COLUMN bi.rule.meaning IS 'What it says.';

REVOKE ALL ON bi.rule FROM PUBLIC;
GRANT SELECT ON bi.rule TO wattledger_bi;
