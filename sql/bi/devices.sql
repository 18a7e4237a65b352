-- What there is, for analysts: vehicles and meters with their latest readings, and which meter feeds which vehicle.

CREATE OR REPLACE VIEW bi.vehicle AS
SELECT
    s.vehicle_id,
    l.meter_id AS linked_meter_id,
    lower(l.during) AS linked_since,
    s.ts AS last_reading_at,
    s.received_at AS last_received_at,
    p.seen_at AS settled_until,
    coalesce(s.kind, 'difference')::text AS kind,
    telemetry.kwh(s.register_mwh)::numeric(20, 6) AS register_kwh,
    (
        SELECT n.session_id
        FROM telemetry.device_session AS n
        WHERE n.dataset = 'vehicle_reading' AND n.device_id = s.vehicle_id AND n.session_no = s.session_no
    ) AS session_id,
    (s.soc_mpct * 0.001)::numeric(10, 3) AS soc_percent,
    (s.battery_temp_mc * 0.001)::numeric(10, 3) AS battery_temp_c,
    d.name,
    d.site,
    coalesce(d.groups, '{}') AS groups,
    d.plate,
    d.address,
    d.note,
    d.retired_at
FROM telemetry.vehicle_state AS s
LEFT JOIN telemetry.charging_link AS l ON l.vehicle_id = s.vehicle_id AND l.during @> now()
LEFT JOIN telemetry.charging_progress AS p ON p.dataset = 'vehicle_reading' AND p.device_id = s.vehicle_id
LEFT JOIN telemetry.device_label AS d ON d.dataset = 'vehicle_reading' AND d.device_id = s.vehicle_id
WHERE s.ts IS NOT NULL
UNION ALL
-- those that were linked or have a file, and never reported
SELECT
    o.vehicle_id,
    l.meter_id AS linked_meter_id,
    lower(l.during) AS linked_since,
    NULL AS last_reading_at,
    NULL AS last_received_at,
    NULL AS settled_until,
    NULL AS kind,
    NULL::numeric(20, 6) AS register_kwh,
    NULL AS session_id,
    NULL::numeric(10, 3) AS soc_percent,
    NULL::numeric(10, 3) AS battery_temp_c,
    d.name,
    d.site,
    coalesce(d.groups, '{}') AS groups,
    d.plate,
    d.address,
    d.note,
    d.retired_at
FROM (
    SELECT k.vehicle_id
    FROM (
        SELECT l.vehicle_id FROM telemetry.charging_link AS l
        UNION
        SELECT f.device_id
        FROM telemetry.device_label AS f
        WHERE f.dataset = 'vehicle_reading'
    ) AS k
    WHERE NOT EXISTS (
        SELECT
        FROM telemetry.vehicle_state AS s
        WHERE s.vehicle_id = k.vehicle_id AND s.ts IS NOT NULL
    )
) AS o
LEFT JOIN telemetry.charging_link AS l ON l.vehicle_id = o.vehicle_id AND l.during @> now()
LEFT JOIN telemetry.device_label AS d ON d.dataset = 'vehicle_reading' AND d.device_id = o.vehicle_id;

COMMENT ON VIEW bi.vehicle IS
'Each vehicle that reported, was linked or has a file, with its latest reading, its present link and what its file says.';
COMMENT ON COLUMN bi.vehicle.vehicle_id IS 'The vehicle''s id.';
COMMENT ON COLUMN bi.vehicle.linked_meter_id IS 'The meter that it is linked to now; NULL: none.';
COMMENT ON COLUMN bi.vehicle.linked_since IS 'When that link starts; NULL: no link, or since ever.';
COMMENT ON COLUMN bi.vehicle.last_reading_at IS
'Time of its latest reading, by the vehicle''s clock; NULL: it never reported.';
COMMENT ON COLUMN bi.vehicle.last_received_at IS 'When that was stored: how fresh the row is.';
COMMENT ON COLUMN bi.vehicle.settled_until IS
'Up to which reading charges and efficiency have it; NULL: not at all yet.';
COMMENT ON COLUMN bi.vehicle.kind IS 'What it reports: difference, lifetime_register or session_counter.';
COMMENT ON COLUMN bi.vehicle.register_kwh IS 'Level of its register, in kWh; NULL where it reports differences.';
COMMENT ON COLUMN bi.vehicle.session_id IS
'The session that it names, such as a transaction''s id; NULL where it names none.';
COMMENT ON COLUMN bi.vehicle.soc_percent IS 'State of charge in percent; NULL if not reported.';
COMMENT ON COLUMN bi.vehicle.battery_temp_c IS 'Battery temperature in °C; NULL if not reported.';
COMMENT ON COLUMN bi.vehicle.name IS 'What people call it; NULL: nothing. Personal.';
COMMENT ON COLUMN bi.vehicle.site IS 'The site that it belongs to; NULL: none is known.';
COMMENT ON COLUMN bi.vehicle.groups IS 'The groups that it is in, in order; empty: none.';
COMMENT ON COLUMN bi.vehicle.plate IS 'Its number plate; NULL: none is known. Personal.';
COMMENT ON COLUMN bi.vehicle.address IS 'Its address; NULL: none is known. Personal.';
COMMENT ON COLUMN bi.vehicle.note IS 'What else is said of it; NULL: nothing. Personal.';
COMMENT ON COLUMN bi.vehicle.retired_at IS
'Since when it is no longer expected to report, which may be ahead; NULL: it is.';

CREATE OR REPLACE VIEW bi.meter AS
SELECT
    s.meter_id,
    l.vehicle_id AS linked_vehicle_id,
    lower(l.during) AS linked_since,
    s.ts AS last_reading_at,
    s.received_at AS last_received_at,
    p.seen_at AS settled_until,
    coalesce(s.kind, 'difference')::text AS kind,
    telemetry.kwh(s.register_mwh)::numeric(20, 6) AS register_kwh,
    (
        SELECT n.session_id
        FROM telemetry.device_session AS n
        WHERE n.dataset = 'meter_reading' AND n.device_id = s.meter_id AND n.session_no = s.session_no
    ) AS session_id,
    (s.voltage_mv * 0.001)::numeric(10, 3) AS voltage_v,
    d.name,
    d.site,
    coalesce(d.groups, '{}') AS groups,
    d.plate,
    d.address,
    d.note,
    d.retired_at
FROM telemetry.meter_state AS s
LEFT JOIN telemetry.charging_link AS l ON l.meter_id = s.meter_id AND l.during @> now()
LEFT JOIN telemetry.charging_progress AS p ON p.dataset = 'meter_reading' AND p.device_id = s.meter_id
LEFT JOIN telemetry.device_label AS d ON d.dataset = 'meter_reading' AND d.device_id = s.meter_id
WHERE s.ts IS NOT NULL
UNION ALL
-- those that were linked or have a file, and never reported
SELECT
    o.meter_id,
    l.vehicle_id AS linked_vehicle_id,
    lower(l.during) AS linked_since,
    NULL AS last_reading_at,
    NULL AS last_received_at,
    NULL AS settled_until,
    NULL AS kind,
    NULL::numeric(20, 6) AS register_kwh,
    NULL AS session_id,
    NULL::numeric(10, 3) AS voltage_v,
    d.name,
    d.site,
    coalesce(d.groups, '{}') AS groups,
    d.plate,
    d.address,
    d.note,
    d.retired_at
FROM (
    SELECT k.meter_id
    FROM (
        SELECT l.meter_id FROM telemetry.charging_link AS l
        UNION
        SELECT f.device_id
        FROM telemetry.device_label AS f
        WHERE f.dataset = 'meter_reading'
    ) AS k
    WHERE NOT EXISTS (
        SELECT
        FROM telemetry.meter_state AS s
        WHERE s.meter_id = k.meter_id AND s.ts IS NOT NULL
    )
) AS o
LEFT JOIN telemetry.charging_link AS l ON l.meter_id = o.meter_id AND l.during @> now()
LEFT JOIN telemetry.device_label AS d ON d.dataset = 'meter_reading' AND d.device_id = o.meter_id;

COMMENT ON VIEW bi.meter IS
'Each meter that reported, was linked or has a file, with its latest reading, its present link and what its file says.';
COMMENT ON COLUMN bi.meter.meter_id IS 'The meter''s id.';
COMMENT ON COLUMN bi.meter.linked_vehicle_id IS 'The vehicle that is linked to it now; NULL: none.';
COMMENT ON COLUMN bi.meter.linked_since IS 'When that link starts; NULL: no link, or since ever.';
COMMENT ON COLUMN bi.meter.last_reading_at IS
'Time of its latest reading, by the meter''s clock; NULL: it never reported.';
COMMENT ON COLUMN bi.meter.last_received_at IS 'When that was stored: how fresh the row is.';
COMMENT ON COLUMN bi.meter.settled_until IS
'Up to which reading charges and efficiency have it; NULL: not at all yet.';
COMMENT ON COLUMN bi.meter.kind IS 'What it reports: difference, lifetime_register or session_counter.';
COMMENT ON COLUMN bi.meter.register_kwh IS 'Level of its register, in kWh; NULL where it reports differences.';
COMMENT ON COLUMN bi.meter.session_id IS
'The session that it names, such as a transaction''s id; NULL where it names none.';
COMMENT ON COLUMN bi.meter.voltage_v IS 'Voltage in V; NULL if not reported.';
COMMENT ON COLUMN bi.meter.name IS 'What people call it; NULL: nothing. Personal.';
COMMENT ON COLUMN bi.meter.site IS 'The site that it belongs to; NULL: none is known.';
COMMENT ON COLUMN bi.meter.groups IS 'The groups that it is in, in order; empty: none.';
COMMENT ON COLUMN bi.meter.plate IS 'Its number plate; NULL: none is known. Personal.';
COMMENT ON COLUMN bi.meter.address IS 'Its address; NULL: none is known. Personal.';
COMMENT ON COLUMN bi.meter.note IS 'What else is said of it; NULL: nothing. Personal.';
COMMENT ON COLUMN bi.meter.retired_at IS
'Since when it is no longer expected to report, which may be ahead; NULL: it is.';

CREATE OR REPLACE VIEW bi.charging_link AS
SELECT
    l.vehicle_id,
    l.meter_id,
    lower(l.during) AS linked_since,
    upper(l.during) AS linked_until,
    l.during @> now() AS is_present
FROM telemetry.charging_link AS l;

COMMENT ON VIEW bi.charging_link IS 'Which meter feeds which vehicle, and when, one row per link.';
COMMENT ON COLUMN bi.charging_link.vehicle_id IS 'The vehicle''s id.';
COMMENT ON COLUMN bi.charging_link.meter_id IS 'The meter''s id.';
COMMENT ON COLUMN bi.charging_link.linked_since IS 'When the link starts; NULL: since ever.';
COMMENT ON COLUMN bi.charging_link.linked_until IS 'When it ends; NULL: it goes on.';
COMMENT ON COLUMN bi.charging_link.is_present IS 'Whether it holds now.';

REVOKE ALL ON bi.vehicle, bi.meter, bi.charging_link FROM PUBLIC;
GRANT SELECT ON bi.vehicle, bi.meter, bi.charging_link TO wattledger_bi;
