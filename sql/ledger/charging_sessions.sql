-- Charging sessions, put together from the parts of hours that are kept, and what is usual of a vehicle at a meter.

CREATE OR REPLACE FUNCTION telemetry.keep_sessions(meter_id text, since timestamptz, until timestamptz)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_pause interval := (SELECT r.session_ends_after FROM telemetry.rules AS r);
    v_first timestamptz;
    v_last timestamptz;
    v_kept_since timestamptz := telemetry.charging_kept_since();
    v_begun telemetry.charging_session[];
BEGIN
    -- the sessions that go into the window or come shortly after it, as a whole
    SELECT least(min(s.started_at), keep_sessions.since), greatest(max(s.ended_at), keep_sessions.until)
    INTO v_first, v_last
    FROM telemetry.charging_session AS s
    WHERE s.meter_id = keep_sessions.meter_id
        AND s.started_at <= keep_sessions.until + v_pause
        AND s.ended_at >= keep_sessions.since - v_pause;
    v_first := coalesce(v_first, since);
    v_last := coalesce(v_last, until);
    WITH gone AS (
        DELETE FROM telemetry.charging_session AS s
        WHERE s.meter_id = keep_sessions.meter_id AND s.started_at >= v_first AND s.started_at < v_last
        RETURNING s
    )
    -- what devices reported at the start of these is kept here alone
    SELECT array_agg(g.s) INTO v_begun FROM gone AS g WHERE (g.s).started_at < v_kept_since;

    INSERT INTO telemetry.charging_session
    WITH part AS (
        SELECT
            p.*,
            max(p.flow_until) OVER (
                ORDER BY p.since ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS flowed_until,
            lag(p.vehicle_id) OVER w AS earlier_vehicle_id,
            lag(p.link_since) OVER w AS earlier_link_since,
            lag(p.until) OVER w AS earlier_until
        FROM telemetry.charging_part AS p
        WHERE p.meter_id = keep_sessions.meter_id
            AND p.hour >= telemetry.floor_hour(v_first) AND p.hour < v_last
            -- not of sessions before and after, of the same hours
            AND p.until > v_first AND p.since < v_last
        WINDOW w AS (ORDER BY p.since)
    ),
    run AS (
        SELECT
            p.*,
            count(*) FILTER (
                WHERE (
                    p.flow_since IS NOT NULL
                    AND (p.flowed_until IS NULL OR p.flow_since - p.flowed_until >= v_pause)
                )
                OR p.vehicle_id <> p.earlier_vehicle_id
                OR p.link_since IS DISTINCT FROM p.earlier_link_since
                -- of one in which nothing was reported there is no part
                OR (
                    p.vehicle_id = '' AND p.since > p.earlier_until
                    AND EXISTS (
                        SELECT
                        FROM telemetry.charging_link AS l
                        WHERE l.meter_id = keep_sessions.meter_id AND l.during && tstzrange(p.earlier_until, p.since)
                    )
                )
            ) OVER (ORDER BY p.since) AS run_no
        FROM part AS p
    ),
    told AS (
        SELECT r.*, count(r.transaction_no) OVER (PARTITION BY r.run_no ORDER BY r.since) AS told
        FROM run AS r
    ),
    known AS (
        SELECT t.*, max(t.transaction_no) OVER (PARTITION BY t.run_no, t.told) AS known_no
        FROM told AS t
    ),
    changed AS (
        SELECT k.*, k.known_no <> lag(k.known_no) OVER (PARTITION BY k.run_no ORDER BY k.since) AS is_other
        FROM known AS k
    ),
    numbered AS (
        SELECT c.*, count(*) FILTER (WHERE c.is_other) OVER (PARTITION BY c.run_no ORDER BY c.since) AS session_no
        FROM changed AS c
    ),
    whole AS (
        SELECT
            n.vehicle_id,
            min(n.flow_since) AS started_at,
            max(n.flow_until) AS ended_at,
            max(n.transaction_no) AS transaction_no,
            sum(n.ac_mwh)::bigint AS ac_mwh,
            sum(n.ac_matched_mwh)::bigint AS ac_matched_mwh,
            sum(n.dc_mwh)::bigint AS dc_mwh,
            sum(n.dc_matched_mwh)::bigint AS dc_matched_mwh,
            sum(n.ac_standing_mwh)::bigint AS ac_standing_mwh,
            sum(n.dc_standing_mwh)::bigint AS dc_standing_mwh,
            sum(n.standby_mwh)::bigint AS standby_mwh,
            sum(n.edge_mwh)::bigint AS edge_mwh,
            sum(n.standby_us)::bigint AS standby_us,
            sum(n.active_us)::bigint AS active_us,
            sum(n.matched_us)::bigint AS matched_us,
            min(n.ac_resolution_mwh) AS ac_resolution_mwh,
            min(n.dc_resolution_mwh) AS dc_resolution_mwh,
            max(n.peak_w) AS peak_w,
            min(n.battery_temp_mc) AS battery_temp_mc,
            sum(n.meter_samples)::bigint AS meter_samples,
            sum(n.vehicle_samples)::bigint AS vehicle_samples
        FROM (
            SELECT
                m.*,
                min(m.flow_since) OVER s AS first_flow,
                max(m.flow_until) OVER s AS last_flow
            FROM numbered AS m
            WINDOW s AS (PARTITION BY m.run_no, m.session_no)
        ) AS n
        WHERE n.until > n.first_flow AND n.since < n.last_flow
        GROUP BY n.run_no, n.session_no, n.vehicle_id
    )
    SELECT
        keep_sessions.meter_id,
        w.started_at,
        w.vehicle_id,
        w.ended_at,
        telemetry.named_until(
            keep_sessions.meter_id, w.vehicle_id, w.transaction_no, w.started_at, w.ended_at, w.started_at
        ),
        w.transaction_no,
        CASE WHEN b.started_at IS NULL THEN v.soc_start_mpct ELSE b.soc_start_mpct END,
        v.soc_end_mpct,
        CASE WHEN b.started_at IS NULL THEN v.temp_start_mc ELSE b.temp_start_mc END,
        v.temp_end_mc,
        CASE WHEN b.started_at IS NULL THEN m.register_start_mwh ELSE b.ac_register_start_mwh END,
        m.register_end_mwh,
        CASE WHEN b.started_at IS NULL THEN v.register_start_mwh ELSE b.dc_register_start_mwh END,
        v.register_end_mwh,
        NULL,
        0,
        w.ac_mwh,
        w.ac_matched_mwh,
        w.dc_mwh,
        w.dc_matched_mwh,
        w.ac_standing_mwh,
        w.dc_standing_mwh,
        w.standby_mwh,
        w.edge_mwh,
        w.standby_us,
        w.active_us,
        w.matched_us,
        w.ac_resolution_mwh,
        w.dc_resolution_mwh,
        w.peak_w,
        w.battery_temp_mc,
        w.meter_samples,
        w.vehicle_samples
    FROM whole AS w
    CROSS JOIN LATERAL telemetry.battery_at(w.vehicle_id, w.started_at, w.ended_at) AS v
    CROSS JOIN LATERAL telemetry.register_at(keep_sessions.meter_id, w.started_at, w.ended_at) AS m
    LEFT JOIN unnest(v_begun) AS b ON b.started_at = w.started_at AND b.vehicle_id = w.vehicle_id;

    -- who stays plugged in goes on naming the session, long after energy flowed
    UPDATE telemetry.charging_session AS s
    SET unplugged_at = n.named_until
    FROM (
        SELECT
            e.started_at,
            telemetry.named_until(
                e.meter_id, e.vehicle_id, e.transaction_no, e.started_at, e.ended_at, keep_sessions.since
            ) AS named_until
        FROM telemetry.charging_session AS e
        WHERE e.meter_id = keep_sessions.meter_id
            AND e.transaction_no IS NOT NULL
            AND e.started_at < v_first
            AND e.ended_at > telemetry.utc_minus(keep_sessions.since, INTERVAL '48 hours')
    ) AS n
    WHERE s.meter_id = keep_sessions.meter_id
        AND s.started_at = n.started_at
        AND s.unplugged_at < n.named_until;
END;
$$;

COMMENT ON FUNCTION telemetry.keep_sessions(text, timestamptz, timestamptz) IS
'Puts the sessions of a meter together anew from its kept hours. Takes the meter and a window of whole hours: the sessions that touch it are replaced. Returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.keep_usual(meter_id text, since timestamptz)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_rules telemetry.rules := (SELECT r FROM telemetry.rules AS r);
    v_pair record;
    v_session record;
    v_usual double precision;
    v_below integer;
BEGIN
    FOR v_pair IN
        SELECT s.vehicle_id, min(s.started_at) AS first
        FROM telemetry.charging_session AS s
        WHERE s.meter_id = keep_usual.meter_id
            AND s.ended_at >= telemetry.utc_minus(keep_usual.since, INTERVAL '24 hours')
            AND s.vehicle_id <> ''
        GROUP BY s.vehicle_id
    LOOP
        SELECT coalesce(
            (
                SELECT s.below_usual
                FROM telemetry.charging_session AS s
                INNER JOIN telemetry.judged_session AS j ON j.meter_id = s.meter_id AND j.started_at = s.started_at
                WHERE s.meter_id = keep_usual.meter_id
                    AND s.vehicle_id = v_pair.vehicle_id
                    AND s.started_at < v_pair.first
                    AND j.is_judged
                ORDER BY s.started_at DESC
                LIMIT 1
            ),
            0
        ) INTO v_below;
        -- each changes what is usual of those after it
        FOR v_session IN
            SELECT j.started_at, j.efficiency, j.is_judged, j.power_class, j.temp_class
            FROM telemetry.judged_session AS j
            WHERE j.meter_id = keep_usual.meter_id
                AND j.vehicle_id = v_pair.vehicle_id
                AND j.started_at >= v_pair.first
            ORDER BY j.started_at
        LOOP
            v_usual := NULL;
            IF v_session.is_judged THEN
                SELECT CASE WHEN count(*) >= 5 THEN percentile_cont(0.5) WITHIN GROUP (ORDER BY c.efficiency) END
                INTO v_usual
                FROM (
                    SELECT j.efficiency
                    FROM telemetry.judged_session AS j
                    WHERE j.meter_id = keep_usual.meter_id
                        AND j.vehicle_id = v_pair.vehicle_id
                        AND j.started_at < v_session.started_at
                        AND j.is_judged
                        AND j.power_class = v_session.power_class
                        AND j.temp_class IS NOT DISTINCT FROM v_session.temp_class
                    ORDER BY j.started_at DESC
                    LIMIT 20
                ) AS c;
                v_below := CASE
                    WHEN v_session.efficiency < v_usual - v_rules.drifting_below_usual THEN v_below + 1
                    ELSE 0
                END;
            END IF;
            UPDATE telemetry.charging_session AS s
            SET usual_efficiency = v_usual,
                below_usual = CASE WHEN v_session.is_judged THEN v_below ELSE 0 END
            WHERE s.meter_id = keep_usual.meter_id
                AND s.started_at = v_session.started_at
                AND (s.usual_efficiency, s.below_usual) IS DISTINCT FROM (
                    v_usual, CASE WHEN v_session.is_judged THEN v_below ELSE 0 END
                );
        END LOOP;
    END LOOP;

    UPDATE telemetry.charging_day AS d
    SET is_drifting = n.is_drifting
    FROM (
        SELECT DISTINCT ON (k.day, k.vehicle_id)
            k.day,
            k.vehicle_id,
            coalesce(s.below_usual >= v_rules.drifting_after, FALSE) AS is_drifting
        FROM telemetry.charging_day AS k
        LEFT JOIN telemetry.charging_session AS s
            ON s.meter_id = k.meter_id
            AND s.vehicle_id = k.vehicle_id
            AND s.started_at >= telemetry.day_start(k.day)
            AND s.started_at < telemetry.day_start(k.day + 1)
            AND s.usual_efficiency IS NOT NULL
        WHERE k.meter_id = keep_usual.meter_id
            AND k.day >= telemetry.utc_day(keep_usual.since) - 1
        ORDER BY k.day, k.vehicle_id, s.started_at DESC NULLS LAST
    ) AS n
    WHERE d.meter_id = keep_usual.meter_id
        AND d.day = n.day
        AND d.vehicle_id = n.vehicle_id
        AND d.is_drifting <> n.is_drifting;
END;
$$;

COMMENT ON FUNCTION telemetry.keep_usual(text, timestamptz) IS
'Keeps of sessions what was usual of their pair before: the median efficiency of its last 20 judged ones of the same classes of power and battery temperature, from 5 on; how many in a row were below that; and which days end in a drift. Takes the meter and since when it was kept anew: sessions from there on. Returns nothing.';

REVOKE ALL ON FUNCTION
    telemetry.keep_sessions(text, timestamptz, timestamptz),
    telemetry.keep_usual(text, timestamptz)
FROM PUBLIC;
