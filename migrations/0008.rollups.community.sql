-- Hourly and daily energy on the Community edition: continuous aggregates, real-time, the daily ones on the hourly.

-- TimescaleDB runs a job only for an owner who may log in; without a password nobody does
DO $$
BEGIN
    IF NOT (SELECT r.rolcanlogin FROM pg_catalog.pg_roles AS r WHERE r.rolname = 'wattledger_owner') THEN
        ALTER ROLE wattledger_owner LOGIN;
    END IF;
END;
$$;

SET LOCAL ROLE wattledger_owner;

-- a query asks for some devices over some time, so that is how rows lie together
ALTER TABLE telemetry.meter_reading SET (
    timescaledb.compress,
    timescaledb.compress_segmentby = 'meter_id',
    timescaledb.compress_orderby = 'ts'
);
ALTER TABLE telemetry.vehicle_reading SET (
    timescaledb.compress,
    timescaledb.compress_segmentby = 'vehicle_id',
    timescaledb.compress_orderby = 'ts'
);

CREATE MATERIALIZED VIEW bi.meter_energy_hourly
WITH (timescaledb.continuous, timescaledb.materialized_only = FALSE) AS
SELECT
    public.time_bucket('1 hour', r.ts) AS bucket,
    r.meter_id,
    (sum(r.energy_mwh) * 0.000001)::numeric(20, 6) AS energy_kwh,
    (coalesce(sum(r.energy_mwh) FILTER (WHERE r.reason = 'apportioned'), 0) * 0.000001)::numeric(20, 6)
        AS apportioned_kwh,
    sum(r.energy_mwh)::bigint AS energy_mwh,
    coalesce(sum(r.energy_mwh) FILTER (WHERE r.reason = 'apportioned'), 0)::bigint AS apportioned_mwh,
    count(*) FILTER (WHERE r.entry = 0) AS samples,
    min(r.ts) FILTER (WHERE r.entry = 0) AS first_reading_at,
    max(r.ts) FILTER (WHERE r.entry = 0) AS last_reading_at,
    max(r.received_at) AS last_received_at,
    (min(r.voltage_mv) * 0.001)::numeric(10, 3) AS voltage_v_min,
    (sum(r.voltage_mv) * 0.001 / nullif(count(r.voltage_mv), 0))::numeric(10, 3) AS voltage_v_avg,
    (max(r.voltage_mv) * 0.001)::numeric(10, 3) AS voltage_v_max,
    count(r.voltage_mv) AS voltage_samples,
    sum(r.voltage_mv)::bigint AS voltage_mv_sum
FROM telemetry.meter_reading AS r
GROUP BY 1, 2
WITH NO DATA;

CREATE MATERIALIZED VIEW bi.meter_energy_daily
WITH (timescaledb.continuous, timescaledb.materialized_only = FALSE) AS
SELECT
    public.time_bucket('1 day', r.bucket) AS bucket,
    (public.time_bucket('1 day', r.bucket) AT TIME ZONE 'UTC')::date AS day,
    r.meter_id,
    (sum(r.energy_mwh) * 0.000001)::numeric(20, 6) AS energy_kwh,
    (sum(r.apportioned_mwh) * 0.000001)::numeric(20, 6) AS apportioned_kwh,
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
FROM bi.meter_energy_hourly AS r
GROUP BY 1, 3
WITH NO DATA;

CREATE MATERIALIZED VIEW bi.vehicle_energy_hourly
WITH (timescaledb.continuous, timescaledb.materialized_only = FALSE) AS
SELECT
    public.time_bucket('1 hour', r.ts) AS bucket,
    r.vehicle_id,
    (sum(r.energy_mwh) * 0.000001)::numeric(20, 6) AS energy_kwh,
    (coalesce(sum(r.energy_mwh) FILTER (WHERE r.reason = 'apportioned'), 0) * 0.000001)::numeric(20, 6)
        AS apportioned_kwh,
    sum(r.energy_mwh)::bigint AS energy_mwh,
    coalesce(sum(r.energy_mwh) FILTER (WHERE r.reason = 'apportioned'), 0)::bigint AS apportioned_mwh,
    count(*) FILTER (WHERE r.entry = 0) AS samples,
    min(r.ts) FILTER (WHERE r.entry = 0) AS first_reading_at,
    max(r.ts) FILTER (WHERE r.entry = 0) AS last_reading_at,
    max(r.received_at) AS last_received_at,
    (min(r.soc_mpct) * 0.001)::numeric(10, 3) AS soc_percent_min,
    (sum(r.soc_mpct) * 0.001 / nullif(count(r.soc_mpct), 0))::numeric(10, 3) AS soc_percent_avg,
    (max(r.soc_mpct) * 0.001)::numeric(10, 3) AS soc_percent_max,
    count(r.soc_mpct) AS soc_samples,
    sum(r.soc_mpct)::bigint AS soc_mpct_sum,
    (min(r.battery_temp_mc) * 0.001)::numeric(10, 3) AS battery_temp_c_min,
    (sum(r.battery_temp_mc) * 0.001 / nullif(count(r.battery_temp_mc), 0))::numeric(10, 3) AS battery_temp_c_avg,
    (max(r.battery_temp_mc) * 0.001)::numeric(10, 3) AS battery_temp_c_max,
    count(r.battery_temp_mc) AS battery_temp_samples,
    sum(r.battery_temp_mc)::bigint AS battery_temp_mc_sum
FROM telemetry.vehicle_reading AS r
GROUP BY 1, 2
WITH NO DATA;

CREATE MATERIALIZED VIEW bi.vehicle_energy_daily
WITH (timescaledb.continuous, timescaledb.materialized_only = FALSE) AS
SELECT
    public.time_bucket('1 day', r.bucket) AS bucket,
    (public.time_bucket('1 day', r.bucket) AT TIME ZONE 'UTC')::date AS day,
    r.vehicle_id,
    (sum(r.energy_mwh) * 0.000001)::numeric(20, 6) AS energy_kwh,
    (sum(r.apportioned_mwh) * 0.000001)::numeric(20, 6) AS apportioned_kwh,
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
FROM bi.vehicle_energy_hourly AS r
GROUP BY 1, 3
WITH NO DATA;

-- as raw readings: by device, in order of time
ALTER MATERIALIZED VIEW bi.meter_energy_hourly SET (
    timescaledb.compress,
    timescaledb.compress_segmentby = 'meter_id',
    timescaledb.compress_orderby = 'bucket'
);
ALTER MATERIALIZED VIEW bi.meter_energy_daily SET (
    timescaledb.compress,
    timescaledb.compress_segmentby = 'meter_id',
    timescaledb.compress_orderby = 'bucket'
);
ALTER MATERIALIZED VIEW bi.vehicle_energy_hourly SET (
    timescaledb.compress,
    timescaledb.compress_segmentby = 'vehicle_id',
    timescaledb.compress_orderby = 'bucket'
);
ALTER MATERIALIZED VIEW bi.vehicle_energy_daily SET (
    timescaledb.compress,
    timescaledb.compress_segmentby = 'vehicle_id',
    timescaledb.compress_orderby = 'bucket'
);
