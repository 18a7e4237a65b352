-- Efficiency of charging, for analysts: by vehicle and hour, by vehicle and day, of the fleet by day.

CREATE OR REPLACE VIEW bi.charging_efficiency_hourly AS
SELECT
    e.bucket,
    e.vehicle_id,
    telemetry.kwh(e.ac_mwh)::numeric(20, 6) AS ac_kwh,
    telemetry.kwh(e.dc_mwh)::numeric(20, 6) AS dc_kwh,
    telemetry.kwh(e.ac_mwh - e.dc_mwh)::numeric(20, 6) AS loss_kwh,
    telemetry.efficiency(e.ac_mwh, e.dc_mwh)::numeric(26, 6) AS efficiency,
    telemetry.coverage(e.meter_samples, e.linked, r.reading_interval)::numeric(5, 4) AS meter_coverage,
    telemetry.coverage(e.vehicle_samples, e.linked, r.reading_interval)::numeric(5, 4) AS vehicle_coverage,
    telemetry.efficiency_status(
        e.ac_mwh,
        e.dc_mwh,
        telemetry.coverage(e.meter_samples, e.linked, r.reading_interval),
        telemetry.coverage(e.vehicle_samples, e.linked, r.reading_interval),
        r
    ) AS verdict,
    e.meter_samples,
    e.vehicle_samples,
    e.linked,
    (extract(EPOCH FROM e.linked) / 3600)::numeric(12, 6) AS linked_hours
FROM telemetry.linked_energy_hourly AS e
CROSS JOIN telemetry.rules AS r;

COMMENT ON VIEW bi.charging_efficiency_hourly IS
'What charging lost between grid and battery, one row per vehicle and hour in which it was linked to a meter and either reported.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.bucket IS
'Start of the hour, in UTC.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.vehicle_id IS
'The vehicle''s id.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.ac_kwh IS
'AC energy in kWh that the meters drew from the grid while linked to the vehicle.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.dc_kwh IS
'DC energy in kWh that reached the battery while linked.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.loss_kwh IS
'What was lost between the two, in kWh: AC - DC.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.efficiency IS
'DC / AC; NULL where no AC was drawn. Read it together with verdict.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.meter_coverage IS
'Share of the readings expected of the meter that came, 0 to 1.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.vehicle_coverage IS
'Share of the readings expected of the vehicle that came, 0 to 1.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.verdict IS
'healthy, degraded (below 0.85, unless a DBA chose otherwise), insufficient (too little energy or coverage to say) or impossible (more DC than AC: a metering fault).';
COMMENT ON COLUMN bi.charging_efficiency_hourly.meter_samples IS
'How many readings the linked meters sent.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.vehicle_samples IS
'How many readings the vehicle sent while linked.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.linked IS
'How long the vehicle was linked in the hour, until now at most.';
COMMENT ON COLUMN bi.charging_efficiency_hourly.linked_hours IS
'The same in hours.';

CREATE OR REPLACE VIEW bi.charging_efficiency_daily AS
SELECT
    e.bucket,
    (e.bucket AT TIME ZONE 'UTC')::date AS day,
    e.vehicle_id,
    telemetry.kwh(e.ac_mwh)::numeric(20, 6) AS ac_kwh,
    telemetry.kwh(e.dc_mwh)::numeric(20, 6) AS dc_kwh,
    telemetry.kwh(e.ac_mwh - e.dc_mwh)::numeric(20, 6) AS loss_kwh,
    telemetry.efficiency(e.ac_mwh, e.dc_mwh)::numeric(26, 6) AS efficiency,
    telemetry.coverage(e.meter_samples, e.linked, r.reading_interval)::numeric(5, 4) AS meter_coverage,
    telemetry.coverage(e.vehicle_samples, e.linked, r.reading_interval)::numeric(5, 4) AS vehicle_coverage,
    telemetry.efficiency_status(
        e.ac_mwh,
        e.dc_mwh,
        telemetry.coverage(e.meter_samples, e.linked, r.reading_interval),
        telemetry.coverage(e.vehicle_samples, e.linked, r.reading_interval),
        r
    ) AS verdict,
    e.meter_samples,
    e.vehicle_samples,
    e.linked,
    (extract(EPOCH FROM e.linked) / 3600)::numeric(12, 6) AS linked_hours
FROM telemetry.linked_energy_daily AS e
CROSS JOIN telemetry.rules AS r;

COMMENT ON VIEW bi.charging_efficiency_daily IS
'What charging lost between grid and battery, one row per vehicle and UTC day in which it was linked to a meter and either reported.';
COMMENT ON COLUMN bi.charging_efficiency_daily.bucket IS
'Start of the UTC day.';
COMMENT ON COLUMN bi.charging_efficiency_daily.day IS
'The UTC day as a date, the same in every time zone.';
COMMENT ON COLUMN bi.charging_efficiency_daily.vehicle_id IS
'The vehicle''s id.';
COMMENT ON COLUMN bi.charging_efficiency_daily.ac_kwh IS
'AC energy in kWh that the meters drew from the grid while linked to the vehicle.';
COMMENT ON COLUMN bi.charging_efficiency_daily.dc_kwh IS
'DC energy in kWh that reached the battery while linked.';
COMMENT ON COLUMN bi.charging_efficiency_daily.loss_kwh IS
'What was lost between the two, in kWh: AC - DC.';
COMMENT ON COLUMN bi.charging_efficiency_daily.efficiency IS
'DC / AC; NULL where no AC was drawn. Read it together with verdict.';
COMMENT ON COLUMN bi.charging_efficiency_daily.meter_coverage IS
'Share of the readings expected of the meter that came, 0 to 1.';
COMMENT ON COLUMN bi.charging_efficiency_daily.vehicle_coverage IS
'Share of the readings expected of the vehicle that came, 0 to 1.';
COMMENT ON COLUMN bi.charging_efficiency_daily.verdict IS
'healthy, degraded (below 0.85, unless a DBA chose otherwise), insufficient (too little energy or coverage to say) or impossible (more DC than AC: a metering fault).';
COMMENT ON COLUMN bi.charging_efficiency_daily.meter_samples IS
'How many readings the linked meters sent.';
COMMENT ON COLUMN bi.charging_efficiency_daily.vehicle_samples IS
'How many readings the vehicle sent while linked.';
COMMENT ON COLUMN bi.charging_efficiency_daily.linked IS
'How long the vehicle was linked in the day, until now at most.';
COMMENT ON COLUMN bi.charging_efficiency_daily.linked_hours IS
'The same in hours.';

CREATE OR REPLACE VIEW bi.fleet_efficiency_daily AS
SELECT
    f.bucket,
    (f.bucket AT TIME ZONE 'UTC')::date AS day,
    f.vehicles,
    f.ac_kwh::numeric(20, 6) AS ac_kwh,
    f.dc_kwh::numeric(20, 6) AS dc_kwh,
    (f.ac_kwh - f.dc_kwh)::numeric(20, 6) AS loss_kwh,
    telemetry.efficiency(f.ac_kwh, f.dc_kwh)::numeric(26, 6) AS efficiency,
    telemetry.coverage(f.meter_samples, f.linked, r.reading_interval)::numeric(5, 4) AS meter_coverage,
    telemetry.coverage(f.vehicle_samples, f.linked, r.reading_interval)::numeric(5, 4) AS vehicle_coverage,
    telemetry.efficiency_status(
        telemetry.mwh(f.ac_kwh),
        telemetry.mwh(f.dc_kwh),
        telemetry.coverage(f.meter_samples, f.linked, r.reading_interval),
        telemetry.coverage(f.vehicle_samples, f.linked, r.reading_interval),
        r
    ) AS verdict,
    f.healthy_vehicles,
    f.degraded_vehicles,
    f.impossible_vehicles,
    f.insufficient_vehicles
FROM (
    SELECT
        e.bucket,
        count(*) AS vehicles,
        sum(e.ac_kwh) AS ac_kwh,
        sum(e.dc_kwh) AS dc_kwh,
        sum(e.meter_samples)::bigint AS meter_samples,
        sum(e.vehicle_samples)::bigint AS vehicle_samples,
        sum(e.linked) AS linked,
        count(*) FILTER (WHERE e.verdict = 'healthy') AS healthy_vehicles,
        count(*) FILTER (WHERE e.verdict = 'degraded') AS degraded_vehicles,
        count(*) FILTER (WHERE e.verdict = 'impossible') AS impossible_vehicles,
        count(*) FILTER (WHERE e.verdict = 'insufficient') AS insufficient_vehicles
    FROM bi.charging_efficiency_daily AS e
    GROUP BY e.bucket
) AS f
CROSS JOIN telemetry.rules AS r;

COMMENT ON VIEW bi.fleet_efficiency_daily IS
'What the fleet''s charging lost between grid and battery, one row per UTC day, over all vehicles that were linked to a meter.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.bucket IS
'Start of the UTC day.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.day IS
'The UTC day as a date, the same in every time zone.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.vehicles IS
'How many vehicles were linked and had readings on either side.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.ac_kwh IS
'AC energy in kWh that the meters drew from the grid while linked.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.dc_kwh IS
'DC energy in kWh that reached the batteries while linked.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.loss_kwh IS
'What was lost between the two, in kWh: AC - DC.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.efficiency IS
'DC / AC of the whole fleet; NULL where no AC was drawn.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.meter_coverage IS
'Share of the readings expected of the meters that came, 0 to 1.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.vehicle_coverage IS
'Share of the readings expected of the vehicles that came, 0 to 1.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.verdict IS
'healthy, degraded, insufficient or impossible, judged like a vehicle.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.healthy_vehicles IS
'How many vehicles were healthy that day.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.degraded_vehicles IS
'How many vehicles were degraded that day.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.impossible_vehicles IS
'How many vehicles had more DC than AC that day: a metering fault.';
COMMENT ON COLUMN bi.fleet_efficiency_daily.insufficient_vehicles IS
'How many vehicles had too little energy or coverage to say.';

REVOKE ALL ON bi.charging_efficiency_hourly, bi.charging_efficiency_daily, bi.fleet_efficiency_daily FROM PUBLIC;
GRANT SELECT ON bi.charging_efficiency_hourly, bi.charging_efficiency_daily, bi.fleet_efficiency_daily TO wattledger_bi;
