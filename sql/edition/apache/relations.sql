-- Relations of bi by hour and day on the Apache edition, with the columns of the continuous aggregates elsewhere: what
-- is stored, and the hour that each device is in.

CREATE OR REPLACE VIEW bi.meter_energy_hourly AS
SELECT
    r.bucket,
    r.meter_id,
    telemetry.kwh(r.energy_mwh)::numeric(20, 6) AS energy_kwh,
    telemetry.kwh(r.apportioned_mwh)::numeric(20, 6) AS apportioned_kwh,
    r.energy_mwh,
    r.apportioned_mwh,
    r.samples,
    r.first_reading_at,
    r.last_reading_at,
    r.last_received_at,
    (r.voltage_mv_min * 0.001)::numeric(10, 3) AS voltage_v_min,
    (r.voltage_mv_sum * 0.001 / nullif(r.voltage_samples, 0))::numeric(10, 3) AS voltage_v_avg,
    (r.voltage_mv_max * 0.001)::numeric(10, 3) AS voltage_v_max,
    r.voltage_samples,
    r.voltage_mv_sum
FROM (
    SELECT
        h.meter_id,
        h.bucket,
        h.energy_mwh,
        h.apportioned_mwh,
        h.samples,
        h.first_reading_at,
        h.last_reading_at,
        h.last_received_at,
        h.voltage_mv_min,
        h.voltage_mv_max,
        h.voltage_mv_sum,
        h.voltage_samples
    FROM telemetry.meter_energy_hourly AS h
    UNION ALL
    SELECT
        o.meter_id,
        o.hour AS bucket,
        o.hour_energy_mwh AS energy_mwh,
        o.hour_apportioned_mwh AS apportioned_mwh,
        o.hour_samples AS samples,
        o.hour_first_reading_at AS first_reading_at,
        o.hour_last_reading_at AS last_reading_at,
        o.hour_last_received_at AS last_received_at,
        o.hour_voltage_mv_min AS voltage_mv_min,
        o.hour_voltage_mv_max AS voltage_mv_max,
        o.hour_voltage_mv_sum AS voltage_mv_sum,
        o.hour_voltage_samples AS voltage_samples
    FROM telemetry.meter_state AS o
    WHERE o.hour_last_received_at IS NOT NULL
) AS r;

CREATE OR REPLACE VIEW bi.meter_energy_daily AS
SELECT
    r.bucket,
    (r.bucket AT TIME ZONE 'UTC')::date AS day,
    r.meter_id,
    telemetry.kwh(r.energy_mwh)::numeric(20, 6) AS energy_kwh,
    telemetry.kwh(r.apportioned_mwh)::numeric(20, 6) AS apportioned_kwh,
    r.energy_mwh,
    r.apportioned_mwh,
    r.samples,
    r.first_reading_at,
    r.last_reading_at,
    r.last_received_at,
    (r.voltage_mv_min * 0.001)::numeric(10, 3) AS voltage_v_min,
    (r.voltage_mv_sum * 0.001 / nullif(r.voltage_samples, 0))::numeric(10, 3) AS voltage_v_avg,
    (r.voltage_mv_max * 0.001)::numeric(10, 3) AS voltage_v_max,
    r.voltage_samples,
    r.voltage_mv_sum
FROM (
    -- the day that has the open hour lacks that hour alone
    SELECT
        d.meter_id,
        d.bucket,
        d.energy_mwh + coalesce(o.hour_energy_mwh, 0) AS energy_mwh,
        d.apportioned_mwh + coalesce(o.hour_apportioned_mwh, 0) AS apportioned_mwh,
        d.samples + coalesce(o.hour_samples, 0) AS samples,
        least(d.first_reading_at, o.hour_first_reading_at) AS first_reading_at,
        greatest(d.last_reading_at, o.hour_last_reading_at) AS last_reading_at,
        greatest(d.last_received_at, o.hour_last_received_at) AS last_received_at,
        least(d.voltage_mv_min, o.hour_voltage_mv_min) AS voltage_mv_min,
        greatest(d.voltage_mv_max, o.hour_voltage_mv_max) AS voltage_mv_max,
        telemetry.total(d.voltage_mv_sum, o.hour_voltage_mv_sum) AS voltage_mv_sum,
        d.voltage_samples + coalesce(o.hour_voltage_samples, 0) AS voltage_samples
    FROM telemetry.meter_energy_daily AS d
    LEFT JOIN telemetry.meter_state AS o
        ON o.meter_id = d.meter_id AND o.hour >= d.bucket AND o.hour < d.bucket + INTERVAL '24 hours'
    UNION ALL
    SELECT
        o.meter_id,
        public.time_bucket('1 day', o.hour) AS bucket,
        o.hour_energy_mwh AS energy_mwh,
        o.hour_apportioned_mwh AS apportioned_mwh,
        o.hour_samples AS samples,
        o.hour_first_reading_at AS first_reading_at,
        o.hour_last_reading_at AS last_reading_at,
        o.hour_last_received_at AS last_received_at,
        o.hour_voltage_mv_min AS voltage_mv_min,
        o.hour_voltage_mv_max AS voltage_mv_max,
        o.hour_voltage_mv_sum AS voltage_mv_sum,
        o.hour_voltage_samples AS voltage_samples
    FROM telemetry.meter_state AS o
    WHERE o.hour_last_received_at IS NOT NULL
        AND NOT EXISTS (
            SELECT
            FROM telemetry.meter_energy_daily AS d
            WHERE d.meter_id = o.meter_id AND d.bucket = public.time_bucket('1 day', o.hour)
        )
) AS r;

CREATE OR REPLACE VIEW bi.vehicle_energy_hourly AS
SELECT
    r.bucket,
    r.vehicle_id,
    telemetry.kwh(r.energy_mwh)::numeric(20, 6) AS energy_kwh,
    telemetry.kwh(r.apportioned_mwh)::numeric(20, 6) AS apportioned_kwh,
    r.energy_mwh,
    r.apportioned_mwh,
    r.samples,
    r.first_reading_at,
    r.last_reading_at,
    r.last_received_at,
    (r.soc_mpct_min * 0.001)::numeric(10, 3) AS soc_percent_min,
    (r.soc_mpct_sum * 0.001 / nullif(r.soc_samples, 0))::numeric(10, 3) AS soc_percent_avg,
    (r.soc_mpct_max * 0.001)::numeric(10, 3) AS soc_percent_max,
    r.soc_samples,
    r.soc_mpct_sum,
    (r.battery_temp_mc_min * 0.001)::numeric(10, 3) AS battery_temp_c_min,
    (r.battery_temp_mc_sum * 0.001 / nullif(r.battery_temp_samples, 0))::numeric(10, 3) AS battery_temp_c_avg,
    (r.battery_temp_mc_max * 0.001)::numeric(10, 3) AS battery_temp_c_max,
    r.battery_temp_samples,
    r.battery_temp_mc_sum
FROM (
    SELECT
        h.vehicle_id,
        h.bucket,
        h.energy_mwh,
        h.apportioned_mwh,
        h.samples,
        h.first_reading_at,
        h.last_reading_at,
        h.last_received_at,
        h.soc_mpct_min,
        h.soc_mpct_max,
        h.soc_mpct_sum,
        h.soc_samples,
        h.battery_temp_mc_min,
        h.battery_temp_mc_max,
        h.battery_temp_mc_sum,
        h.battery_temp_samples
    FROM telemetry.vehicle_energy_hourly AS h
    UNION ALL
    SELECT
        o.vehicle_id,
        o.hour AS bucket,
        o.hour_energy_mwh AS energy_mwh,
        o.hour_apportioned_mwh AS apportioned_mwh,
        o.hour_samples AS samples,
        o.hour_first_reading_at AS first_reading_at,
        o.hour_last_reading_at AS last_reading_at,
        o.hour_last_received_at AS last_received_at,
        o.hour_soc_mpct_min AS soc_mpct_min,
        o.hour_soc_mpct_max AS soc_mpct_max,
        o.hour_soc_mpct_sum AS soc_mpct_sum,
        o.hour_soc_samples AS soc_samples,
        o.hour_battery_temp_mc_min AS battery_temp_mc_min,
        o.hour_battery_temp_mc_max AS battery_temp_mc_max,
        o.hour_battery_temp_mc_sum AS battery_temp_mc_sum,
        o.hour_battery_temp_samples AS battery_temp_samples
    FROM telemetry.vehicle_state AS o
    WHERE o.hour_last_received_at IS NOT NULL
) AS r;

CREATE OR REPLACE VIEW bi.vehicle_energy_daily AS
SELECT
    r.bucket,
    (r.bucket AT TIME ZONE 'UTC')::date AS day,
    r.vehicle_id,
    telemetry.kwh(r.energy_mwh)::numeric(20, 6) AS energy_kwh,
    telemetry.kwh(r.apportioned_mwh)::numeric(20, 6) AS apportioned_kwh,
    r.energy_mwh,
    r.apportioned_mwh,
    r.samples,
    r.first_reading_at,
    r.last_reading_at,
    r.last_received_at,
    (r.soc_mpct_min * 0.001)::numeric(10, 3) AS soc_percent_min,
    (r.soc_mpct_sum * 0.001 / nullif(r.soc_samples, 0))::numeric(10, 3) AS soc_percent_avg,
    (r.soc_mpct_max * 0.001)::numeric(10, 3) AS soc_percent_max,
    r.soc_samples,
    r.soc_mpct_sum,
    (r.battery_temp_mc_min * 0.001)::numeric(10, 3) AS battery_temp_c_min,
    (r.battery_temp_mc_sum * 0.001 / nullif(r.battery_temp_samples, 0))::numeric(10, 3) AS battery_temp_c_avg,
    (r.battery_temp_mc_max * 0.001)::numeric(10, 3) AS battery_temp_c_max,
    r.battery_temp_samples,
    r.battery_temp_mc_sum
FROM (
    -- the day that has the open hour lacks that hour alone
    SELECT
        d.vehicle_id,
        d.bucket,
        d.energy_mwh + coalesce(o.hour_energy_mwh, 0) AS energy_mwh,
        d.apportioned_mwh + coalesce(o.hour_apportioned_mwh, 0) AS apportioned_mwh,
        d.samples + coalesce(o.hour_samples, 0) AS samples,
        least(d.first_reading_at, o.hour_first_reading_at) AS first_reading_at,
        greatest(d.last_reading_at, o.hour_last_reading_at) AS last_reading_at,
        greatest(d.last_received_at, o.hour_last_received_at) AS last_received_at,
        least(d.soc_mpct_min, o.hour_soc_mpct_min) AS soc_mpct_min,
        greatest(d.soc_mpct_max, o.hour_soc_mpct_max) AS soc_mpct_max,
        telemetry.total(d.soc_mpct_sum, o.hour_soc_mpct_sum) AS soc_mpct_sum,
        d.soc_samples + coalesce(o.hour_soc_samples, 0) AS soc_samples,
        least(d.battery_temp_mc_min, o.hour_battery_temp_mc_min) AS battery_temp_mc_min,
        greatest(d.battery_temp_mc_max, o.hour_battery_temp_mc_max) AS battery_temp_mc_max,
        telemetry.total(d.battery_temp_mc_sum, o.hour_battery_temp_mc_sum) AS battery_temp_mc_sum,
        d.battery_temp_samples + coalesce(o.hour_battery_temp_samples, 0) AS battery_temp_samples
    FROM telemetry.vehicle_energy_daily AS d
    LEFT JOIN telemetry.vehicle_state AS o
        ON o.vehicle_id = d.vehicle_id AND o.hour >= d.bucket AND o.hour < d.bucket + INTERVAL '24 hours'
    UNION ALL
    SELECT
        o.vehicle_id,
        public.time_bucket('1 day', o.hour) AS bucket,
        o.hour_energy_mwh AS energy_mwh,
        o.hour_apportioned_mwh AS apportioned_mwh,
        o.hour_samples AS samples,
        o.hour_first_reading_at AS first_reading_at,
        o.hour_last_reading_at AS last_reading_at,
        o.hour_last_received_at AS last_received_at,
        o.hour_soc_mpct_min AS soc_mpct_min,
        o.hour_soc_mpct_max AS soc_mpct_max,
        o.hour_soc_mpct_sum AS soc_mpct_sum,
        o.hour_soc_samples AS soc_samples,
        o.hour_battery_temp_mc_min AS battery_temp_mc_min,
        o.hour_battery_temp_mc_max AS battery_temp_mc_max,
        o.hour_battery_temp_mc_sum AS battery_temp_mc_sum,
        o.hour_battery_temp_samples AS battery_temp_samples
    FROM telemetry.vehicle_state AS o
    WHERE o.hour_last_received_at IS NOT NULL
        AND NOT EXISTS (
            SELECT
            FROM telemetry.vehicle_energy_daily AS d
            WHERE d.vehicle_id = o.vehicle_id AND d.bucket = public.time_bucket('1 day', o.hour)
        )
) AS r;
