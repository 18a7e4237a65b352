-- The file of each device, which is said as a whole, and of which what is personal can be erased.

CREATE OR REPLACE FUNCTION telemetry.is_retired(dataset text, device_id text)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (
        SELECT FROM telemetry.device_label AS l
        WHERE l.dataset = $1 AND l.device_id = $2 AND l.retired_at <= now()
    )
$$;

COMMENT ON FUNCTION telemetry.is_retired(text, text) IS
'Takes meter_reading or vehicle_reading, and a device. Returns whether it is no longer expected to report.';

CREATE OR REPLACE FUNCTION telemetry.labelled(dataset text, site text, of_group text)
RETURNS TABLE (device_id text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT l.device_id
    FROM telemetry.device_label AS l
    WHERE l.dataset = $1
        AND ($2 IS NULL OR l.site = $2)
        AND ($3 IS NULL OR l.groups @> ARRAY[$3])
$$;

COMMENT ON FUNCTION telemetry.labelled(text, text, text) IS
'Takes meter_reading or vehicle_reading, a site and a group (NULL: any). Returns the devices whose files have these.';

CREATE OR REPLACE FUNCTION telemetry.look_at_retired(dataset text, device_id text)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM telemetry.queue_alerts(replace(look_at_retired.dataset, '_reading', ''), ARRAY[look_at_retired.device_id], now());
    UPDATE telemetry.alert_watch SET looked_at = '-infinity';
END;
$$;

COMMENT ON FUNCTION telemetry.look_at_retired(text, text) IS
'Takes meter_reading or vehicle_reading, and a device that was retired or is again in use. Has its alerts looked at, of meters whether they are silent. Returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.keep_label(
    dataset text,
    device_id text,
    name text,
    site text,
    groups text[],
    plate text,
    address text,
    note text,
    retired_at timestamptz
)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_was_retired_at timestamptz;
    -- so that the same is kept however it is said
    v_groups text[] := ARRAY(
        SELECT DISTINCT g.name FROM unnest(groups) AS g (name) ORDER BY g.name
    );
BEGIN
    IF EXISTS (SELECT FROM unnest(v_groups) AS g (name) WHERE length(g.name) > 200) THEN
        RAISE check_violation;
    END IF;
    SELECT l.retired_at INTO v_was_retired_at
    FROM telemetry.device_label AS l
    WHERE l.dataset = keep_label.dataset AND l.device_id = keep_label.device_id
    FOR UPDATE;
    IF num_nonnulls(name, site, plate, address, note, retired_at) = 0 AND cardinality(v_groups) = 0 THEN
        DELETE FROM telemetry.device_label AS l
        WHERE l.dataset = keep_label.dataset AND l.device_id = keep_label.device_id;
    ELSE
        INSERT INTO telemetry.device_label AS l (
            dataset, device_id, name, site, groups, plate, address, note, retired_at
        )
        VALUES (
            keep_label.dataset,
            keep_label.device_id,
            keep_label.name,
            keep_label.site,
            v_groups,
            keep_label.plate,
            keep_label.address,
            keep_label.note,
            keep_label.retired_at
        )
        ON CONFLICT ON CONSTRAINT device_label_pkey DO UPDATE SET
            name = excluded.name,
            site = excluded.site,
            groups = excluded.groups,
            plate = excluded.plate,
            address = excluded.address,
            note = excluded.note,
            retired_at = excluded.retired_at
        WHERE (l.name, l.site, l.groups, l.plate, l.address, l.note, l.retired_at) IS DISTINCT FROM
            (excluded.name, excluded.site, excluded.groups, excluded.plate, excluded.address, excluded.note, excluded.retired_at);
    END IF;
    IF v_was_retired_at IS DISTINCT FROM retired_at THEN
        PERFORM telemetry.look_at_retired(dataset, device_id);
    END IF;
EXCEPTION WHEN check_violation THEN
    -- without PostgreSQL's own words, which have the whole row in them, and would be logged
    RAISE EXCEPTION 'this file of % cannot be kept', device_id
        USING ERRCODE = 'WL012',
            HINT = 'Texts have 1 to 200 characters, of which none is a control character; groups are at most 20; a device is retired in the years 2000 to 2099.';
END;
$$;

COMMENT ON FUNCTION telemetry.keep_label(text, text, text, text, text[], text, text, text, timestamptz) IS
'Keeps the file of a device, in place of the one before; one that says nothing is none. Takes meter_reading or vehicle_reading, the device, its name, site, groups, plate, address and a note, and since when it is retired (NULL: not said). Returns nothing. Raises WL012 where it cannot be kept.';

CREATE OR REPLACE FUNCTION telemetry.erase_label(dataset text, device_id text)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE telemetry.device_label AS l
    SET name = NULL, plate = NULL, address = NULL, note = NULL
    WHERE l.dataset = erase_label.dataset
        AND l.device_id = erase_label.device_id
        AND num_nonnulls(l.name, l.plate, l.address, l.note) > 0;
    -- one that says nothing is none
    DELETE FROM telemetry.device_label AS l
    WHERE l.dataset = erase_label.dataset
        AND l.device_id = erase_label.device_id
        AND num_nonnulls(l.name, l.site, l.plate, l.address, l.note, l.retired_at) = 0
        AND l.groups = '{}';
END;
$$;

COMMENT ON FUNCTION telemetry.erase_label(text, text) IS
'Erases what is personal of a device: name, plate, address and note; its site, groups and energy stay. Takes meter_reading or vehicle_reading, and the device. Returns nothing. To call it again changes nothing.';

REVOKE ALL ON FUNCTION
    telemetry.is_retired(text, text),
    telemetry.labelled(text, text, text),
    telemetry.look_at_retired(text, text),
    telemetry.keep_label(text, text, text, text, text[], text, text, text, timestamptz),
    telemetry.erase_label(text, text)
FROM PUBLIC;
