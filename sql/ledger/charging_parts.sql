-- What flowed at a meter, matched in time with what reached the battery of the vehicle that is linked to it.

-- A window is cut wherever a span of either side, a link or an hour begins or ends. Between two cuts each side has one
-- span or none, so that the last span that began is the one to look at: no span is compared with all of the other side.

CREATE OR REPLACE FUNCTION telemetry.charging_slices(meter_id text, since timestamptz, until timestamptz)
RETURNS TABLE (
    slice_since timestamptz,
    slice_until timestamptz,
    vehicle_id text,
    link_since timestamptz,
    transaction_no integer,
    is_ac boolean,
    is_ac_idle boolean,
    is_dc boolean,
    is_dc_idle boolean,
    is_edge boolean,
    is_blurred boolean,
    ac_mwh bigint,
    dc_mwh bigint,
    dc_step_mwh bigint,
    ac_kw double precision,
    battery_temp_mc integer,
    meter_step interval,
    vehicle_step interval,
    ac_resolution_mwh bigint,
    dc_resolution_mwh bigint,
    meter_samples bigint,
    vehicle_samples bigint
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- what is longer is cut at links as it is at hours, but is no longer matched
    v_sharp interval := (
        SELECT min(r.apportioned_above) FROM telemetry.register_rules AS r
    );
BEGIN
    RETURN QUERY
    WITH link AS MATERIALIZED (
        SELECT
            l.vehicle_id,
            lower(l.during) AS starts_at,
            upper(l.during) AS ends_at,
            greatest(lower(l.during), charging_slices.since) AS since,
            least(upper(l.during), charging_slices.until) AS until,
            row_number() OVER (ORDER BY l.during) AS no
        FROM telemetry.charging_link AS l
        WHERE l.meter_id = charging_slices.meter_id
            AND l.during && tstzrange(charging_slices.since, charging_slices.until)
    ),
    ac AS MATERIALIZED (
        SELECT e.*, row_number() OVER (ORDER BY e.ts) AS no
        FROM telemetry.explained('meter_reading', charging_slices.meter_id, charging_slices.since, charging_slices.until) AS e
    ),
    dc AS MATERIALIZED (
        -- the reading at which one link ends and another begins is of both
        SELECT e.*, l.since, l.until, l.no AS link_no, row_number() OVER (ORDER BY l.since, e.ts) AS no
        FROM (
            -- one that comes again and again is read once
            SELECT k.vehicle_id, min(k.since) AS since, max(k.until) AS until
            FROM link AS k
            GROUP BY k.vehicle_id
        ) AS v
        CROSS JOIN LATERAL telemetry.explained('vehicle_reading', v.vehicle_id, v.since, v.until) AS e
        INNER JOIN link AS l
            ON l.vehicle_id = v.vehicle_id
            AND ((e.span_since < l.until AND e.ts > l.since) OR (e.ts >= l.since AND e.ts < l.until))
    ),
    cut (at, ac_no, dc_no, link_no, meter_samples, vehicle_samples) AS (
        SELECT charging_slices.since, NULL::bigint, NULL::bigint, NULL::bigint, 0, 0
        UNION ALL
        SELECT h.hour, NULL, NULL, NULL, 0, 0
        FROM generate_series(
            telemetry.ceiling_hour(charging_slices.since), charging_slices.until, INTERVAL '1 hour'
        ) AS h (hour)
        UNION ALL
        SELECT l.since, NULL, NULL, l.no, 0, 0 FROM link AS l
        UNION ALL
        SELECT l.until, NULL, NULL, NULL, 0, 0 FROM link AS l
        UNION ALL
        SELECT greatest(a.span_since, charging_slices.since), a.no, NULL, NULL, 0, 0
        FROM ac AS a
        WHERE a.span_since < charging_slices.until AND a.ts > charging_slices.since
        UNION ALL
        SELECT a.ts, NULL, NULL, NULL, 1, 0 FROM ac AS a
        UNION ALL
        SELECT greatest(d.span_since, d.since), NULL, d.no, NULL, 0, 0
        FROM dc AS d
        WHERE d.span_since < d.until AND d.ts > d.since
        UNION ALL
        SELECT d.ts, NULL, NULL, NULL, 0, 1 FROM dc AS d WHERE d.ts >= d.since AND d.ts < d.until
        UNION ALL
        SELECT charging_slices.until, NULL, NULL, NULL, 0, 0
    ),
    slice AS (
        SELECT
            c.at AS since,
            lead(c.at) OVER w AS until,
            max(c.ac_no) OVER w AS ac_no,
            max(c.dc_no) OVER w AS dc_no,
            max(c.link_no) OVER w AS link_no,
            c.meter_samples,
            c.vehicle_samples
        FROM (
            SELECT
                k.at,
                max(k.ac_no) AS ac_no,
                max(k.dc_no) AS dc_no,
                max(k.link_no) AS link_no,
                sum(k.meter_samples)::bigint AS meter_samples,
                sum(k.vehicle_samples)::bigint AS vehicle_samples
            FROM cut AS k
            WHERE k.at >= charging_slices.since AND k.at <= charging_slices.until
            GROUP BY k.at
        ) AS c
        WINDOW w AS (ORDER BY c.at)
    )
    SELECT
        s.since,
        s.until,
        coalesce(l.vehicle_id, ''),
        l.starts_at,
        coalesce(a.session_no, -d.session_no),
        a.no IS NOT NULL,
        coalesce(a.is_idle, FALSE),
        d.no IS NOT NULL,
        coalesce(d.is_idle, FALSE),
        coalesce(a.is_edge OR a.span_since < l.starts_at OR a.ts > l.ends_at, FALSE),
        coalesce(
            a.is_blurred
            OR ((a.span_since < l.starts_at OR a.ts > l.ends_at) AND a.ts - a.span_since > v_sharp),
            FALSE
        ) OR coalesce(
            d.is_blurred
            OR ((d.span_since < l.starts_at OR d.ts > l.ends_at) AND d.ts - d.span_since > v_sharp),
            FALSE
        ),
        coalesce(
            telemetry.part_before(s.until, a.energy_mwh, a.span_since, a.ts)
            - telemetry.part_before(s.since, a.energy_mwh, a.span_since, a.ts),
            0
        ),
        coalesce(
            telemetry.part_before(s.until, d.energy_mwh, d.span_since, d.ts)
            - telemetry.part_before(s.since, d.energy_mwh, d.span_since, d.ts),
            0
        ),
        d.energy_mwh,
        telemetry.mean_kw(a.energy_mwh, a.ts - a.span_since),
        d.battery_temp_mc,
        -- of the day that the slice is in
        CASE WHEN telemetry.utc_day(a.ts) = telemetry.utc_day(s.since) THEN a.step END,
        CASE WHEN telemetry.utc_day(d.ts) = telemetry.utc_day(s.since) THEN d.step END,
        CASE WHEN telemetry.utc_day(a.ts) = telemetry.utc_day(s.since) THEN a.resolution_mwh END,
        CASE WHEN telemetry.utc_day(d.ts) = telemetry.utc_day(s.since) THEN d.resolution_mwh END,
        s.meter_samples,
        s.vehicle_samples
    FROM slice AS s
    LEFT JOIN link AS l ON l.no = s.link_no AND l.until > s.since
    LEFT JOIN ac AS a ON a.no = s.ac_no AND a.ts > s.since
    LEFT JOIN dc AS d ON d.no = s.dc_no AND d.ts > s.since AND d.link_no = l.no
    WHERE s.until IS NOT NULL;
END;
$$;

COMMENT ON FUNCTION telemetry.charging_slices(text, timestamptz, timestamptz) IS
'Takes a meter and a window (since included, until not). Returns a row for each stretch of it between two moments at which a reading explains, a link or an hour begins or ends: its ends, the linked vehicle (empty: none) and when that link starts (NULL: none, or since ever), the session that the devices named (below 0: by the vehicle), of either side whether it is explained and idle, whether AC flow or the link begins or ends there, and whether it is not known when within a long step of either side, its energy and that of the vehicle''s whole step in milliwatt-hours, the mean power of the meter''s step in kW, the battery temperature in thousandths of a degree Celsius, how often both report and their finest steps (NULL: of another day), and how many readings were taken at its start.';

CREATE OR REPLACE FUNCTION telemetry.charging_parts(meter_id text, since timestamptz, until timestamptz)
RETURNS SETOF telemetry.charging_part
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- of what was before, a part has to know no more than whether energy flowed so shortly before that it goes on
    v_pause interval := (SELECT r.session_ends_after FROM telemetry.rules AS r);
BEGIN
    RETURN QUERY
    WITH slice AS (
        SELECT
            s.*,
            s.is_ac AND NOT s.is_ac_idle AS is_active,
            s.is_ac AND NOT s.is_ac_idle AND s.is_dc AND NOT s.is_blurred AS is_matched,
            (s.is_ac AND NOT s.is_ac_idle) OR (s.is_dc AND NOT s.is_dc_idle) AS is_flow,
            telemetry.floor_hour(s.slice_since) AS hour
        FROM telemetry.charging_slices(
            charging_parts.meter_id, charging_parts.since - v_pause, charging_parts.until
        ) AS s
    ),
    followed AS (
        SELECT
            s.*,
            lag(s.vehicle_id) OVER w AS earlier_vehicle_id,
            lag(s.link_since) OVER w AS earlier_link_since,
            max(s.slice_until) FILTER (WHERE s.is_flow) OVER (
                ORDER BY s.slice_since ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS flowed_until
        FROM slice AS s
        WINDOW w AS (ORDER BY s.slice_since)
    ),
    run AS (
        SELECT
            f.*,
            count(*) FILTER (
                WHERE f.vehicle_id <> f.earlier_vehicle_id
                    OR f.link_since IS DISTINCT FROM f.earlier_link_since
                    OR (f.is_flow AND (f.flowed_until IS NULL OR f.slice_since - f.flowed_until >= v_pause))
            ) OVER (ORDER BY f.slice_since) AS run_no
        FROM followed AS f
    ),
    -- by what is in the hour alone, so that its rows are the same whatever the window; telemetry.keep_sessions knows what
    -- was named before
    told AS (
        SELECT
            r.*,
            count(r.transaction_no) FILTER (WHERE r.is_flow) OVER w AS told,
            count(*) FILTER (WHERE r.is_flow) OVER (w ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) > 0 AS has_flowed
        FROM run AS r
        WINDOW w AS (PARTITION BY r.hour, r.run_no ORDER BY r.slice_since)
    ),
    known AS (
        -- the session that was named last while energy flowed
        SELECT
            t.*,
            max(t.transaction_no) FILTER (WHERE t.is_flow) OVER (PARTITION BY t.hour, t.run_no, t.told) AS known_no
        FROM told AS t
    ),
    changed AS (
        SELECT
            k.*,
            k.has_flowed AND k.known_no IS DISTINCT FROM lag(k.known_no) OVER (
                PARTITION BY k.hour, k.run_no ORDER BY k.slice_since
            ) AS is_other
        FROM known AS k
    ),
    numbered AS (
        SELECT
            c.*,
            count(*) FILTER (WHERE c.is_other) OVER (PARTITION BY c.hour, c.run_no ORDER BY c.slice_since) AS part_no
        FROM changed AS c
    ),
    placed AS (
        -- before the flow, in it, or after it: what is idle before and after is of no session
        SELECT
            u.*,
            CASE
                WHEN u.slice_until <= min(u.slice_since) FILTER (WHERE u.is_flow) OVER w THEN -1
                WHEN u.slice_since >= max(u.slice_until) FILTER (WHERE u.is_flow) OVER w THEN 1
                ELSE 0
            END AS place
        FROM numbered AS u
        WINDOW w AS (PARTITION BY u.hour, u.run_no, u.part_no)
    )
    SELECT
        charging_parts.meter_id,
        n.hour,
        min(n.slice_since),
        max(n.slice_until),
        n.vehicle_id,
        max(n.link_since),
        max(n.known_no) FILTER (WHERE n.is_flow),
        min(n.slice_since) FILTER (WHERE n.is_flow),
        max(n.slice_until) FILTER (WHERE n.is_flow),
        max(n.meter_step),
        max(n.vehicle_step),
        coalesce(sum(n.ac_mwh) FILTER (WHERE n.is_active), 0)::bigint,
        coalesce(sum(n.ac_mwh) FILTER (WHERE n.is_matched), 0)::bigint,
        sum(n.dc_mwh)::bigint,
        coalesce(sum(n.dc_mwh) FILTER (WHERE n.is_matched), 0)::bigint,
        coalesce(sum(n.ac_mwh) FILTER (WHERE n.is_matched AND n.is_dc_idle AND n.dc_step_mwh = 0), 0)::bigint,
        coalesce(sum(n.dc_mwh) FILTER (WHERE n.is_ac_idle AND NOT n.is_blurred), 0)::bigint,
        coalesce(sum(n.ac_mwh) FILTER (WHERE n.is_ac_idle), 0)::bigint,
        coalesce(sum(greatest(n.ac_mwh, n.dc_mwh)) FILTER (WHERE n.is_matched AND n.is_edge), 0)::bigint,
        telemetry.us(coalesce(sum(n.slice_until - n.slice_since) FILTER (WHERE n.is_ac_idle), INTERVAL '0')),
        telemetry.us(coalesce(sum(n.slice_until - n.slice_since) FILTER (WHERE n.is_active), INTERVAL '0')),
        telemetry.us(coalesce(sum(n.slice_until - n.slice_since) FILTER (WHERE n.is_matched), INTERVAL '0')),
        max(n.ac_resolution_mwh),
        max(n.dc_resolution_mwh),
        round(max(n.ac_kw * 1000) FILTER (WHERE n.is_active))::bigint,
        -- a battery that was cold is heated long after
        min(n.battery_temp_mc),
        sum(n.meter_samples)::bigint,
        sum(n.vehicle_samples)::bigint
    FROM placed AS n
    WHERE n.slice_since >= charging_parts.since
    GROUP BY n.hour, n.run_no, n.part_no, n.place, n.vehicle_id
    HAVING bool_or(n.is_ac OR n.is_dc) OR sum(n.meter_samples + n.vehicle_samples) > 0;
END;
$$;

COMMENT ON FUNCTION telemetry.charging_parts(text, timestamptz, timestamptz) IS
'Takes a meter and a window (since included, until not). Returns what flowed in it as telemetry.charging_part keeps it, cut at the hours, wherever a link or a named session begins or ends, where flow begins again after a pause that ends a session, and where the first flow of an hour begins and the last one ends.';

REVOKE ALL ON FUNCTION
    telemetry.charging_slices(text, timestamptz, timestamptz),
    telemetry.charging_parts(text, timestamptz, timestamptz)
FROM PUBLIC;
