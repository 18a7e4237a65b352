-- Readings as devices reported them, for DBAs and for exports. Views: their rows are read one by one, by key and time,
-- where a function would first gather all of them.

CREATE OR REPLACE VIEW ops.meter_readings AS
SELECT
    m.meter_id,
    m.ts AS read_at,
    m.received_at,
    m.interval_start,
    -- looked up by key, and for most readings not at all
    CASE
        WHEN m.session_no IS NOT NULL THEN (
            SELECT d.session_id
            FROM telemetry.device_session AS d
            WHERE d.dataset = 'meter_reading' AND d.device_id = m.meter_id AND d.session_no = m.session_no
        )
    END AS session_id,
    telemetry.kwh(CASE WHEN m.kind = 'difference' THEN m.energy_mwh END)::numeric(20, 6) AS energy_kwh,
    telemetry.kwh(CASE WHEN m.kind = 'lifetime_register' THEN m.register_mwh END)::numeric(20, 6) AS total_kwh,
    telemetry.kwh(CASE WHEN m.kind = 'session_counter' THEN m.register_mwh END)::numeric(20, 6) AS session_kwh,
    (m.voltage_mv * 0.001)::numeric(10, 3) AS voltage_v
FROM telemetry.meter_reading AS m
WHERE m.entry = 0;

COMMENT ON VIEW ops.meter_readings IS
'What meters reported, one row per stored reading, without what the ledger posted since. Exactly one of energy_kwh, total_kwh and session_kwh is not NULL.';
COMMENT ON COLUMN ops.meter_readings.meter_id IS 'The smart meter''s id.';
COMMENT ON COLUMN ops.meter_readings.read_at IS 'When the meter took the reading, by its own clock.';
COMMENT ON COLUMN ops.meter_readings.received_at IS 'When the reading was stored, by the database''s clock.';
COMMENT ON COLUMN ops.meter_readings.interval_start IS
'Since when the energy of a difference flowed, as reported; NULL where not reported.';
COMMENT ON COLUMN ops.meter_readings.session_id IS
'What the meter calls the charging session; NULL where not reported.';
COMMENT ON COLUMN ops.meter_readings.energy_kwh IS 'AC energy of a difference, in kWh.';
COMMENT ON COLUMN ops.meter_readings.total_kwh IS 'Level of a lifetime register of AC energy, in kWh.';
COMMENT ON COLUMN ops.meter_readings.session_kwh IS
'Level of a counter of AC energy that starts from zero with each session, in kWh.';
COMMENT ON COLUMN ops.meter_readings.voltage_v IS 'Voltage in V; NULL if not reported.';

CREATE OR REPLACE VIEW ops.vehicle_readings AS
SELECT
    m.vehicle_id,
    m.ts AS read_at,
    m.received_at,
    m.interval_start,
    -- looked up by key, and for most readings not at all
    CASE
        WHEN m.session_no IS NOT NULL THEN (
            SELECT d.session_id
            FROM telemetry.device_session AS d
            WHERE d.dataset = 'vehicle_reading' AND d.device_id = m.vehicle_id AND d.session_no = m.session_no
        )
    END AS session_id,
    telemetry.kwh(CASE WHEN m.kind = 'difference' THEN m.energy_mwh END)::numeric(20, 6) AS energy_kwh,
    telemetry.kwh(CASE WHEN m.kind = 'lifetime_register' THEN m.register_mwh END)::numeric(20, 6) AS total_kwh,
    telemetry.kwh(CASE WHEN m.kind = 'session_counter' THEN m.register_mwh END)::numeric(20, 6) AS session_kwh,
    (m.soc_mpct * 0.001)::numeric(10, 3) AS soc_percent,
    (m.battery_temp_mc * 0.001)::numeric(10, 3) AS battery_temp_c
FROM telemetry.vehicle_reading AS m
WHERE m.entry = 0;

COMMENT ON VIEW ops.vehicle_readings IS
'What vehicles reported, one row per stored reading, without what the ledger posted since. Exactly one of energy_kwh, total_kwh and session_kwh is not NULL.';
COMMENT ON COLUMN ops.vehicle_readings.vehicle_id IS 'The vehicle''s id.';
COMMENT ON COLUMN ops.vehicle_readings.read_at IS 'When the vehicle took the reading, by its own clock.';
COMMENT ON COLUMN ops.vehicle_readings.received_at IS 'When the reading was stored, by the database''s clock.';
COMMENT ON COLUMN ops.vehicle_readings.interval_start IS
'Since when the energy of a difference flowed, as reported; NULL where not reported.';
COMMENT ON COLUMN ops.vehicle_readings.session_id IS
'What the vehicle calls the charging session; NULL where not reported.';
COMMENT ON COLUMN ops.vehicle_readings.energy_kwh IS 'DC energy of a difference, in kWh.';
COMMENT ON COLUMN ops.vehicle_readings.total_kwh IS 'Level of a lifetime register of DC energy, in kWh.';
COMMENT ON COLUMN ops.vehicle_readings.session_kwh IS
'Level of a counter of DC energy that starts from zero with each session, in kWh.';
COMMENT ON COLUMN ops.vehicle_readings.soc_percent IS 'State of charge in percent; NULL if not reported.';
COMMENT ON COLUMN ops.vehicle_readings.battery_temp_c IS 'Battery temperature in °C; NULL if not reported.';

REVOKE ALL ON ops.meter_readings, ops.vehicle_readings FROM PUBLIC;
GRANT SELECT ON ops.meter_readings, ops.vehicle_readings TO wattledger_dba;
