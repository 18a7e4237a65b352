-- Charging is kept: hours of a meter, the sessions that they belong to, and the days that they add up to.

CREATE OR REPLACE FUNCTION telemetry.charging_kept_since()
RETURNS timestamptz
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    -- an hour more than readings are: what the first of them explain began before
    SELECT telemetry.ceiling_hour(max(d.complete_since) + INTERVAL '1 hour')
    FROM telemetry.dataset AS d
    WHERE d.dataset IN ('meter_reading', 'vehicle_reading')
$$;

COMMENT ON FUNCTION telemetry.charging_kept_since() IS
'Takes nothing. Returns the full hour before which raw readings are gone, or next to what is gone, so that what is kept of charging stays as it is.';

CREATE OR REPLACE FUNCTION telemetry.last_named(
    dataset text,
    device_id text,
    session_no integer,
    since timestamptz,
    until timestamptz
)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    IF last_named.dataset = 'meter_reading' THEN
        RETURN (
            SELECT max(m.ts)
            FROM telemetry.meter_reading AS m
            WHERE m.meter_id = last_named.device_id
                AND m.session_no = last_named.session_no
                AND m.ts >= last_named.since AND m.ts < last_named.until
        );
    END IF;
    RETURN (
        SELECT max(v.ts)
        FROM telemetry.vehicle_reading AS v
        WHERE v.vehicle_id = last_named.device_id
            AND v.session_no = last_named.session_no
            AND v.ts >= last_named.since AND v.ts < last_named.until
    );
END;
$$;

COMMENT ON FUNCTION telemetry.last_named(text, text, integer, timestamptz, timestamptz) IS
'Takes meter_reading or vehicle_reading, a device, one of its sessions and a window (since included, until not). Returns the time of the last reading in it that names the session; NULL where none does.';

CREATE OR REPLACE FUNCTION telemetry.named_until(
    meter_id text,
    vehicle_id text,
    transaction_no integer,
    started_at timestamptz,
    ended_at timestamptz,
    since timestamptz
)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_until timestamptz := telemetry.floor_day(ended_at) + INTERVAL '48 hours';
BEGIN
    IF transaction_no IS NULL THEN
        RETURN NULL;
    END IF;
    -- the vehicle may go on naming it elsewhere
    v_until := least(
        v_until,
        (
            SELECT upper(l.during)
            FROM telemetry.charging_link AS l
            WHERE l.meter_id = named_until.meter_id
                AND l.vehicle_id = named_until.vehicle_id
                AND l.during @> named_until.started_at
        )
    );
    RETURN greatest(
        ended_at,
        CASE
            WHEN transaction_no > 0 THEN telemetry.last_named('meter_reading', meter_id, transaction_no, since, v_until)
            ELSE telemetry.last_named('vehicle_reading', vehicle_id, -transaction_no, since, v_until)
        END
    );
END;
$$;

COMMENT ON FUNCTION telemetry.named_until(text, text, integer, timestamptz, timestamptz, timestamptz) IS
'Takes a meter, the vehicle that was linked, the session that they named as telemetry.charging_session has it, when energy began and ceased to flow, and since when to look. Returns when the session was named last, while the link held and by the end of the next UTC day: never before energy ceased to flow; NULL where none was named.';

CREATE OR REPLACE FUNCTION telemetry.battery_at(vehicle_id text, since timestamptz, until timestamptz)
RETURNS TABLE (
    soc_start_mpct integer,
    soc_end_mpct integer,
    temp_start_mc integer,
    temp_end_mc integer,
    register_start_mwh bigint,
    register_end_mwh bigint
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    RETURN QUERY
    SELECT
        (array_agg(v.soc_mpct ORDER BY v.ts) FILTER (WHERE v.soc_mpct IS NOT NULL))[1],
        (array_agg(v.soc_mpct ORDER BY v.ts DESC) FILTER (WHERE v.soc_mpct IS NOT NULL))[1],
        (array_agg(v.battery_temp_mc ORDER BY v.ts) FILTER (WHERE v.battery_temp_mc IS NOT NULL))[1],
        (array_agg(v.battery_temp_mc ORDER BY v.ts DESC) FILTER (WHERE v.battery_temp_mc IS NOT NULL))[1],
        (array_agg(r.register_mwh ORDER BY v.ts) FILTER (WHERE r.register_mwh IS NOT NULL))[1],
        (array_agg(r.register_mwh ORDER BY v.ts DESC) FILTER (WHERE r.register_mwh IS NOT NULL))[1]
    FROM telemetry.vehicle_reading AS v
    LEFT JOIN unnest(telemetry.corrections_of('vehicle_reading', battery_at.vehicle_id)) AS c ON c.ts = v.ts
    CROSS JOIN LATERAL (
        SELECT CASE WHEN v.register_mwh IS NOT NULL THEN coalesce(c.value_mwh, v.register_mwh) END AS register_mwh
    ) AS r
    WHERE v.vehicle_id = battery_at.vehicle_id
        AND v.entry = 0
        AND v.ts >= battery_at.since AND v.ts <= battery_at.until
        AND (c.record_id IS NULL OR c.value_mwh IS NOT NULL);
END;
$$;

COMMENT ON FUNCTION telemetry.battery_at(text, timestamptz, timestamptz) IS
'Takes a vehicle and two moments. Returns what its first and last readings between them, both included, report, as they were corrected: state of charge in thousandths of a percent, battery temperature in thousandths of a degree Celsius and register in milliwatt-hours; NULL where none does.';

CREATE OR REPLACE FUNCTION telemetry.register_at(meter_id text, since timestamptz, until timestamptz)
RETURNS TABLE (register_start_mwh bigint, register_end_mwh bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    RETURN QUERY
    SELECT
        (array_agg(r.register_mwh ORDER BY m.ts) FILTER (WHERE r.register_mwh IS NOT NULL))[1],
        (array_agg(r.register_mwh ORDER BY m.ts DESC) FILTER (WHERE r.register_mwh IS NOT NULL))[1]
    FROM telemetry.meter_reading AS m
    LEFT JOIN unnest(telemetry.corrections_of('meter_reading', register_at.meter_id)) AS c ON c.ts = m.ts
    CROSS JOIN LATERAL (
        SELECT CASE WHEN m.register_mwh IS NOT NULL THEN coalesce(c.value_mwh, m.register_mwh) END AS register_mwh
    ) AS r
    WHERE m.meter_id = register_at.meter_id
        AND m.entry = 0
        AND m.ts >= register_at.since AND m.ts <= register_at.until
        AND (c.record_id IS NULL OR c.value_mwh IS NOT NULL);
END;
$$;

COMMENT ON FUNCTION telemetry.register_at(text, timestamptz, timestamptz) IS
'Takes a meter and two moments. Returns the registers in milliwatt-hours that its first and last readings between them, both included, report, as they were corrected; NULL where none does.';

CREATE OR REPLACE FUNCTION telemetry.keep_charging_days(meter_id text, first_day date, last_day date)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM telemetry.charging_day AS d
    WHERE d.meter_id = keep_charging_days.meter_id AND d.day BETWEEN first_day AND last_day;
    INSERT INTO telemetry.charging_day
    SELECT
        telemetry.utc_day(p.hour),
        p.vehicle_id,
        p.meter_id,
        FALSE,
        sum(p.ac_mwh)::bigint,
        sum(p.ac_matched_mwh)::bigint,
        sum(p.dc_mwh)::bigint,
        sum(p.dc_matched_mwh)::bigint,
        sum(p.ac_standing_mwh)::bigint,
        sum(p.dc_standing_mwh)::bigint,
        sum(p.standby_mwh)::bigint,
        sum(p.edge_mwh)::bigint,
        sum(p.standby_us)::bigint,
        sum(p.active_us)::bigint,
        sum(p.matched_us)::bigint,
        min(p.ac_resolution_mwh),
        min(p.dc_resolution_mwh),
        max(p.peak_w),
        min(p.battery_temp_mc),
        sum(p.meter_samples)::bigint,
        sum(p.vehicle_samples)::bigint
    FROM telemetry.charging_part AS p
    WHERE p.meter_id = keep_charging_days.meter_id
        AND p.hour >= telemetry.day_start(first_day)
        AND p.hour < telemetry.day_start(last_day + 1)
    GROUP BY 1, 2, 3;
END;
$$;

COMMENT ON FUNCTION telemetry.keep_charging_days(text, date, date) IS
'Adds up the kept hours of a meter to days. Takes the meter, the first and the last UTC day. Returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.keep_charging(meter_id text, since timestamptz, until timestamptz)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_since timestamptz := greatest(telemetry.floor_hour(since), telemetry.charging_kept_since());
    v_until timestamptz := telemetry.ceiling_hour(until);
    v_begin timestamptz := v_since;
    v_end timestamptz;
BEGIN
    -- one at a time of a meter: who comes second sees what the first one kept
    PERFORM pg_advisory_xact_lock(hashtextextended('telemetry.keep_charging ' || meter_id, 0));
    -- piece by piece, so that memory and the chunks that are looked at stay few, however long the window is
    WHILE v_begin < v_until LOOP
        v_end := least(telemetry.floor_day(v_begin) + INTERVAL '168 hours', v_until);
        DELETE FROM telemetry.charging_part AS p
        WHERE p.meter_id = keep_charging.meter_id AND p.hour >= v_begin AND p.hour < v_end;
        INSERT INTO telemetry.charging_part
        SELECT p.* FROM telemetry.charging_parts(keep_charging.meter_id, v_begin, v_end) AS p;
        v_begin := v_end;
    END LOOP;
    IF v_since < v_until THEN
        PERFORM telemetry.keep_sessions(meter_id, v_since, v_until);
        PERFORM telemetry.keep_charging_days(
            meter_id, telemetry.utc_day(v_since), telemetry.utc_day(v_until - INTERVAL '1 microsecond')
        );
        PERFORM telemetry.keep_usual(meter_id, v_since);
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.keep_charging(text, timestamptz, timestamptz) IS
'Keeps anew what flowed at a meter. Takes the meter and a window; the hours that it touches, the sessions that touch these and their days are replaced, except what is from before raw readings are kept. Returns nothing. What it keeps follows from readings, records, links and rules alone: to call it again changes nothing.';

REVOKE ALL ON FUNCTION
    telemetry.charging_kept_since(),
    telemetry.last_named(text, text, integer, timestamptz, timestamptz),
    telemetry.named_until(text, text, integer, timestamptz, timestamptz, timestamptz),
    telemetry.battery_at(text, timestamptz, timestamptz),
    telemetry.register_at(text, timestamptz, timestamptz),
    telemetry.keep_charging_days(text, date, date),
    telemetry.keep_charging(text, timestamptz, timestamptz)
FROM PUBLIC;
