-- Hourly and daily energy on the Apache edition: tables that triggers keep exact (sql/edition/apache).

SET LOCAL ROLE wattledger_owner;

CREATE TABLE telemetry.meter_energy_hourly (
    meter_id text COLLATE "C" NOT NULL,
    bucket timestamptz NOT NULL,
    energy_mwh bigint NOT NULL,
    apportioned_mwh bigint NOT NULL DEFAULT 0,
    samples bigint NOT NULL,
    first_reading_at timestamptz,
    last_reading_at timestamptz,
    last_received_at timestamptz NOT NULL,
    voltage_mv_min integer,
    voltage_mv_max integer,
    voltage_mv_sum bigint,
    voltage_samples bigint NOT NULL,
    PRIMARY KEY (meter_id, bucket)
) WITH (fillfactor = 70);

SELECT public.create_hypertable(
    'telemetry.meter_energy_hourly',
    public.by_range('bucket', INTERVAL '30 days'),
    create_default_indexes => FALSE
);

COMMENT ON TABLE telemetry.meter_energy_hourly IS
'AC energy drawn from the grid, one row per meter and hour, kept by triggers. With the open hour what bi.meter_energy_hourly shows.';
COMMENT ON COLUMN telemetry.meter_energy_hourly.meter_id IS 'The smart meter''s id.';
COMMENT ON COLUMN telemetry.meter_energy_hourly.bucket IS 'Start of the hour, in UTC.';
COMMENT ON COLUMN telemetry.meter_energy_hourly.energy_mwh IS 'Energy of all entries, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.meter_energy_hourly.apportioned_mwh IS 'What of it was apportioned from longer intervals, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.meter_energy_hourly.samples IS 'How many readings there are.';
COMMENT ON COLUMN telemetry.meter_energy_hourly.first_reading_at IS
'Time of the first reading; null where there are corrections alone.';
COMMENT ON COLUMN telemetry.meter_energy_hourly.last_reading_at IS
'Time of the last reading; null where there are corrections alone.';
COMMENT ON COLUMN telemetry.meter_energy_hourly.last_received_at IS 'When the newest of them was stored.';
COMMENT ON COLUMN telemetry.meter_energy_hourly.voltage_mv_min IS
'Least voltage in millivolts; null where none was reported.';
COMMENT ON COLUMN telemetry.meter_energy_hourly.voltage_mv_max IS
'Greatest voltage in millivolts; null where none was reported.';
COMMENT ON COLUMN telemetry.meter_energy_hourly.voltage_mv_sum IS
'Sum of the voltage in millivolts, for averages; null where none was reported.';
COMMENT ON COLUMN telemetry.meter_energy_hourly.voltage_samples IS 'How many readings reported it.';

CREATE TABLE telemetry.meter_energy_daily (
    meter_id text COLLATE "C" NOT NULL,
    bucket timestamptz NOT NULL,
    energy_mwh bigint NOT NULL,
    apportioned_mwh bigint NOT NULL DEFAULT 0,
    samples bigint NOT NULL,
    first_reading_at timestamptz,
    last_reading_at timestamptz,
    last_received_at timestamptz NOT NULL,
    voltage_mv_min integer,
    voltage_mv_max integer,
    voltage_mv_sum bigint,
    voltage_samples bigint NOT NULL,
    PRIMARY KEY (meter_id, bucket)
) WITH (fillfactor = 70);

SELECT public.create_hypertable(
    'telemetry.meter_energy_daily',
    public.by_range('bucket', INTERVAL '1 year'),
    create_default_indexes => FALSE
);

-- tells whether a day has rows of any meter; a few pages, since days come one after the other
CREATE INDEX meter_energy_daily_bucket ON telemetry.meter_energy_daily
USING brin (bucket) WITH (autosummarize = on);

COMMENT ON TABLE telemetry.meter_energy_daily IS
'AC energy drawn from the grid, one row per meter and day, kept by triggers. With the open hour what bi.meter_energy_daily shows.';
COMMENT ON COLUMN telemetry.meter_energy_daily.meter_id IS 'The smart meter''s id.';
COMMENT ON COLUMN telemetry.meter_energy_daily.bucket IS 'Start of the day, in UTC.';
COMMENT ON COLUMN telemetry.meter_energy_daily.energy_mwh IS 'Energy of all entries, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.meter_energy_daily.apportioned_mwh IS 'What of it was apportioned from longer intervals, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.meter_energy_daily.samples IS 'How many readings there are.';
COMMENT ON COLUMN telemetry.meter_energy_daily.first_reading_at IS
'Time of the first reading; null where there are corrections alone.';
COMMENT ON COLUMN telemetry.meter_energy_daily.last_reading_at IS
'Time of the last reading; null where there are corrections alone.';
COMMENT ON COLUMN telemetry.meter_energy_daily.last_received_at IS 'When the newest of them was stored.';
COMMENT ON COLUMN telemetry.meter_energy_daily.voltage_mv_min IS
'Least voltage in millivolts; null where none was reported.';
COMMENT ON COLUMN telemetry.meter_energy_daily.voltage_mv_max IS
'Greatest voltage in millivolts; null where none was reported.';
COMMENT ON COLUMN telemetry.meter_energy_daily.voltage_mv_sum IS
'Sum of the voltage in millivolts, for averages; null where none was reported.';
COMMENT ON COLUMN telemetry.meter_energy_daily.voltage_samples IS 'How many readings reported it.';

CREATE TABLE telemetry.vehicle_energy_hourly (
    vehicle_id text COLLATE "C" NOT NULL,
    bucket timestamptz NOT NULL,
    energy_mwh bigint NOT NULL,
    apportioned_mwh bigint NOT NULL DEFAULT 0,
    samples bigint NOT NULL,
    first_reading_at timestamptz,
    last_reading_at timestamptz,
    last_received_at timestamptz NOT NULL,
    soc_mpct_min integer,
    soc_mpct_max integer,
    soc_mpct_sum bigint,
    soc_samples bigint NOT NULL,
    battery_temp_mc_min integer,
    battery_temp_mc_max integer,
    battery_temp_mc_sum bigint,
    battery_temp_samples bigint NOT NULL,
    PRIMARY KEY (vehicle_id, bucket)
) WITH (fillfactor = 70);

SELECT public.create_hypertable(
    'telemetry.vehicle_energy_hourly',
    public.by_range('bucket', INTERVAL '30 days'),
    create_default_indexes => FALSE
);

COMMENT ON TABLE telemetry.vehicle_energy_hourly IS
'DC energy that reached the battery, one row per vehicle and hour, kept by triggers. With the open hour what bi.vehicle_energy_hourly shows.';
COMMENT ON COLUMN telemetry.vehicle_energy_hourly.vehicle_id IS 'The vehicle''s id.';
COMMENT ON COLUMN telemetry.vehicle_energy_hourly.bucket IS 'Start of the hour, in UTC.';
COMMENT ON COLUMN telemetry.vehicle_energy_hourly.energy_mwh IS 'Energy of all entries, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.vehicle_energy_hourly.apportioned_mwh IS 'What of it was apportioned from longer intervals, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.vehicle_energy_hourly.samples IS 'How many readings there are.';
COMMENT ON COLUMN telemetry.vehicle_energy_hourly.first_reading_at IS
'Time of the first reading; null where there are corrections alone.';
COMMENT ON COLUMN telemetry.vehicle_energy_hourly.last_reading_at IS
'Time of the last reading; null where there are corrections alone.';
COMMENT ON COLUMN telemetry.vehicle_energy_hourly.last_received_at IS 'When the newest of them was stored.';
COMMENT ON COLUMN telemetry.vehicle_energy_hourly.soc_mpct_min IS
'Least state of charge in thousandths of a percent; null where none was reported.';
COMMENT ON COLUMN telemetry.vehicle_energy_hourly.soc_mpct_max IS
'Greatest state of charge in thousandths of a percent; null where none was reported.';
COMMENT ON COLUMN telemetry.vehicle_energy_hourly.soc_mpct_sum IS
'Sum of the state of charge in thousandths of a percent, for averages; null where none was reported.';
COMMENT ON COLUMN telemetry.vehicle_energy_hourly.soc_samples IS 'How many readings reported it.';
COMMENT ON COLUMN telemetry.vehicle_energy_hourly.battery_temp_mc_min IS
'Least battery temperature in thousandths of a degree Celsius; null where none was reported.';
COMMENT ON COLUMN telemetry.vehicle_energy_hourly.battery_temp_mc_max IS
'Greatest battery temperature in thousandths of a degree Celsius; null where none was reported.';
COMMENT ON COLUMN telemetry.vehicle_energy_hourly.battery_temp_mc_sum IS
'Sum of the battery temperature in thousandths of a degree Celsius, for averages; null where none was reported.';
COMMENT ON COLUMN telemetry.vehicle_energy_hourly.battery_temp_samples IS 'How many readings reported it.';

CREATE TABLE telemetry.vehicle_energy_daily (
    vehicle_id text COLLATE "C" NOT NULL,
    bucket timestamptz NOT NULL,
    energy_mwh bigint NOT NULL,
    apportioned_mwh bigint NOT NULL DEFAULT 0,
    samples bigint NOT NULL,
    first_reading_at timestamptz,
    last_reading_at timestamptz,
    last_received_at timestamptz NOT NULL,
    soc_mpct_min integer,
    soc_mpct_max integer,
    soc_mpct_sum bigint,
    soc_samples bigint NOT NULL,
    battery_temp_mc_min integer,
    battery_temp_mc_max integer,
    battery_temp_mc_sum bigint,
    battery_temp_samples bigint NOT NULL,
    PRIMARY KEY (vehicle_id, bucket)
) WITH (fillfactor = 70);

SELECT public.create_hypertable(
    'telemetry.vehicle_energy_daily',
    public.by_range('bucket', INTERVAL '1 year'),
    create_default_indexes => FALSE
);

-- tells whether a day has rows of any vehicle; a few pages, since days come one after the other
CREATE INDEX vehicle_energy_daily_bucket ON telemetry.vehicle_energy_daily
USING brin (bucket) WITH (autosummarize = on);

COMMENT ON TABLE telemetry.vehicle_energy_daily IS
'DC energy that reached the battery, one row per vehicle and day, kept by triggers. With the open hour what bi.vehicle_energy_daily shows.';
COMMENT ON COLUMN telemetry.vehicle_energy_daily.vehicle_id IS 'The vehicle''s id.';
COMMENT ON COLUMN telemetry.vehicle_energy_daily.bucket IS 'Start of the day, in UTC.';
COMMENT ON COLUMN telemetry.vehicle_energy_daily.energy_mwh IS 'Energy of all entries, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.vehicle_energy_daily.apportioned_mwh IS 'What of it was apportioned from longer intervals, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.vehicle_energy_daily.samples IS 'How many readings there are.';
COMMENT ON COLUMN telemetry.vehicle_energy_daily.first_reading_at IS
'Time of the first reading; null where there are corrections alone.';
COMMENT ON COLUMN telemetry.vehicle_energy_daily.last_reading_at IS
'Time of the last reading; null where there are corrections alone.';
COMMENT ON COLUMN telemetry.vehicle_energy_daily.last_received_at IS 'When the newest of them was stored.';
COMMENT ON COLUMN telemetry.vehicle_energy_daily.soc_mpct_min IS
'Least state of charge in thousandths of a percent; null where none was reported.';
COMMENT ON COLUMN telemetry.vehicle_energy_daily.soc_mpct_max IS
'Greatest state of charge in thousandths of a percent; null where none was reported.';
COMMENT ON COLUMN telemetry.vehicle_energy_daily.soc_mpct_sum IS
'Sum of the state of charge in thousandths of a percent, for averages; null where none was reported.';
COMMENT ON COLUMN telemetry.vehicle_energy_daily.soc_samples IS 'How many readings reported it.';
COMMENT ON COLUMN telemetry.vehicle_energy_daily.battery_temp_mc_min IS
'Least battery temperature in thousandths of a degree Celsius; null where none was reported.';
COMMENT ON COLUMN telemetry.vehicle_energy_daily.battery_temp_mc_max IS
'Greatest battery temperature in thousandths of a degree Celsius; null where none was reported.';
COMMENT ON COLUMN telemetry.vehicle_energy_daily.battery_temp_mc_sum IS
'Sum of the battery temperature in thousandths of a degree Celsius, for averages; null where none was reported.';
COMMENT ON COLUMN telemetry.vehicle_energy_daily.battery_temp_samples IS 'How many readings reported it.';
