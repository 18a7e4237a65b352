-- Changes of charging links by functions of api: one at a time, so that whoever replaces finds all that is in the way,
-- noted as whose it is, and within what a key covers.

CREATE OR REPLACE FUNCTION telemetry.start_link_change(acting_key text)
RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    PERFORM telemetry.commit_durably();
    PERFORM pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('telemetry.charging_link', 0));
    -- for telemetry.note_link_change
    PERFORM pg_catalog.set_config('wattledger.acting_key', coalesce(acting_key, ''), TRUE);
END;
$$;

COMMENT ON FUNCTION telemetry.start_link_change(text) IS
'Takes the id of the key that asks for a change of charging links, or NULL. Waits until no other call changes any, and lets what follows be noted as that key''s, until telemetry.end_link_change or an error.';

CREATE OR REPLACE FUNCTION telemetry.end_link_change()
RETURNS void
LANGUAGE sql VOLATILE
AS $$
    SELECT pg_catalog.set_config('wattledger.acting_key', '', TRUE)
$$;

COMMENT ON FUNCTION telemetry.end_link_change() IS
'Ends what telemetry.start_link_change started: later changes in the same transaction are no key''s.';

CREATE OR REPLACE FUNCTION telemetry.check_link_change(acting_key text, vehicle_id text, meter_id text)
RETURNS void
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    IF telemetry.key_covers_link(acting_key, vehicle_id, meter_id) IS NOT TRUE THEN
        RAISE EXCEPTION 'this key may not speak for the vehicle and the meter of a charging link that this changes'
            USING ERRCODE = 'WL005', HINT = 'Use a key that covers both. Nothing was changed.';
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.check_link_change(text, text, text) IS
'Takes a key''s id (NULL: none, which has no limit), and the vehicle and the meter of a charging link that is about to change. Raises WL005 where the key does not cover both.';

CREATE OR REPLACE FUNCTION telemetry.clear_links(vehicle_id text, meter_id text, during tstzrange, acting_key text)
RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    v_link telemetry.charging_link;
    v_left tstzrange[];
BEGIN
    FOR v_link IN
        SELECT l.*
        FROM telemetry.charging_link AS l
        WHERE (l.vehicle_id = clear_links.vehicle_id OR l.meter_id = clear_links.meter_id)
            AND l.during && clear_links.during
            AND (l.vehicle_id, l.meter_id, lower(l.during)) IS DISTINCT FROM
            (clear_links.vehicle_id, clear_links.meter_id, lower(clear_links.during))
    LOOP
        PERFORM telemetry.check_link_change(clear_links.acting_key, v_link.vehicle_id, v_link.meter_id);
        v_left := ARRAY(
            SELECT p.part
            FROM unnest(tstzmultirange(v_link.during) - tstzmultirange(clear_links.during)) AS p (part)
            ORDER BY p.part
        );
        IF cardinality(v_left) = 0 THEN
            DELETE FROM telemetry.charging_link AS l
            WHERE l.vehicle_id = v_link.vehicle_id AND l.during = v_link.during;
        ELSE
            UPDATE telemetry.charging_link AS l
            SET during = v_left[1]
            WHERE l.vehicle_id = v_link.vehicle_id AND l.during = v_link.during;
            INSERT INTO telemetry.charging_link (vehicle_id, meter_id, during)
            SELECT v_link.vehicle_id, v_link.meter_id, v_left[2]
            WHERE cardinality(v_left) = 2;
        END IF;
    END LOOP;
END;
$$;

COMMENT ON FUNCTION telemetry.clear_links(text, text, tstzrange, text) IS
'Takes a vehicle, a meter, a span of time and the id of the key that asks for it, or NULL. Takes that time out of all charging links of the vehicle or the meter, except one of both that starts at the same moment. Links keep what they have before and after it; one that lies inside it is removed. Raises WL005 where the key does not cover vehicle and meter of one of these.';

CREATE OR REPLACE FUNCTION telemetry.utc_text(moment timestamptz)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

COMMENT ON FUNCTION telemetry.utc_text(timestamptz) IS
'Takes a moment. Returns it as text in RFC 3339, in UTC and to the microsecond; NULL for NULL.';

REVOKE ALL ON FUNCTION
    telemetry.start_link_change(text),
    telemetry.end_link_change(),
    telemetry.check_link_change(text, text, text),
    telemetry.clear_links(text, text, tstzrange, text),
    telemetry.utc_text(timestamptz)
FROM PUBLIC;
