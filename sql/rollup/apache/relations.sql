-- The hourly and daily relations of bi on the Apache edition, with the columns of the continuous aggregates elsewhere.

CREATE OR REPLACE VIEW bi.meter_energy_hourly AS
SELECT
    r.bucket,
    r.meter_id,
    r.energy_mwh * 0.000001 AS energy_kwh,
    r.energy_mwh,
    r.samples,
    r.first_reading_at,
    r.last_reading_at,
    r.last_received_at,
    r.voltage_mv_min * 0.001 AS voltage_v_min,
    round(r.voltage_mv_sum * 0.001 / nullif(r.voltage_samples, 0), 3) AS voltage_v_avg,
    r.voltage_mv_max * 0.001 AS voltage_v_max,
    r.voltage_samples,
    r.voltage_mv_sum
FROM telemetry.meter_energy_hourly AS r;

CREATE OR REPLACE VIEW bi.meter_energy_daily AS
SELECT
    r.bucket,
    r.meter_id,
    r.energy_mwh * 0.000001 AS energy_kwh,
    r.energy_mwh,
    r.samples,
    r.first_reading_at,
    r.last_reading_at,
    r.last_received_at,
    r.voltage_mv_min * 0.001 AS voltage_v_min,
    round(r.voltage_mv_sum * 0.001 / nullif(r.voltage_samples, 0), 3) AS voltage_v_avg,
    r.voltage_mv_max * 0.001 AS voltage_v_max,
    r.voltage_samples,
    r.voltage_mv_sum
FROM telemetry.meter_energy_daily AS r;

CREATE OR REPLACE VIEW bi.vehicle_energy_hourly AS
SELECT
    r.bucket,
    r.vehicle_id,
    r.energy_mwh * 0.000001 AS energy_kwh,
    r.energy_mwh,
    r.samples,
    r.first_reading_at,
    r.last_reading_at,
    r.last_received_at,
    r.soc_mpct_min * 0.001 AS soc_percent_min,
    round(r.soc_mpct_sum * 0.001 / nullif(r.soc_samples, 0), 3) AS soc_percent_avg,
    r.soc_mpct_max * 0.001 AS soc_percent_max,
    r.soc_samples,
    r.soc_mpct_sum,
    r.battery_temp_mc_min * 0.001 AS battery_temp_c_min,
    round(r.battery_temp_mc_sum * 0.001 / nullif(r.battery_temp_samples, 0), 3) AS battery_temp_c_avg,
    r.battery_temp_mc_max * 0.001 AS battery_temp_c_max,
    r.battery_temp_samples,
    r.battery_temp_mc_sum
FROM telemetry.vehicle_energy_hourly AS r;

CREATE OR REPLACE VIEW bi.vehicle_energy_daily AS
SELECT
    r.bucket,
    r.vehicle_id,
    r.energy_mwh * 0.000001 AS energy_kwh,
    r.energy_mwh,
    r.samples,
    r.first_reading_at,
    r.last_reading_at,
    r.last_received_at,
    r.soc_mpct_min * 0.001 AS soc_percent_min,
    round(r.soc_mpct_sum * 0.001 / nullif(r.soc_samples, 0), 3) AS soc_percent_avg,
    r.soc_mpct_max * 0.001 AS soc_percent_max,
    r.soc_samples,
    r.soc_mpct_sum,
    r.battery_temp_mc_min * 0.001 AS battery_temp_c_min,
    round(r.battery_temp_mc_sum * 0.001 / nullif(r.battery_temp_samples, 0), 3) AS battery_temp_c_avg,
    r.battery_temp_mc_max * 0.001 AS battery_temp_c_max,
    r.battery_temp_samples,
    r.battery_temp_mc_sum
FROM telemetry.vehicle_energy_daily AS r;
