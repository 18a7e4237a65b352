-- Energy by hour, day and month, for analysts. Hours and days are continuous aggregates or their like (sql/edition).

CREATE OR REPLACE VIEW bi.meter_energy_monthly AS
SELECT
    date_trunc('month', r.bucket, 'UTC') AS bucket,
    (date_trunc('month', r.bucket, 'UTC') AT TIME ZONE 'UTC')::date AS month,
    r.meter_id,
    telemetry.kwh(sum(r.energy_mwh))::numeric(20, 6) AS energy_kwh,
    telemetry.kwh(sum(r.apportioned_mwh))::numeric(20, 6) AS apportioned_kwh,
    sum(r.energy_mwh)::bigint AS energy_mwh,
    sum(r.apportioned_mwh)::bigint AS apportioned_mwh,
    sum(r.samples)::bigint AS samples,
    min(r.first_reading_at) AS first_reading_at,
    max(r.last_reading_at) AS last_reading_at,
    max(r.last_received_at) AS last_received_at,
    min(r.voltage_v_min)::numeric(10, 3) AS voltage_v_min,
    (sum(r.voltage_mv_sum) * 0.001 / nullif(sum(r.voltage_samples), 0))::numeric(10, 3) AS voltage_v_avg,
    max(r.voltage_v_max)::numeric(10, 3) AS voltage_v_max,
    sum(r.voltage_samples)::bigint AS voltage_samples,
    sum(r.voltage_mv_sum)::bigint AS voltage_mv_sum
FROM bi.meter_energy_daily AS r
GROUP BY 1, 2, 3;

CREATE OR REPLACE VIEW bi.vehicle_energy_monthly AS
SELECT
    date_trunc('month', r.bucket, 'UTC') AS bucket,
    (date_trunc('month', r.bucket, 'UTC') AT TIME ZONE 'UTC')::date AS month,
    r.vehicle_id,
    telemetry.kwh(sum(r.energy_mwh))::numeric(20, 6) AS energy_kwh,
    telemetry.kwh(sum(r.apportioned_mwh))::numeric(20, 6) AS apportioned_kwh,
    sum(r.energy_mwh)::bigint AS energy_mwh,
    sum(r.apportioned_mwh)::bigint AS apportioned_mwh,
    sum(r.samples)::bigint AS samples,
    min(r.first_reading_at) AS first_reading_at,
    max(r.last_reading_at) AS last_reading_at,
    max(r.last_received_at) AS last_received_at,
    min(r.soc_percent_min)::numeric(10, 3) AS soc_percent_min,
    (sum(r.soc_mpct_sum) * 0.001 / nullif(sum(r.soc_samples), 0))::numeric(10, 3) AS soc_percent_avg,
    max(r.soc_percent_max)::numeric(10, 3) AS soc_percent_max,
    sum(r.soc_samples)::bigint AS soc_samples,
    sum(r.soc_mpct_sum)::bigint AS soc_mpct_sum,
    min(r.battery_temp_c_min)::numeric(10, 3) AS battery_temp_c_min,
    (sum(r.battery_temp_mc_sum) * 0.001 / nullif(sum(r.battery_temp_samples), 0))::numeric(10, 3) AS battery_temp_c_avg,
    max(r.battery_temp_c_max)::numeric(10, 3) AS battery_temp_c_max,
    sum(r.battery_temp_samples)::bigint AS battery_temp_samples,
    sum(r.battery_temp_mc_sum)::bigint AS battery_temp_mc_sum
FROM bi.vehicle_energy_daily AS r
GROUP BY 1, 2, 3;

COMMENT ON VIEW bi.meter_energy_hourly IS
'AC energy drawn from the grid, one row per meter and hour with readings.';
COMMENT ON COLUMN bi.meter_energy_hourly.bucket IS
'Start of the hour, in UTC.';
COMMENT ON COLUMN bi.meter_energy_hourly.meter_id IS
'The smart meter''s id.';
COMMENT ON COLUMN bi.meter_energy_hourly.energy_kwh IS
'Energy in kWh, exact to the milliwatt-hour.';
COMMENT ON COLUMN bi.meter_energy_hourly.apportioned_kwh IS
'What of it was apportioned from intervals longer than a few minutes, in kWh.';
COMMENT ON COLUMN bi.meter_energy_hourly.energy_mwh IS
'The same as an integer, in milliwatt-hours.';
COMMENT ON COLUMN bi.meter_energy_hourly.apportioned_mwh IS
'What of it was apportioned, as an integer, in milliwatt-hours.';
COMMENT ON COLUMN bi.meter_energy_hourly.samples IS
'How many readings there are.';
COMMENT ON COLUMN bi.meter_energy_hourly.first_reading_at IS
'Time of the first reading; NULL where there are corrections alone.';
COMMENT ON COLUMN bi.meter_energy_hourly.last_reading_at IS
'Time of the last reading; NULL where there are corrections alone.';
COMMENT ON COLUMN bi.meter_energy_hourly.last_received_at IS
'When the newest of these readings was stored: how fresh the row is.';
COMMENT ON COLUMN bi.meter_energy_hourly.voltage_v_min IS
'Least voltage in V; NULL where none was reported.';
COMMENT ON COLUMN bi.meter_energy_hourly.voltage_v_avg IS
'Average voltage in V over the readings that reported it; NULL where none did.';
COMMENT ON COLUMN bi.meter_energy_hourly.voltage_v_max IS
'Greatest voltage in V; NULL where none was reported.';
COMMENT ON COLUMN bi.meter_energy_hourly.voltage_samples IS
'How many readings reported it: the weight of the average.';
COMMENT ON COLUMN bi.meter_energy_hourly.voltage_mv_sum IS
'Sum of the voltage in millivolts: divide by voltage_samples for an average over several rows.';

COMMENT ON VIEW bi.meter_energy_daily IS
'AC energy drawn from the grid, one row per meter and UTC day with readings.';
COMMENT ON COLUMN bi.meter_energy_daily.bucket IS
'Start of the UTC day.';
COMMENT ON COLUMN bi.meter_energy_daily.day IS
'The UTC day as a date, the same in every time zone.';
COMMENT ON COLUMN bi.meter_energy_daily.meter_id IS
'The smart meter''s id.';
COMMENT ON COLUMN bi.meter_energy_daily.energy_kwh IS
'Energy in kWh, exact to the milliwatt-hour.';
COMMENT ON COLUMN bi.meter_energy_daily.apportioned_kwh IS
'What of it was apportioned from intervals longer than a few minutes, in kWh.';
COMMENT ON COLUMN bi.meter_energy_daily.energy_mwh IS
'The same as an integer, in milliwatt-hours.';
COMMENT ON COLUMN bi.meter_energy_daily.apportioned_mwh IS
'What of it was apportioned, as an integer, in milliwatt-hours.';
COMMENT ON COLUMN bi.meter_energy_daily.samples IS
'How many readings there are.';
COMMENT ON COLUMN bi.meter_energy_daily.first_reading_at IS
'Time of the first reading; NULL where there are corrections alone.';
COMMENT ON COLUMN bi.meter_energy_daily.last_reading_at IS
'Time of the last reading; NULL where there are corrections alone.';
COMMENT ON COLUMN bi.meter_energy_daily.last_received_at IS
'When the newest of these readings was stored: how fresh the row is.';
COMMENT ON COLUMN bi.meter_energy_daily.voltage_v_min IS
'Least voltage in V; NULL where none was reported.';
COMMENT ON COLUMN bi.meter_energy_daily.voltage_v_avg IS
'Average voltage in V over the readings that reported it; NULL where none did.';
COMMENT ON COLUMN bi.meter_energy_daily.voltage_v_max IS
'Greatest voltage in V; NULL where none was reported.';
COMMENT ON COLUMN bi.meter_energy_daily.voltage_samples IS
'How many readings reported it: the weight of the average.';
COMMENT ON COLUMN bi.meter_energy_daily.voltage_mv_sum IS
'Sum of the voltage in millivolts: divide by voltage_samples for an average over several rows.';

COMMENT ON VIEW bi.meter_energy_monthly IS
'AC energy drawn from the grid, one row per meter and UTC month with readings.';
COMMENT ON COLUMN bi.meter_energy_monthly.bucket IS
'Start of the UTC month.';
COMMENT ON COLUMN bi.meter_energy_monthly.month IS
'The first day of the UTC month as a date, the same in every time zone.';
COMMENT ON COLUMN bi.meter_energy_monthly.meter_id IS
'The smart meter''s id.';
COMMENT ON COLUMN bi.meter_energy_monthly.energy_kwh IS
'Energy in kWh, exact to the milliwatt-hour.';
COMMENT ON COLUMN bi.meter_energy_monthly.apportioned_kwh IS
'What of it was apportioned from intervals longer than a few minutes, in kWh.';
COMMENT ON COLUMN bi.meter_energy_monthly.energy_mwh IS
'The same as an integer, in milliwatt-hours.';
COMMENT ON COLUMN bi.meter_energy_monthly.apportioned_mwh IS
'What of it was apportioned, as an integer, in milliwatt-hours.';
COMMENT ON COLUMN bi.meter_energy_monthly.samples IS
'How many readings there are.';
COMMENT ON COLUMN bi.meter_energy_monthly.first_reading_at IS
'Time of the first reading; NULL where there are corrections alone.';
COMMENT ON COLUMN bi.meter_energy_monthly.last_reading_at IS
'Time of the last reading; NULL where there are corrections alone.';
COMMENT ON COLUMN bi.meter_energy_monthly.last_received_at IS
'When the newest of these readings was stored: how fresh the row is.';
COMMENT ON COLUMN bi.meter_energy_monthly.voltage_v_min IS
'Least voltage in V; NULL where none was reported.';
COMMENT ON COLUMN bi.meter_energy_monthly.voltage_v_avg IS
'Average voltage in V over the readings that reported it; NULL where none did.';
COMMENT ON COLUMN bi.meter_energy_monthly.voltage_v_max IS
'Greatest voltage in V; NULL where none was reported.';
COMMENT ON COLUMN bi.meter_energy_monthly.voltage_samples IS
'How many readings reported it: the weight of the average.';
COMMENT ON COLUMN bi.meter_energy_monthly.voltage_mv_sum IS
'Sum of the voltage in millivolts: divide by voltage_samples for an average over several rows.';

COMMENT ON VIEW bi.vehicle_energy_hourly IS
'DC energy that reached the battery, one row per vehicle and hour with readings.';
COMMENT ON COLUMN bi.vehicle_energy_hourly.bucket IS
'Start of the hour, in UTC.';
COMMENT ON COLUMN bi.vehicle_energy_hourly.vehicle_id IS
'The vehicle''s id.';
COMMENT ON COLUMN bi.vehicle_energy_hourly.energy_kwh IS
'Energy in kWh, exact to the milliwatt-hour.';
COMMENT ON COLUMN bi.vehicle_energy_hourly.apportioned_kwh IS
'What of it was apportioned from intervals longer than a few minutes, in kWh.';
COMMENT ON COLUMN bi.vehicle_energy_hourly.energy_mwh IS
'The same as an integer, in milliwatt-hours.';
COMMENT ON COLUMN bi.vehicle_energy_hourly.apportioned_mwh IS
'What of it was apportioned, as an integer, in milliwatt-hours.';
COMMENT ON COLUMN bi.vehicle_energy_hourly.samples IS
'How many readings there are.';
COMMENT ON COLUMN bi.vehicle_energy_hourly.first_reading_at IS
'Time of the first reading; NULL where there are corrections alone.';
COMMENT ON COLUMN bi.vehicle_energy_hourly.last_reading_at IS
'Time of the last reading; NULL where there are corrections alone.';
COMMENT ON COLUMN bi.vehicle_energy_hourly.last_received_at IS
'When the newest of these readings was stored: how fresh the row is.';
COMMENT ON COLUMN bi.vehicle_energy_hourly.soc_percent_min IS
'Least state of charge in percent; NULL where none was reported.';
COMMENT ON COLUMN bi.vehicle_energy_hourly.soc_percent_avg IS
'Average state of charge in percent over the readings that reported it; NULL where none did.';
COMMENT ON COLUMN bi.vehicle_energy_hourly.soc_percent_max IS
'Greatest state of charge in percent; NULL where none was reported.';
COMMENT ON COLUMN bi.vehicle_energy_hourly.soc_samples IS
'How many readings reported it: the weight of the average.';
COMMENT ON COLUMN bi.vehicle_energy_hourly.soc_mpct_sum IS
'Sum of the state of charge in thousandths of a percent: divide by soc_samples for an average over several rows.';
COMMENT ON COLUMN bi.vehicle_energy_hourly.battery_temp_c_min IS
'Least battery temperature in °C; NULL where none was reported.';
COMMENT ON COLUMN bi.vehicle_energy_hourly.battery_temp_c_avg IS
'Average battery temperature in °C over the readings that reported it; NULL where none did.';
COMMENT ON COLUMN bi.vehicle_energy_hourly.battery_temp_c_max IS
'Greatest battery temperature in °C; NULL where none was reported.';
COMMENT ON COLUMN bi.vehicle_energy_hourly.battery_temp_samples IS
'How many readings reported it: the weight of the average.';
COMMENT ON COLUMN bi.vehicle_energy_hourly.battery_temp_mc_sum IS
'Sum of the battery temperature in thousandths of a degree Celsius: divide by battery_temp_samples for an average over several rows.';

COMMENT ON VIEW bi.vehicle_energy_daily IS
'DC energy that reached the battery, one row per vehicle and UTC day with readings.';
COMMENT ON COLUMN bi.vehicle_energy_daily.bucket IS
'Start of the UTC day.';
COMMENT ON COLUMN bi.vehicle_energy_daily.day IS
'The UTC day as a date, the same in every time zone.';
COMMENT ON COLUMN bi.vehicle_energy_daily.vehicle_id IS
'The vehicle''s id.';
COMMENT ON COLUMN bi.vehicle_energy_daily.energy_kwh IS
'Energy in kWh, exact to the milliwatt-hour.';
COMMENT ON COLUMN bi.vehicle_energy_daily.apportioned_kwh IS
'What of it was apportioned from intervals longer than a few minutes, in kWh.';
COMMENT ON COLUMN bi.vehicle_energy_daily.energy_mwh IS
'The same as an integer, in milliwatt-hours.';
COMMENT ON COLUMN bi.vehicle_energy_daily.apportioned_mwh IS
'What of it was apportioned, as an integer, in milliwatt-hours.';
COMMENT ON COLUMN bi.vehicle_energy_daily.samples IS
'How many readings there are.';
COMMENT ON COLUMN bi.vehicle_energy_daily.first_reading_at IS
'Time of the first reading; NULL where there are corrections alone.';
COMMENT ON COLUMN bi.vehicle_energy_daily.last_reading_at IS
'Time of the last reading; NULL where there are corrections alone.';
COMMENT ON COLUMN bi.vehicle_energy_daily.last_received_at IS
'When the newest of these readings was stored: how fresh the row is.';
COMMENT ON COLUMN bi.vehicle_energy_daily.soc_percent_min IS
'Least state of charge in percent; NULL where none was reported.';
COMMENT ON COLUMN bi.vehicle_energy_daily.soc_percent_avg IS
'Average state of charge in percent over the readings that reported it; NULL where none did.';
COMMENT ON COLUMN bi.vehicle_energy_daily.soc_percent_max IS
'Greatest state of charge in percent; NULL where none was reported.';
COMMENT ON COLUMN bi.vehicle_energy_daily.soc_samples IS
'How many readings reported it: the weight of the average.';
COMMENT ON COLUMN bi.vehicle_energy_daily.soc_mpct_sum IS
'Sum of the state of charge in thousandths of a percent: divide by soc_samples for an average over several rows.';
COMMENT ON COLUMN bi.vehicle_energy_daily.battery_temp_c_min IS
'Least battery temperature in °C; NULL where none was reported.';
COMMENT ON COLUMN bi.vehicle_energy_daily.battery_temp_c_avg IS
'Average battery temperature in °C over the readings that reported it; NULL where none did.';
COMMENT ON COLUMN bi.vehicle_energy_daily.battery_temp_c_max IS
'Greatest battery temperature in °C; NULL where none was reported.';
COMMENT ON COLUMN bi.vehicle_energy_daily.battery_temp_samples IS
'How many readings reported it: the weight of the average.';
COMMENT ON COLUMN bi.vehicle_energy_daily.battery_temp_mc_sum IS
'Sum of the battery temperature in thousandths of a degree Celsius: divide by battery_temp_samples for an average over several rows.';

COMMENT ON VIEW bi.vehicle_energy_monthly IS
'DC energy that reached the battery, one row per vehicle and UTC month with readings.';
COMMENT ON COLUMN bi.vehicle_energy_monthly.bucket IS
'Start of the UTC month.';
COMMENT ON COLUMN bi.vehicle_energy_monthly.month IS
'The first day of the UTC month as a date, the same in every time zone.';
COMMENT ON COLUMN bi.vehicle_energy_monthly.vehicle_id IS
'The vehicle''s id.';
COMMENT ON COLUMN bi.vehicle_energy_monthly.energy_kwh IS
'Energy in kWh, exact to the milliwatt-hour.';
COMMENT ON COLUMN bi.vehicle_energy_monthly.apportioned_kwh IS
'What of it was apportioned from intervals longer than a few minutes, in kWh.';
COMMENT ON COLUMN bi.vehicle_energy_monthly.energy_mwh IS
'The same as an integer, in milliwatt-hours.';
COMMENT ON COLUMN bi.vehicle_energy_monthly.apportioned_mwh IS
'What of it was apportioned, as an integer, in milliwatt-hours.';
COMMENT ON COLUMN bi.vehicle_energy_monthly.samples IS
'How many readings there are.';
COMMENT ON COLUMN bi.vehicle_energy_monthly.first_reading_at IS
'Time of the first reading; NULL where there are corrections alone.';
COMMENT ON COLUMN bi.vehicle_energy_monthly.last_reading_at IS
'Time of the last reading; NULL where there are corrections alone.';
COMMENT ON COLUMN bi.vehicle_energy_monthly.last_received_at IS
'When the newest of these readings was stored: how fresh the row is.';
COMMENT ON COLUMN bi.vehicle_energy_monthly.soc_percent_min IS
'Least state of charge in percent; NULL where none was reported.';
COMMENT ON COLUMN bi.vehicle_energy_monthly.soc_percent_avg IS
'Average state of charge in percent over the readings that reported it; NULL where none did.';
COMMENT ON COLUMN bi.vehicle_energy_monthly.soc_percent_max IS
'Greatest state of charge in percent; NULL where none was reported.';
COMMENT ON COLUMN bi.vehicle_energy_monthly.soc_samples IS
'How many readings reported it: the weight of the average.';
COMMENT ON COLUMN bi.vehicle_energy_monthly.soc_mpct_sum IS
'Sum of the state of charge in thousandths of a percent: divide by soc_samples for an average over several rows.';
COMMENT ON COLUMN bi.vehicle_energy_monthly.battery_temp_c_min IS
'Least battery temperature in °C; NULL where none was reported.';
COMMENT ON COLUMN bi.vehicle_energy_monthly.battery_temp_c_avg IS
'Average battery temperature in °C over the readings that reported it; NULL where none did.';
COMMENT ON COLUMN bi.vehicle_energy_monthly.battery_temp_c_max IS
'Greatest battery temperature in °C; NULL where none was reported.';
COMMENT ON COLUMN bi.vehicle_energy_monthly.battery_temp_samples IS
'How many readings reported it: the weight of the average.';
COMMENT ON COLUMN bi.vehicle_energy_monthly.battery_temp_mc_sum IS
'Sum of the battery temperature in thousandths of a degree Celsius: divide by battery_temp_samples for an average over several rows.';

REVOKE ALL ON bi.meter_energy_hourly FROM PUBLIC;
REVOKE ALL ON bi.meter_energy_daily FROM PUBLIC;
REVOKE ALL ON bi.meter_energy_monthly FROM PUBLIC;
REVOKE ALL ON bi.vehicle_energy_hourly FROM PUBLIC;
REVOKE ALL ON bi.vehicle_energy_daily FROM PUBLIC;
REVOKE ALL ON bi.vehicle_energy_monthly FROM PUBLIC;
GRANT SELECT ON bi.meter_energy_hourly TO wattledger_bi;
GRANT SELECT ON bi.meter_energy_daily TO wattledger_bi;
GRANT SELECT ON bi.meter_energy_monthly TO wattledger_bi;
GRANT SELECT ON bi.vehicle_energy_hourly TO wattledger_bi;
GRANT SELECT ON bi.vehicle_energy_daily TO wattledger_bi;
GRANT SELECT ON bi.vehicle_energy_monthly TO wattledger_bi;
