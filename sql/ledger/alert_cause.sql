-- What an alert's charges have in common, and what that makes likely.

CREATE OR REPLACE FUNCTION telemetry.fits(ac_mwh numeric, dc_mwh numeric)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT dc_mwh >= telemetry.mwh(1::numeric) AND dc_mwh BETWEEN ac_mwh * 0.8 AND ac_mwh * 0.98
$$;

COMMENT ON FUNCTION telemetry.fits(numeric, numeric) IS
'Takes AC energy and DC energy in milliwatt-hours. Returns whether they may be of the same charges, of 1 kWh at least.';

CREATE OR REPLACE FUNCTION telemetry.mirrored_meter(meter_id text, since timestamptz, until timestamptz)
RETURNS TABLE (other_id text, both_ways boolean)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH own AS MATERIALIZED (
        SELECT d.day, sum(d.ac_mwh) AS ac_mwh, sum(d.dc_mwh) AS dc_mwh
        FROM telemetry.charging_day AS d
        WHERE d.meter_id = mirrored_meter.meter_id
            AND d.day >= telemetry.utc_day(mirrored_meter.since)
            AND (d.day <= telemetry.utc_day(mirrored_meter.until)) IS NOT FALSE
            AND d.ac_mwh + d.dc_mwh > 0
        GROUP BY d.day
        ORDER BY d.day DESC
        LIMIT 10
    )
    SELECT c.other_id, c.given > 0 AND c.taken > 0
    FROM (
        SELECT
            x.meter_id AS other_id,
            count(*) AS days,
            count(*) FILTER (WHERE f.given) AS given,
            count(*) FILTER (WHERE f.taken) AS taken,
            sum(abs(x.ac_mwh * 0.9 - o.dc_mwh) + abs(o.ac_mwh * 0.9 - x.dc_mwh)) AS apart_mwh
        FROM own AS o
        INNER JOIN (
            SELECT d.day, d.meter_id, sum(d.ac_mwh) AS ac_mwh, sum(d.dc_mwh) AS dc_mwh
            FROM own AS n
            INNER JOIN telemetry.charging_day AS d ON d.day = n.day
            GROUP BY d.day, d.meter_id
        ) AS x ON x.day = o.day AND x.meter_id <> mirrored_meter.meter_id
        CROSS JOIN LATERAL (
            SELECT
                telemetry.fits(x.ac_mwh, o.dc_mwh) AS given,
                telemetry.fits(o.ac_mwh, x.dc_mwh) AS taken,
                telemetry.mwh(1::numeric) AS little
        ) AS f
        WHERE (f.given OR (x.ac_mwh < f.little AND o.dc_mwh < f.little))
            AND (f.taken OR (o.ac_mwh < f.little AND x.dc_mwh < f.little))
            AND (f.given OR f.taken)
            -- each by itself makes no sense
            AND NOT (telemetry.fits(o.ac_mwh, o.dc_mwh) AND telemetry.fits(x.ac_mwh, x.dc_mwh))
        GROUP BY x.meter_id
    ) AS c
    WHERE c.days >= 2
    ORDER BY c.days DESC, c.apart_mwh, c.other_id
    LIMIT 1
$$;

COMMENT ON FUNCTION telemetry.mirrored_meter(text, timestamptz, timestamptz) IS
'Takes a meter, since when charges at it are odd, and until when to look. Returns the other meter whose energy fits, on two of the last ten days at least: what vehicles at each of the two got is what the other one counted; and whether that was seen both ways. No row where there is none.';

CREATE OR REPLACE FUNCTION telemetry.fell_at_once(meter_id text, since timestamptz, until timestamptz)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH judged AS MATERIALIZED (
        SELECT
            s.efficiency,
            extract(EPOCH FROM s.started_at - fell_at_once.since)::double precision AS x,
            row_number() OVER (ORDER BY s.started_at) AS place
        FROM (
            SELECT
                j.*,
                -- cold ones lose more and are told apart, where there are enough of the others
                (j.battery_temp_mc * 0.001 < r.cold_below_c) IS TRUE AS is_cold,
                count(*) FILTER (
                    WHERE (j.battery_temp_mc * 0.001 < r.cold_below_c) IS NOT TRUE
                ) OVER () AS others
            FROM telemetry.judged_session AS j
            CROSS JOIN telemetry.rules AS r
            WHERE j.meter_id = fell_at_once.meter_id
                AND j.is_judged
                AND j.started_at >= telemetry.evidence_since('meter', fell_at_once.meter_id)
                AND j.started_at < fell_at_once.until
        ) AS s
        WHERE NOT (s.is_cold AND s.others >= 4)
    ),
    -- what is left unexplained: by two levels, before and from a charge on, wherever that fits best; and by one line
    levels AS (
        SELECT min(l.unexplained) AS unexplained
        FROM (
            SELECT
                coalesce(var_pop(j.efficiency) FILTER (WHERE j.place < c.place), 0)
                * count(*) FILTER (WHERE j.place < c.place)
                + var_pop(j.efficiency) FILTER (WHERE j.place >= c.place)
                * count(*) FILTER (WHERE j.place >= c.place) AS unexplained
            FROM judged AS c
            CROSS JOIN judged AS j
            GROUP BY c.place
        ) AS l
    ),
    line AS (
        SELECT regr_syy(j.efficiency, j.x) * (1 - coalesce(regr_r2(j.efficiency, j.x), 0)) AS unexplained
        FROM judged AS j
    )
    SELECT l.unexplained <= n.unexplained FROM levels AS l CROSS JOIN line AS n
$$;

COMMENT ON FUNCTION telemetry.fell_at_once(text, timestamptz, timestamptz) IS
'Takes a meter, since when its charges lose too much, and until when to look. Returns whether efficiency fell from one charge to the next: two levels fit its charges better than a line does; NULL where there are none.';

CREATE OR REPLACE FUNCTION telemetry.is_of_cold(meter_id text, since timestamptz, until timestamptz)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        coalesce(
            bool_and(
                s.battery_temp_mc * 0.001 < r.cold_below_c
                AND s.efficiency >= s.expected_efficiency - r.critical_below_expected
            ) FILTER (WHERE s.verdict = 'degraded' AND s.started_at >= is_of_cold.since),
            FALSE
        )
        -- whoever is sound in the cold too has another trouble now
        AND count(*) FILTER (WHERE s.verdict = 'healthy' AND s.battery_temp_mc * 0.001 < r.cold_below_c) = 0
        AND count(*) FILTER (WHERE s.verdict = 'healthy') > 0
    FROM telemetry.judged_session AS s
    CROSS JOIN telemetry.rules AS r
    WHERE s.meter_id = is_of_cold.meter_id
        AND s.started_at >= telemetry.evidence_since('meter', is_of_cold.meter_id)
        AND s.started_at < is_of_cold.until
$$;

COMMENT ON FUNCTION telemetry.is_of_cold(text, timestamptz, timestamptz) IS
'Takes a meter, since when its charges lose too much, and until when to look. Returns whether only cold ones do, by little, and none that was as cold was sound.';

CREATE OR REPLACE FUNCTION telemetry.alert_cause(
    kind text,
    meter_id text,
    vehicle_id text,
    since timestamptz,
    until timestamptz
)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE
        WHEN alert_cause.kind = 'silent' THEN 'communication'
        WHEN alert_cause.kind = 'standby' THEN 'idle_draw'
        WHEN alert_cause.kind = 'register' THEN (
            SELECT 'register_' || min(e.event)
            FROM telemetry.open_events(
                CASE WHEN alert_cause.meter_id = '' THEN 'vehicle' ELSE 'meter' END,
                ARRAY[coalesce(nullif(alert_cause.meter_id, ''), alert_cause.vehicle_id)]
            ) AS e
        )
        WHEN alert_cause.kind IN ('frozen', 'impossible', 'unlinked') AND alert_cause.meter_id <> '' THEN coalesce(
            (
                SELECT CASE WHEN m.both_ways THEN 'swapped_links' ELSE 'wrong_link' END
                FROM telemetry.mirrored_meter(alert_cause.meter_id, alert_cause.since, alert_cause.until) AS m
            ),
            CASE alert_cause.kind WHEN 'frozen' THEN 'counter' WHEN 'unlinked' THEN 'unknown_vehicle' ELSE 'metering' END
        )
        WHEN alert_cause.kind = 'frozen' THEN 'counter'
        WHEN alert_cause.meter_id = '' THEN 'vehicle'
        WHEN telemetry.is_of_cold(alert_cause.meter_id, alert_cause.since, alert_cause.until) THEN 'temperature'
        WHEN telemetry.fell_at_once(alert_cause.meter_id, alert_cause.since, alert_cause.until) THEN 'charger'
        ELSE 'wiring_or_ageing'
    END
$$;

COMMENT ON FUNCTION telemetry.alert_cause(text, text, text, timestamptz, timestamptz) IS
'Takes an alert: its kind, the meter and the vehicle (empty: none), since when, and until when to look. Returns the likely cause: charger (efficiency fell at once), wiring_or_ageing (slowly), temperature (only in the cold), vehicle (at all chargers), swapped_links (of two meters, each counts the other one''s charges), wrong_link (one counts what the other one should), metering (more arrives than flows), counter (it stands still), communication, register_reset, register_jump, unknown_vehicle or idle_draw.';

REVOKE ALL ON FUNCTION
    telemetry.mirrored_meter(text, timestamptz, timestamptz),
    telemetry.fits(numeric, numeric),
    telemetry.fell_at_once(text, timestamptz, timestamptz),
    telemetry.is_of_cold(text, timestamptz, timestamptz),
    telemetry.alert_cause(text, text, text, timestamptz, timestamptz)
FROM PUBLIC;
