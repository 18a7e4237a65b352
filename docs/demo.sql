-- Three days of a small fleet, always the same: what the results in docs/bi.md come from. For a database of its own.

-- so that readings of that time are taken and stay
SELECT
    d.dataset,
    count(r.chunk) AS dropped_chunks
FROM (
    VALUES ('meter_energy_hourly'), ('vehicle_energy_hourly'), ('meter_reading'), ('vehicle_reading')
) AS d (dataset)
LEFT JOIN LATERAL ops.set_retention(d.dataset, NULL, confirm => TRUE) AS r ON TRUE
GROUP BY d.dataset
ORDER BY d.dataset;

-- V-3 leaves its charger at 20:20 on the second day, and V-4 takes it
SELECT api.put_charging_link(l.vehicle_id, l.meter_id, l.since, l.until)
FROM (
    VALUES
    ('V-1', 'M-1', NULL, NULL),
    ('V-2', 'M-2', NULL, NULL),
    ('V-3', 'M-3', NULL, '2026-03-29 20:20+00'::timestamptz),
    ('V-4', 'M-3', '2026-03-29 20:20+00'::timestamptz, NULL)
) AS l (vehicle_id, meter_id, since, until);

CREATE TEMP VIEW demo_minute AS
SELECT
    t.ts,
    t.number,
    -- minutes since eight o'clock
    (t.number + 240) % 1440 AS evening,
    extract(HOUR FROM t.ts AT TIME ZONE 'UTC') NOT BETWEEN 4 AND 19 AS charging
FROM (
    SELECT
'2026-03-28 00:00+00'::timestamptz + n.number * INTERVAL '1 minute' AS ts,
n.number
    FROM generate_series(0, 3 * 1440 - 1) AS n (number)
) AS t;

-- 7.2 kW while charging, by night, and 6 W else; a guest, of whom nothing is known, at the fourth charger
SELECT
    m.meter_id,
    count(a.outcome) AS not_stored
FROM (VALUES ('M-1', 1), ('M-2', 2), ('M-3', 3), ('M-4', 4)) AS m (meter_id, place)
CROSS JOIN LATERAL (
    SELECT
        array_fill(m.meter_id, ARRAY[count(*)::integer]) AS ids,
        array_agg(d.ts) AS times,
        array_agg(
            CASE
                WHEN d.charging AND (m.place < 4 OR d.number BETWEEN 2 * 1440 - 120 AND 2 * 1440 - 1)
                    THEN 0.12 + (d.number % 5) * 0.001
                ELSE 0.0001
            END::float8
        ) AS energies,
        array_agg(230 + m.place - CASE WHEN d.charging THEN (d.number % 7) * 0.5 ELSE 0 END::float8) AS voltages
    FROM demo_minute AS d
) AS r
LEFT JOIN LATERAL api.ingest_meter_readings(r.ids, r.times, NULL, r.energies, NULL, NULL, r.voltages) AS a ON TRUE
GROUP BY m.meter_id
ORDER BY m.meter_id;

-- V-2 loses too much, V-4 says that it got more than there was, V-1 falls silent in the last night, and 15 % of what
-- V-3 sent never came
SELECT
    v.vehicle_id,
    count(a.outcome) AS not_stored
FROM (
    VALUES ('V-1', 0.92, 50), ('V-2', 0.81, 72), ('V-3', 0.9, 72), ('V-4', 1.03, 72)
) AS v (vehicle_id, efficiency, hours)
CROSS JOIN LATERAL (
    SELECT
        array_fill(v.vehicle_id, ARRAY[count(*)::integer]) AS ids,
        array_agg(d.ts) AS times,
        array_agg(CASE WHEN d.charging THEN (0.12 + (d.number % 5) * 0.001) * v.efficiency ELSE 0 END::float8)
            AS energies,
        array_agg(CASE WHEN d.charging THEN 20 + d.evening / 8 ELSE 80 - (d.evening - 480) / 16 END::float8) AS socs,
        array_agg((22 + CASE WHEN d.charging THEN 9 + d.number % 3 ELSE 0 END)::float8) AS temperatures
    FROM demo_minute AS d
    WHERE d.number < v.hours * 60 AND NOT (v.vehicle_id = 'V-3' AND d.number % 20 < 3)
) AS r
LEFT JOIN LATERAL api.ingest_vehicle_readings(
    r.ids, r.times, NULL, r.energies, NULL, NULL, r.socs, r.temperatures
) AS a ON TRUE
GROUP BY v.vehicle_id
ORDER BY v.vehicle_id;

-- as the service does meanwhile
SELECT k.kept
FROM api.settle_charging(kept_for => INTERVAL '0', patience => INTERVAL '1 minute') AS k;

-- by night a kWh is cheaper
SELECT ops.set_tariff(
    currency => 'EUR',
    zone => 'Europe/Berlin',
    first_day => '2026-01-01',
    prices => '[
        {"price": 0.34, "from": "06:00", "until": "22:00"},
        {"price": 0.26, "from": "22:00"},
        {"price": 0.26, "until": "06:00"}
    ]',
    why => 'supply contract 17'
) AS tariff_id;
