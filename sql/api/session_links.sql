-- Charging links of sessions that are over, as exports of operators tell of them.

CREATE OR REPLACE FUNCTION api.put_session_links(
    vehicle_ids text[],
    meter_ids text[],
    since timestamptz[],
    until timestamptz[]
)
RETURNS TABLE (link_index integer, outcome text, detail text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_link record;
    v_free tstzmultirange;
    v_other telemetry.charging_link;
BEGIN
    IF (cardinality(vehicle_ids) = ALL (ARRAY[
        cardinality(meter_ids), cardinality(put_session_links.since), cardinality(put_session_links.until)
    ])) IS NOT TRUE THEN
        RAISE EXCEPTION 'arrays of charging links differ in length'
            USING ERRCODE = 'WL001', HINT = 'Send one element per link in every array.';
    END IF;

    PERFORM telemetry.start_link_change(NULL);
    FOR v_link IN
        SELECT l.vehicle_id, l.meter_id, l.since, l.until, (l.place - 1)::integer AS place
        FROM unnest(vehicle_ids, meter_ids, put_session_links.since, put_session_links.until)
            WITH ORDINALITY AS l (vehicle_id, meter_id, since, until, place)
        -- as their meters' readings follow one another: of two that overlap the later one gives way
        ORDER BY l.until, l.since, l.place
    LOOP
        link_index := v_link.place;
        detail := NULL;
        IF (v_link.since < v_link.until) IS NOT TRUE THEN
            outcome := 'duplicate';  -- nobody was charged in no time
            RETURN NEXT;
            CONTINUE;
        END IF;
        v_free := tstzmultirange(tstzrange(v_link.since, v_link.until)) - coalesce(
            (
                SELECT range_agg(o.during)
                FROM telemetry.charging_link AS o
                WHERE (o.vehicle_id = v_link.vehicle_id OR o.meter_id = v_link.meter_id)
                    AND o.during && tstzrange(v_link.since, v_link.until)
            ),
            '{}'
        );
        IF isempty(v_free) AND EXISTS (
            SELECT
            FROM telemetry.charging_link AS o
            WHERE o.vehicle_id = v_link.vehicle_id
                AND o.meter_id = v_link.meter_id
                AND o.during && tstzrange(v_link.since, v_link.until)
        ) THEN
            outcome := 'duplicate';
            RETURN NEXT;
        ELSIF isempty(v_free) THEN
            SELECT o.* INTO v_other
            FROM telemetry.charging_link AS o
            WHERE (o.vehicle_id = v_link.vehicle_id OR o.meter_id = v_link.meter_id)
                AND o.during && tstzrange(v_link.since, v_link.until)
            ORDER BY o.during
            LIMIT 1;
            outcome := 'link';
            detail := format(
                'vehicle %s was on meter %s then, from %s until %s',
                v_other.vehicle_id,
                v_other.meter_id,
                coalesce(telemetry.utc_text(lower(v_other.during)), 'ever'),
                coalesce(telemetry.utc_text(upper(v_other.during)), 'further notice')
            );
            RETURN NEXT;
        ELSE
            BEGIN
                INSERT INTO telemetry.charging_link (vehicle_id, meter_id, during)
                SELECT v_link.vehicle_id, v_link.meter_id, f.free
                FROM unnest(v_free) AS f (free);
            -- of other years than there are links of, or where charging stands for good
            EXCEPTION WHEN check_violation OR SQLSTATE 'WL011' THEN
                outcome := 'link';
                detail := sqlerrm;
                RETURN NEXT;
            END;
        END IF;
    END LOOP;
    PERFORM telemetry.end_link_change();
END;
$$;

COMMENT ON FUNCTION api.put_session_links(text[], text[], timestamptz[], timestamptz[]) IS
'Takes the vehicles, meters, starts (included) and ends (not included) of charges that are over, one element per charge. Links each vehicle to its meter for that time, but for what either is linked in already; of two charges that overlap the one that ended first has the time. Returns of those that are not new the place in the arrays (0: the first), the outcome and, where it has one, the detail: duplicate, where the two are linked in that time already or it is none; link, where no time is left or the link is refused. Raises WL001 where the arrays differ in length.';

REVOKE ALL ON FUNCTION api.put_session_links(text[], text[], timestamptz[], timestamptz[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.put_session_links(text[], text[], timestamptz[], timestamptz[]) TO wattledger_service;
