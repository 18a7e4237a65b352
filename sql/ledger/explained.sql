-- What readings explain: the time in which the energy of each flowed, and whether that was idle. This may differ from
-- where the ledger places it: after a silence nobody knows when the energy flowed, and nothing is matched by a guess.

CREATE OR REPLACE FUNCTION telemetry.explained_since(
    ts timestamptz,
    energy_mwh bigint,
    kind telemetry.reading_kind,
    interval_start timestamptz,
    session_no integer,
    earlier_ts timestamptz,
    earlier_session_no integer,
    step interval,
    rules telemetry.register_rules
)
RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN CASE
        WHEN interval_start IS NOT NULL THEN greatest(interval_start, earlier_ts, ts - rules.from_within)
        WHEN earlier_ts IS NULL THEN CASE WHEN kind = 'difference' THEN ts - step END
        WHEN ts - earlier_ts <= step * 1.5 THEN earlier_ts
        -- counted from zero, whenever that was
        WHEN kind = 'session_counter' AND session_no IS DISTINCT FROM earlier_session_no
            THEN greatest(ts - step, earlier_ts)
        -- what was lost in between is not told again, unless it is more than one step can be
        WHEN kind = 'difference' AND energy_mwh <= telemetry.plausible_mwh(step, rules)
            THEN greatest(ts - step, earlier_ts)
        ELSE earlier_ts
    END;
END;
$$;

COMMENT ON FUNCTION telemetry.explained_since(
    timestamptz, bigint, telemetry.reading_kind, timestamptz, integer, timestamptz, integer, interval,
    telemetry.register_rules
) IS
'Takes a reading (time, energy in milliwatt-hours, kind, start of its interval as reported, session), time and session of the reading before (NULL: none), how often the device reports, and its rules. Returns since when the reading explains what flowed: as reported; since the reading before where that is at most one and a half steps ago; after a longer silence a register explains all of it, and so does a difference that is more than one step can be; else it explains one step. NULL where it explains nothing: the first level of a counter.';

CREATE OR REPLACE FUNCTION telemetry.explained(
    dataset text,
    device_id text,
    since timestamptz,
    until timestamptz
)
RETURNS TABLE (
    span_since timestamptz,
    ts timestamptz,
    energy_mwh bigint,
    is_idle boolean,
    is_edge boolean,
    is_blurred boolean,
    session_no integer,
    battery_temp_mc integer,
    step interval,
    resolution_mwh bigint
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_rules telemetry.register_rules := telemetry.rules_of(dataset, device_id);
    v_default_step interval;
    v_idle_kw double precision;
    v_pause interval;
    v_set_step interval;
    -- the readings next to the window, and the first and last one that decide whether these are idle or edges
    v_before timestamptz;
    v_after timestamptz;
    v_first timestamptz;
    v_last timestamptz;
    v_days tstzmultirange;
BEGIN
    SELECT r.reading_interval, r.idle_below_kw, r.session_ends_after
    INTO STRICT v_default_step, v_idle_kw, v_pause
    FROM telemetry.rules AS r;
    SELECT k.step INTO v_set_step
    FROM telemetry.device_setting AS k
    WHERE k.dataset = explained.dataset AND k.device_id = explained.device_id;
    v_before := least(telemetry.reading_before(dataset, device_id, since), since);
    v_after := greatest(telemetry.reading_from(dataset, device_id, until), until);
    -- a counter may stand for an hour before it is known to be idle
    v_first := coalesce(
        telemetry.reading_before(dataset, device_id, v_before - INTERVAL '1 hour'), v_before - INTERVAL '1 hour'
    );
    -- so may the reading after the next one, if what it explains begins within a pause: if that is not all of the time
    -- since the one before, it leaves a third of it
    v_last := coalesce(
        telemetry.reading_from(dataset, device_id, v_after + v_pause * 3 + INTERVAL '1 hour'),
        v_after + v_pause * 3 + INTERVAL '1 hour'
    );
    -- whole days, whatever the window: what a device's step is must not depend on it. They may lie far apart
    SELECT range_agg(tstzrange(telemetry.floor_day(n.first), telemetry.floor_day(n.last) + INTERVAL '24 hours'))
    INTO v_days
    FROM (
        VALUES
            (v_first, v_first),
            (v_before - INTERVAL '1 hour', v_before),
            (since, until),
            (v_after, v_after + v_pause * 3 + INTERVAL '1 hour'),
            (v_last, v_last)
    ) AS n (first, last);

    RETURN QUERY
    WITH reading AS MATERIALIZED (
        SELECT
            r.*,
            telemetry.utc_day(r.ts) AS day,
            lag(r.ts) OVER w AS earlier_ts,
            lag(telemetry.utc_day(r.ts)) OVER w AS earlier_day,
            lag(r.session_no) OVER w AS earlier_session_no
        FROM unnest(v_days) AS d (days)
        CROSS JOIN LATERAL telemetry.judged_readings(
            explained.dataset, explained.device_id, lower(d.days), upper(d.days)
        ) AS r
        WINDOW w AS (ORDER BY r.ts)
    ),
    gap AS MATERIALIZED (
        SELECT
            r.*,
            CASE WHEN r.earlier_day = r.day THEN r.ts - r.earlier_ts END AS gap,
            r.energy_mwh < telemetry.us(r.ts - r.earlier_ts) * v_idle_kw / 3600 AS is_slow
        FROM reading AS r
    ),
    day AS MATERIALIZED (
        SELECT
            r.day,
            coalesce(
                v_set_step,
                -- many report less often while nothing flows
                CASE
                    WHEN count(r.gap) FILTER (WHERE NOT r.is_slow) >= 5
                        THEN percentile_disc(0.5) WITHIN GROUP (ORDER BY r.gap) FILTER (WHERE NOT r.is_slow)
                END,
                CASE WHEN count(r.gap) >= 5 THEN percentile_disc(0.5) WITHIN GROUP (ORDER BY r.gap) END,
                v_default_step
            ) AS step,
            CASE
                WHEN count(r.gap) FILTER (WHERE r.is_slow) >= 5
                    THEN percentile_disc(0.5) WITHIN GROUP (ORDER BY r.gap) FILTER (WHERE r.is_slow)
            END AS idle_step,
            min(
                CASE
                    WHEN r.energy_mwh <= 0 THEN NULL
                    WHEN r.kind <> 'difference' THEN r.energy_mwh
                    -- the last digit that was told
                    WHEN r.energy_mwh % 1000000 = 0 THEN 1000000
                    WHEN r.energy_mwh % 100000 = 0 THEN 100000
                    WHEN r.energy_mwh % 10000 = 0 THEN 10000
                    WHEN r.energy_mwh % 1000 = 0 THEN 1000
                    WHEN r.energy_mwh % 100 = 0 THEN 100
                    WHEN r.energy_mwh % 10 = 0 THEN 10
                    ELSE 1
                END
            )::bigint AS resolution_mwh
        FROM gap AS r
        GROUP BY r.day
    ),
    span AS MATERIALIZED (
        SELECT
            telemetry.explained_since(
                r.ts, r.energy_mwh, r.kind, r.interval_start, r.session_no, r.earlier_ts, r.earlier_session_no,
                r.usual_step, v_rules
            ) AS span_since,
            r.ts,
            r.energy_mwh,
            r.session_no,
            r.battery_temp_mc,
            r.step,
            r.resolution_mwh,
            -- it counts from zero, and nobody knows since when
            coalesce(
                r.kind = 'session_counter' AND r.interval_start IS NULL
                AND r.session_no IS DISTINCT FROM r.earlier_session_no
                AND r.ts - r.earlier_ts > r.usual_step * 1.5,
                FALSE
            ) AS is_begun,
            -- readings that stand between two that rise
            count(*) FILTER (WHERE r.energy_mwh > 0) OVER (ORDER BY r.ts) AS rises
        FROM (
            SELECT
                g.*,
                d.step,
                d.resolution_mwh,
                CASE
                    -- what flows in one step, and is the first after a silence, is not idle
                    WHEN g.earlier_ts IS NOT NULL AND g.energy_mwh
                        < telemetry.us(least(g.ts - g.earlier_ts, d.idle_step)) * v_idle_kw / 3600
                        THEN greatest(d.step, d.idle_step)
                    ELSE d.step
                END AS usual_step
            FROM gap AS g
            INNER JOIN day AS d ON d.day = g.day
            WHERE g.ts >= v_first AND g.ts <= v_last
        ) AS r
    ),
    standing AS (
        SELECT
            s.rises,
            -- what could have flowed while it stood
            least(coalesce(max(s.resolution_mwh), 0), telemetry.mwh(v_idle_kw)) AS at_most_mwh,
            max(s.ts) - min(coalesce(s.span_since, s.ts)) AS lasted,
            max(s.ts) AS until
        FROM span AS s
        WHERE s.energy_mwh <= 0
        GROUP BY s.rises
    ),
    judged AS MATERIALIZED (
        SELECT
            s.*,
            -- a kilowatt is a milliwatt-hour in 3600 microseconds; written so, just that power is not idle
            CASE
                -- it says nothing of what was before it
                WHEN s.span_since IS NULL THEN TRUE
                -- a counter that stands for less than its resolution takes at idle power is not known to be idle
                WHEN s.energy_mwh <= 0 THEN t.at_most_mwh < telemetry.us(t.lasted) * v_idle_kw / 3600
                WHEN s.energy_mwh <= s.resolution_mwh AND b.until = s.span_since
                    -- no more than an hour of that is looked at
                    THEN s.energy_mwh
                        < telemetry.us(s.ts - s.span_since + least(b.lasted, INTERVAL '1 hour')) * v_idle_kw / 3600
                ELSE s.energy_mwh < telemetry.us(s.ts - s.span_since) * v_idle_kw / 3600
            END AS is_idle
        FROM span AS s
        LEFT JOIN standing AS t ON t.rises = s.rises AND s.energy_mwh <= 0
        LEFT JOIN standing AS b ON b.rises = s.rises - 1 AND s.energy_mwh > 0
    )
    SELECT
        e.span_since,
        e.ts,
        e.energy_mwh,
        e.is_idle,
        e.is_edge AND NOT e.is_idle,
        -- nobody knows when in it the flow began or ended
        (e.is_edge AND e.ts - e.span_since > v_rules.apportioned_above) OR e.is_begun,
        e.session_no,
        e.battery_temp_mc,
        e.step,
        e.resolution_mwh
    FROM (
        SELECT
            j.*,
            CASE
                WHEN NOT j.is_idle THEN
                    coalesce(lag(j.is_idle) OVER w OR j.span_since - lag(j.ts) OVER w >= v_pause, TRUE)
                    OR coalesce(lead(j.is_idle) OVER w OR lead(j.span_since) OVER w - j.ts >= v_pause, TRUE)
                -- a silence in which a flow began, or ended
                ELSE j.energy_mwh > j.resolution_mwh
                    AND coalesce(NOT lag(j.is_idle) OVER w OR NOT lead(j.is_idle) OVER w, FALSE)
            END AS is_edge
        FROM judged AS j
        WINDOW w AS (ORDER BY j.ts)
    ) AS e
    WHERE (e.span_since < explained.until AND e.ts > explained.since)
        OR (e.ts >= explained.since AND e.ts < explained.until);
END;
$$;

COMMENT ON FUNCTION telemetry.explained(text, text, timestamptz, timestamptz) IS
'Takes meter_reading or vehicle_reading, a device and a window (since included, until not). Returns a row for each reading in it, and for each that explains some of it: since when it explains (NULL: nothing) until its time, the energy in milliwatt-hours, whether that is idle, whether flow starts or ends with it, and whether it is not known when it flowed (it is an edge and long, or the first of a counter that counts from zero after a silence), its session, the battery temperature in thousandths of a degree Celsius, and of its UTC day how often the device reported while energy flowed, and its finest step in milliwatt-hours. Raises WL050 where rules are missing.';

REVOKE ALL ON FUNCTION
    telemetry.explained_since(
        timestamptz, bigint, telemetry.reading_kind, timestamptz, integer, timestamptz, integer, interval,
        telemetry.register_rules
    ),
    telemetry.explained(text, text, timestamptz, timestamptz)
FROM PUBLIC;
