-- Charging links, which say which meter feeds which vehicle: put, end, list.

CREATE OR REPLACE FUNCTION api.put_charging_link(
    vehicle_id text,
    meter_id text,
    since timestamptz,
    until timestamptz,
    replace boolean DEFAULT FALSE,
    acting_key text DEFAULT NULL
)
RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_during tstzrange;
    v_is_new boolean;
    v_other telemetry.charging_link;
    v_is_told boolean;
    v_constraint text;
BEGIN
    IF since >= until THEN
        RAISE EXCEPTION 'a charging link must begin before it ends'
            USING ERRCODE = 'WL002', HINT = 'Send a "to" that is later than "from", or leave it out.';
    END IF;
    v_during := tstzrange(since, until);

    PERFORM telemetry.check_link_change(acting_key, vehicle_id, meter_id);
    PERFORM telemetry.start_link_change(acting_key);
    IF replace THEN
        PERFORM telemetry.clear_links(vehicle_id, meter_id, v_during, acting_key);
    END IF;
    UPDATE telemetry.charging_link AS l
    SET during = v_during
    WHERE l.vehicle_id = put_charging_link.vehicle_id
        AND l.meter_id = put_charging_link.meter_id
        AND coalesce(lower(l.during), '-infinity') = coalesce(put_charging_link.since, '-infinity');
    v_is_new := NOT found;
    IF v_is_new THEN
        INSERT INTO telemetry.charging_link (vehicle_id, meter_id, during)
        VALUES (put_charging_link.vehicle_id, put_charging_link.meter_id, v_during);
    END IF;
    PERFORM telemetry.end_link_change();
    RETURN v_is_new;
EXCEPTION
    WHEN check_violation THEN
        GET STACKED DIAGNOSTICS v_constraint = CONSTRAINT_NAME;
        IF v_constraint <> 'charging_link_times' THEN
            RAISE;
        END IF;
        RAISE EXCEPTION 'a charging link is of the years 2000 to 2099'
            USING ERRCODE = 'WL006',
                HINT = 'Numbers are milliseconds since 1970, not seconds. Leave "from" out for since ever, "to" for until further notice.';
    WHEN exclusion_violation THEN
        SELECT l.*
        INTO v_other
        FROM telemetry.charging_link AS l
        WHERE (l.vehicle_id = put_charging_link.vehicle_id OR l.meter_id = put_charging_link.meter_id)
            AND l.during && v_during
            AND (l.vehicle_id, l.meter_id, lower(l.during)) IS DISTINCT FROM
            (put_charging_link.vehicle_id, put_charging_link.meter_id, put_charging_link.since)
        ORDER BY lower(l.during) NULLS FIRST
        LIMIT 1;
        v_is_told := telemetry.key_covers_link(acting_key, v_other.vehicle_id, v_other.meter_id);
        RAISE EXCEPTION 'the charging link overlaps another: %',
            CASE
                WHEN v_other.vehicle_id IS NULL THEN 'one that was just put'
                WHEN v_is_told THEN format(
                    'vehicle %s is on meter %s from %s until %s',
                    v_other.vehicle_id,
                    v_other.meter_id,
                    coalesce(telemetry.utc_text(lower(v_other.during)), 'ever'),
                    coalesce(telemetry.utc_text(upper(v_other.during)), 'further notice')
                )
                ELSE 'one of a vehicle or a meter that this key may not speak for'
            END
            USING ERRCODE = 'WL003',
                HINT = CASE WHEN v_other.vehicle_id IS NULL OR NOT v_is_told THEN
                    'Choose "from" and "to" so that the two do not overlap.'
                ELSE format(
                    'Send "replace": true to take the time of this one out of all others; or end the other one by DELETE /v1/links/%1$s?at=TIME, or remove it by DELETE /v1/links/%1$s?at=%2$s&remove=true; or choose "from" and "to" so that the two do not overlap.',
                    v_other.vehicle_id,
                    -- a time at which it is there
                    telemetry.utc_text(
                        coalesce(
                            lower(v_other.during),
                            put_charging_link.since,
                            least(upper(v_other.during), put_charging_link.until) - INTERVAL '1 second',
                            now()
                        )
                    )
                )
                END;
END;
$$;

COMMENT ON FUNCTION api.put_charging_link(text, text, timestamptz, timestamptz, boolean, text) IS
'Takes a vehicle, the meter that feeds it, from when (included; NULL: since ever) and until when (not included; NULL: until further notice), whether to take that time out of all other links of either (what they have before and after it stays), and the id of the key that asks for it (NULL: none). Puts the link, or moves the end of the one of the same vehicle, meter and start. Returns whether the link is new. Raises WL002 where it ends before it starts, WL003 where the vehicle or the meter is linked elsewhere in that time, WL005 where the key does not cover the vehicle and the meter of all links that change, WL006 where an end is not of the years 2000 to 2099.';

CREATE OR REPLACE FUNCTION api.end_charging_link(
    vehicle_id text,
    ended_at timestamptz,
    remove boolean DEFAULT FALSE,
    acting_key text DEFAULT NULL
)
RETURNS TABLE (meter_id text, since timestamptz, until timestamptz, removed boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_ended_at timestamptz := coalesce(end_charging_link.ended_at, now());
    v_link telemetry.charging_link;
BEGIN
    PERFORM telemetry.start_link_change(end_charging_link.acting_key);
    SELECT l.*
    INTO v_link
    FROM telemetry.charging_link AS l
    WHERE l.vehicle_id = end_charging_link.vehicle_id AND l.during @> v_ended_at;
    IF NOT found THEN
        RETURN;
    END IF;
    PERFORM telemetry.check_link_change(end_charging_link.acting_key, v_link.vehicle_id, v_link.meter_id);
    end_charging_link.meter_id := v_link.meter_id;
    end_charging_link.since := lower(v_link.during);
    end_charging_link.removed := remove OR coalesce(lower(v_link.during) = v_ended_at, FALSE);

    IF NOT end_charging_link.removed THEN
        UPDATE telemetry.charging_link AS l
        SET during = tstzrange(lower(l.during), v_ended_at)
        WHERE l.vehicle_id = v_link.vehicle_id AND l.during = v_link.during;
        end_charging_link.until := v_ended_at;
    ELSE
        -- whoever ended the one before and asks again, since no answer came, does not mean this one
        IF NOT remove AND EXISTS (
            SELECT FROM telemetry.charging_link AS l
            WHERE l.vehicle_id = v_link.vehicle_id
                AND l.during && tstzrange(v_ended_at - INTERVAL '1 microsecond', v_ended_at)
        ) THEN
            RAISE EXCEPTION 'at that time one charging link of the vehicle ends already, and another starts'
                USING ERRCODE = 'WL007', HINT = 'Send remove=true to remove the one that starts then.';
        END IF;
        DELETE FROM telemetry.charging_link AS l
        WHERE l.vehicle_id = v_link.vehicle_id AND l.during = v_link.during;
        end_charging_link.until := upper(v_link.during);
    END IF;
    PERFORM telemetry.end_link_change();
    RETURN NEXT;
EXCEPTION WHEN check_violation THEN
    RAISE EXCEPTION 'a charging link is of the years 2000 to 2099'
        USING ERRCODE = 'WL006', HINT = 'Numbers are milliseconds since 1970, not seconds.';
END;
$$;

COMMENT ON FUNCTION api.end_charging_link(text, timestamptz, boolean, text) IS
'Takes a vehicle, a time (NULL: now), whether to remove instead of ending, and the id of the key that asks for it (NULL: none). Ends the charging link that the vehicle has at that time, then; or removes it wholly, as it does where the link starts at that very time and nothing of it would be left. Returns the link''s meter, its start, its end (as it was, where the link was removed), and whether it was removed; no row where there is no link. Raises WL005 where the key does not cover both the vehicle and the meter, WL006 where the time is not of the years 2000 to 2099, WL007 where it was not told to remove and another link of the vehicle ended at the time at which this one starts.';

CREATE OR REPLACE FUNCTION api.charging_links(
    of_vehicle_id text,
    of_meter_id text,
    after text,
    after_since timestamptz,
    page_size integer,
    acting_key text DEFAULT NULL
)
RETURNS TABLE (vehicle_id text, meter_id text, since timestamptz, until timestamptz, place text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan  -- each of the questions that this is has an index of its own
SET enable_sort = off  -- which it reads in order, as far as the page goes
SET enable_bitmapscan = off
AS $$
DECLARE
    v_sorted_by jsonb;
    -- of no link, and before all
    v_vehicle_id text := '';
    v_since timestamptz := '-infinity'::timestamptz;
BEGIN
    IF strpos(after, '/') > 0 THEN
        v_sorted_by := telemetry.sorted_by(after, 'links', ARRAY['string', 'number']);
        v_vehicle_id := v_sorted_by ->> 0;
        v_since := to_timestamp((v_sorted_by ->> 1)::double precision);
    ELSIF after IS NOT NULL THEN
        v_vehicle_id := after;
        v_since := coalesce(after_since, '-infinity');
    END IF;

    RETURN QUERY
    SELECT
        l.vehicle_id,
        l.meter_id,
        lower(l.during),
        upper(l.during),
        -- 1970 comes after the one that has no start, and before all that have one
        telemetry.place(
            'links', jsonb_build_array(l.vehicle_id, coalesce(extract(EPOCH FROM lower(l.during)), 0))
        )
    FROM telemetry.charging_link AS l
    WHERE (charging_links.of_vehicle_id IS NULL OR l.vehicle_id = charging_links.of_vehicle_id)
        AND (charging_links.of_meter_id IS NULL OR l.meter_id = charging_links.of_meter_id)
        AND (l.vehicle_id, coalesce(lower(l.during), '-infinity')) > (v_vehicle_id, v_since)
        AND (
            charging_links.acting_key IS NULL
            OR telemetry.key_covers_link(charging_links.acting_key, l.vehicle_id, l.meter_id)
        )
    ORDER BY l.vehicle_id, coalesce(lower(l.during), '-infinity')
    LIMIT charging_links.page_size;
END;
$$;

COMMENT ON FUNCTION api.charging_links(text, text, text, timestamptz, integer, text) IS
'Takes a vehicle and a meter to look for (NULL: any), the place of the last link of the page before, or its vehicle and start (NULL: the first page), a page size, and the id of the key that asks (NULL: none). Returns charging links by vehicle and start, of a key only those whose vehicle and meter it covers; each with its place in that order. Raises WL008 where the place cannot be read.';

REVOKE ALL ON FUNCTION
    api.put_charging_link(text, text, timestamptz, timestamptz, boolean, text),
    api.end_charging_link(text, timestamptz, boolean, text),
    api.charging_links(text, text, text, timestamptz, integer, text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    api.put_charging_link(text, text, timestamptz, timestamptz, boolean, text),
    api.end_charging_link(text, timestamptz, boolean, text),
    api.charging_links(text, text, text, timestamptz, integer, text)
TO wattledger_service;
