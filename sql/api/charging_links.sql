-- Which meter feeds which vehicle: put, end, list.

CREATE OR REPLACE FUNCTION api.put_charging_link(
    vehicle_id text,
    meter_id text,
    since timestamptz,
    until timestamptz
)
RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_overlap text;
BEGIN
    IF since >= until THEN
        RAISE EXCEPTION 'a charging link must begin before it ends'
            USING ERRCODE = 'WL002', HINT = 'Send a "to" that is later than "from", or leave it out.';
    END IF;

    PERFORM telemetry.commit_durably();
    UPDATE telemetry.charging_link AS l
    SET during = tstzrange(put_charging_link.since, put_charging_link.until)
    WHERE l.vehicle_id = put_charging_link.vehicle_id
        AND l.meter_id = put_charging_link.meter_id
        AND lower(l.during) IS NOT DISTINCT FROM put_charging_link.since;
    IF found THEN
        RETURN FALSE;
    END IF;
    INSERT INTO telemetry.charging_link (vehicle_id, meter_id, during)
    VALUES (
        put_charging_link.vehicle_id,
        put_charging_link.meter_id,
        tstzrange(put_charging_link.since, put_charging_link.until)
    );
    RETURN TRUE;
EXCEPTION WHEN exclusion_violation THEN
    SELECT format(
        'vehicle %s is on meter %s from %s until %s',
        l.vehicle_id,
        l.meter_id,
        coalesce(to_char(lower(l.during) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'ever'),
        coalesce(to_char(upper(l.during) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'further notice')
    )
    INTO v_overlap
    FROM telemetry.charging_link AS l
    WHERE (l.vehicle_id = put_charging_link.vehicle_id OR l.meter_id = put_charging_link.meter_id)
        AND l.during && tstzrange(put_charging_link.since, put_charging_link.until)
        AND (l.vehicle_id, l.meter_id, lower(l.during)) IS DISTINCT FROM
        (put_charging_link.vehicle_id, put_charging_link.meter_id, put_charging_link.since)
    ORDER BY lower(l.during) NULLS FIRST
    LIMIT 1;
    RAISE EXCEPTION 'the charging link overlaps another: %', coalesce(v_overlap, 'one that was just put')
        USING ERRCODE = 'WL003',
            HINT = 'End the other link first, or choose "from" and "to" so that the two do not overlap.';
END;
$$;

COMMENT ON FUNCTION api.put_charging_link(text, text, timestamptz, timestamptz) IS
'Takes a vehicle, the meter that feeds it, from when (included; null: since ever) and until when (not included; null: until further notice). Puts the link, or moves the end of the one of the same vehicle, meter and beginning. Returns whether the link is new. Raises WL002 where it ends before it begins, WL003 where the vehicle or the meter is linked elsewhere in that time.';

CREATE OR REPLACE FUNCTION api.end_charging_link(vehicle_id text, ended_at timestamptz)
RETURNS TABLE (meter_id text, since timestamptz, until timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_ended_at timestamptz := coalesce(end_charging_link.ended_at, now());
BEGIN
    PERFORM telemetry.commit_durably();
    -- an end at the very beginning would leave an empty link, which `@>` and the strict comparison rule out
    RETURN QUERY
    UPDATE telemetry.charging_link AS l
    SET during = tstzrange(lower(l.during), v_ended_at)
    WHERE l.vehicle_id = end_charging_link.vehicle_id
        AND l.during @> v_ended_at
        AND (lower(l.during) < v_ended_at) IS NOT FALSE
    RETURNING l.meter_id, lower(l.during), upper(l.during);
END;
$$;

COMMENT ON FUNCTION api.end_charging_link(text, timestamptz) IS
'Takes a vehicle and a time (null: now). Ends the charging link that the vehicle has at that time, then. Returns the ended link''s meter, beginning and end; no row where there is none.';

CREATE OR REPLACE FUNCTION api.charging_links(
    vehicle_id text,
    meter_id text,
    after_vehicle_id text,
    after_since timestamptz,
    page_size integer
)
RETURNS TABLE (vehicle_id text, meter_id text, since timestamptz, until timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT l.vehicle_id, l.meter_id, lower(l.during), upper(l.during)
    FROM telemetry.charging_link AS l
    WHERE (charging_links.vehicle_id IS NULL OR l.vehicle_id = $1)
        AND (charging_links.meter_id IS NULL OR l.meter_id = $2)
        AND (
            charging_links.after_vehicle_id IS NULL
            OR (l.vehicle_id, coalesce(lower(l.during), '-infinity'))
            > (charging_links.after_vehicle_id, coalesce(charging_links.after_since, '-infinity'))
        )
    ORDER BY l.vehicle_id, coalesce(lower(l.during), '-infinity')
    LIMIT charging_links.page_size
$$;

COMMENT ON FUNCTION api.charging_links(text, text, text, timestamptz, integer) IS
'Takes a vehicle and a meter to look for (null: any), the vehicle and beginning of the last link of the page before (null vehicle: the first page), and a page size. Returns charging links by vehicle and beginning.';

REVOKE ALL ON FUNCTION
    api.put_charging_link(text, text, timestamptz, timestamptz),
    api.end_charging_link(text, timestamptz),
    api.charging_links(text, text, text, timestamptz, integer)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    api.put_charging_link(text, text, timestamptz, timestamptz),
    api.end_charging_link(text, timestamptz),
    api.charging_links(text, text, text, timestamptz, integer)
TO wattledger_service;
