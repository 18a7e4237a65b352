-- The bill: where registers stood at the start and end of each UTC day, for analysts.

CREATE OR REPLACE VIEW bi.meter_register_daily AS
SELECT
    telemetry.day_start(s.day) AS bucket,
    s.day,
    s.device_id AS meter_id,
    telemetry.kwh(b.register_mwh)::numeric(20, 6) AS register_start_kwh,
    -- a day that goes on is settled when the next one starts: until then as the newest reading has it
    telemetry.kwh(CASE
        WHEN o.ts IS NOT NULL THEN o.level_mwh
        WHEN s.kind <> 'session_counter' THEN s.level_mwh + s.differences_mwh + s.carried_mwh
    END)::numeric(20, 6) AS register_end_kwh,
    coalesce(b.carried_mwh <> 0, FALSE) AS start_interpolated,
    s.carried_mwh <> 0 AS end_interpolated,
    telemetry.kwh(coalesce(d.energy_mwh, 0))::numeric(20, 6) AS energy_kwh,
    telemetry.kwh(coalesce(e.explained_mwh, 0))::numeric(20, 6) AS explained_kwh,
    telemetry.kwh(coalesce(c.corrected_mwh, 0))::numeric(20, 6) AS corrected_kwh,
    coalesce(d.energy_mwh, 0) AS energy_mwh,
    s.jitters,
    CASE
        WHEN telemetry.is_settled_for_good(
                s.is_final, telemetry.day_start(s.day + 1), telemetry.ceiling_day(k.complete_since)
            ) THEN 'settled'
        ELSE 'provisional'
    END AS state
FROM telemetry.settled_day AS s
INNER JOIN telemetry.dataset AS k ON k.dataset = s.dataset
-- the day before may have no row: nothing has come since the one that has
LEFT JOIN LATERAL (
    SELECT
        p.carried_mwh,
        CASE WHEN p.kind <> 'session_counter' THEN p.level_mwh + p.differences_mwh + p.carried_mwh END AS register_mwh
    FROM telemetry.settled_day AS p
    WHERE p.dataset = s.dataset AND p.device_id = s.device_id AND p.day < s.day
    ORDER BY p.day DESC
    LIMIT 1
) AS b ON TRUE
CROSS JOIN LATERAL (
    SELECT max(n.day) AS day
    FROM telemetry.settled_day AS n
    WHERE n.dataset = s.dataset AND n.device_id = s.device_id
) AS l
LEFT JOIN telemetry.meter_state AS o
    ON o.meter_id = s.device_id AND telemetry.utc_day(o.ts) = s.day AND s.day = l.day AND o.kind <> 'session_counter'
        -- what was taken back says nothing
        AND (o.kind = 'difference' OR o.register_mwh IS NOT NULL)
LEFT JOIN bi.meter_energy_daily AS d
    ON d.meter_id = s.device_id AND d.bucket = telemetry.day_start(s.day)
CROSS JOIN LATERAL (
    SELECT sum(v.explained_mwh) AS explained_mwh
    FROM telemetry.register_event AS v
    WHERE v.dataset = s.dataset AND v.device_id = s.device_id
        AND v.happened_at >= telemetry.day_start(s.day)
        AND v.happened_at < telemetry.day_start(s.day + 1)
) AS e
CROSS JOIN LATERAL (
    SELECT sum(r.energy_mwh) AS corrected_mwh
    FROM telemetry.booked_hour AS r
    WHERE r.dataset = s.dataset AND r.device_id = s.device_id
        AND r.hour >= telemetry.day_start(s.day)
        AND r.hour < telemetry.day_start(s.day + 1)
) AS c
WHERE s.dataset = 'meter_reading';

CREATE OR REPLACE VIEW bi.vehicle_register_daily AS
SELECT
    telemetry.day_start(s.day) AS bucket,
    s.day,
    s.device_id AS vehicle_id,
    telemetry.kwh(b.register_mwh)::numeric(20, 6) AS register_start_kwh,
    -- a day that goes on is settled when the next one starts: until then as the newest reading has it
    telemetry.kwh(CASE
        WHEN o.ts IS NOT NULL THEN o.level_mwh
        WHEN s.kind <> 'session_counter' THEN s.level_mwh + s.differences_mwh + s.carried_mwh
    END)::numeric(20, 6) AS register_end_kwh,
    coalesce(b.carried_mwh <> 0, FALSE) AS start_interpolated,
    s.carried_mwh <> 0 AS end_interpolated,
    telemetry.kwh(coalesce(d.energy_mwh, 0))::numeric(20, 6) AS energy_kwh,
    telemetry.kwh(coalesce(e.explained_mwh, 0))::numeric(20, 6) AS explained_kwh,
    telemetry.kwh(coalesce(c.corrected_mwh, 0))::numeric(20, 6) AS corrected_kwh,
    coalesce(d.energy_mwh, 0) AS energy_mwh,
    s.jitters,
    CASE
        WHEN telemetry.is_settled_for_good(
                s.is_final, telemetry.day_start(s.day + 1), telemetry.ceiling_day(k.complete_since)
            ) THEN 'settled'
        ELSE 'provisional'
    END AS state
FROM telemetry.settled_day AS s
INNER JOIN telemetry.dataset AS k ON k.dataset = s.dataset
-- the day before may have no row: nothing has come since the one that has
LEFT JOIN LATERAL (
    SELECT
        p.carried_mwh,
        CASE WHEN p.kind <> 'session_counter' THEN p.level_mwh + p.differences_mwh + p.carried_mwh END AS register_mwh
    FROM telemetry.settled_day AS p
    WHERE p.dataset = s.dataset AND p.device_id = s.device_id AND p.day < s.day
    ORDER BY p.day DESC
    LIMIT 1
) AS b ON TRUE
CROSS JOIN LATERAL (
    SELECT max(n.day) AS day
    FROM telemetry.settled_day AS n
    WHERE n.dataset = s.dataset AND n.device_id = s.device_id
) AS l
LEFT JOIN telemetry.vehicle_state AS o
    ON o.vehicle_id = s.device_id AND telemetry.utc_day(o.ts) = s.day AND s.day = l.day AND o.kind <> 'session_counter'
        -- what was taken back says nothing
        AND (o.kind = 'difference' OR o.register_mwh IS NOT NULL)
LEFT JOIN bi.vehicle_energy_daily AS d
    ON d.vehicle_id = s.device_id AND d.bucket = telemetry.day_start(s.day)
CROSS JOIN LATERAL (
    SELECT sum(v.explained_mwh) AS explained_mwh
    FROM telemetry.register_event AS v
    WHERE v.dataset = s.dataset AND v.device_id = s.device_id
        AND v.happened_at >= telemetry.day_start(s.day)
        AND v.happened_at < telemetry.day_start(s.day + 1)
) AS e
CROSS JOIN LATERAL (
    SELECT sum(r.energy_mwh) AS corrected_mwh
    FROM telemetry.booked_hour AS r
    WHERE r.dataset = s.dataset AND r.device_id = s.device_id
        AND r.hour >= telemetry.day_start(s.day)
        AND r.hour < telemetry.day_start(s.day + 1)
) AS c
WHERE s.dataset = 'vehicle_reading';

COMMENT ON VIEW bi.meter_register_daily IS
'The bill of a meter, one row per meter and UTC day that was settled: register at the end = register at the start + energy - corrected + explained.';
COMMENT ON COLUMN bi.meter_register_daily.bucket IS 'Start of the day, in UTC.';
COMMENT ON COLUMN bi.meter_register_daily.day IS 'The UTC day.';
COMMENT ON COLUMN bi.meter_register_daily.meter_id IS 'The smart meter''s id.';
COMMENT ON COLUMN bi.meter_register_daily.register_start_kwh IS
'Where the register stood at 00:00, in kWh; NULL where none was reported, or one per session.';
COMMENT ON COLUMN bi.meter_register_daily.register_end_kwh IS
'Where it stood at 24:00, or stands by the newest reading, in kWh; NULL where none was reported, or one per session, or what comes next has to tell.';
COMMENT ON COLUMN bi.meter_register_daily.start_interpolated IS
'Whether the start lies within an interval, and was divided there in proportion to time.';
COMMENT ON COLUMN bi.meter_register_daily.end_interpolated IS
'Whether the end lies within an interval, and was divided there in proportion to time.';
COMMENT ON COLUMN bi.meter_register_daily.energy_kwh IS
'AC energy drawn from the grid that day, in kWh, as bi.meter_energy_daily has it.';
COMMENT ON COLUMN bi.meter_register_daily.explained_kwh IS
'By how much events of bi.register_event changed the register beyond the energy counted, in kWh.';
COMMENT ON COLUMN bi.meter_register_daily.corrected_kwh IS
'What records added to the energy beside the register, in kWh; negative: took.';
COMMENT ON COLUMN bi.meter_register_daily.energy_mwh IS 'The energy as an integer, in milliwatt-hours.';
COMMENT ON COLUMN bi.meter_register_daily.jitters IS 'How often the register fell within its tolerance.';
COMMENT ON COLUMN bi.meter_register_daily.state IS
'settled: what comes later changes the day''s end no more, since a reading or an exchange of a later day was judged, or raw readings of the day are gone; else provisional, however long the device has been silent.';

COMMENT ON VIEW bi.vehicle_register_daily IS
'The bill of a vehicle, one row per vehicle and UTC day that was settled: register at the end = register at the start + energy - corrected + explained.';
COMMENT ON COLUMN bi.vehicle_register_daily.bucket IS 'Start of the day, in UTC.';
COMMENT ON COLUMN bi.vehicle_register_daily.day IS 'The UTC day.';
COMMENT ON COLUMN bi.vehicle_register_daily.vehicle_id IS 'The vehicle''s id.';
COMMENT ON COLUMN bi.vehicle_register_daily.register_start_kwh IS
'Where the register stood at 00:00, in kWh; NULL where none was reported, or one per session.';
COMMENT ON COLUMN bi.vehicle_register_daily.register_end_kwh IS
'Where it stood at 24:00, or stands by the newest reading, in kWh; NULL where none was reported, or one per session, or what comes next has to tell.';
COMMENT ON COLUMN bi.vehicle_register_daily.start_interpolated IS
'Whether the start lies within an interval, and was divided there in proportion to time.';
COMMENT ON COLUMN bi.vehicle_register_daily.end_interpolated IS
'Whether the end lies within an interval, and was divided there in proportion to time.';
COMMENT ON COLUMN bi.vehicle_register_daily.energy_kwh IS
'DC energy that reached the battery that day, in kWh, as bi.vehicle_energy_daily has it.';
COMMENT ON COLUMN bi.vehicle_register_daily.explained_kwh IS
'By how much events of bi.register_event changed the register beyond the energy counted, in kWh.';
COMMENT ON COLUMN bi.vehicle_register_daily.corrected_kwh IS
'What records added to the energy beside the register, in kWh; negative: took.';
COMMENT ON COLUMN bi.vehicle_register_daily.energy_mwh IS 'The energy as an integer, in milliwatt-hours.';
COMMENT ON COLUMN bi.vehicle_register_daily.jitters IS 'How often the register fell within its tolerance.';
COMMENT ON COLUMN bi.vehicle_register_daily.state IS
'settled: what comes later changes the day''s end no more, since a reading or an exchange of a later day was judged, or raw readings of the day are gone; else provisional, however long the device has been silent.';

REVOKE ALL ON bi.meter_register_daily, bi.vehicle_register_daily FROM PUBLIC;
GRANT SELECT ON bi.meter_register_daily, bi.vehicle_register_daily TO wattledger_bi;
