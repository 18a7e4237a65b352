-- The file of a device: put it, read it, and erase what is personal in it.

CREATE OR REPLACE FUNCTION api.put_device_file(
    side text,
    device_id text,
    name text DEFAULT NULL,
    site text DEFAULT NULL,
    groups text[] DEFAULT '{}',
    plate text DEFAULT NULL,
    address text DEFAULT NULL,
    note text DEFAULT NULL,
    retired_at timestamptz DEFAULT NULL
)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM telemetry.commit_durably();
    PERFORM telemetry.keep_label(
        side || '_reading', device_id, name, site, groups, plate, address, note, retired_at
    );
END;
$$;

COMMENT ON FUNCTION api.put_device_file(text, text, text, text, text[], text, text, text, timestamptz) IS
'Keeps the file of a device in place of the one before. Takes meter or vehicle, the device''s id, its name, site, groups, plate, address and a note, and since when it is retired (NULL: not said). Returns nothing. Raises WL012 where it cannot be kept.';

CREATE OR REPLACE FUNCTION api.device_file(side text, device_id text)
RETURNS TABLE (
    device_id text,
    name text,
    site text,
    groups text[],
    plate text,
    address text,
    note text,
    retired_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT l.device_id, l.name, l.site, l.groups, l.plate, l.address, l.note, l.retired_at
    FROM telemetry.device_label AS l
    WHERE l.dataset = $1 || '_reading' AND l.device_id = $2
$$;

COMMENT ON FUNCTION api.device_file(text, text) IS
'Takes meter or vehicle, and a device''s id. Returns its file: the id, name, site, groups in order, plate, address and note, and since when it is retired (NULL: not said); no row where nothing was said of it.';

CREATE OR REPLACE FUNCTION api.erase_device(side text, device_id text)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM telemetry.commit_durably();
    PERFORM telemetry.erase_label(side || '_reading', device_id);
END;
$$;

COMMENT ON FUNCTION api.erase_device(text, text) IS
'Erases what is personal of a device: name, plate, address and note. Takes meter or vehicle, and the device''s id. Returns nothing. To call it again changes nothing.';

REVOKE ALL ON FUNCTION
    api.put_device_file(text, text, text, text, text[], text, text, text, timestamptz),
    api.device_file(text, text),
    api.erase_device(text, text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    api.put_device_file(text, text, text, text, text[], text, text, text, timestamptz),
    api.device_file(text, text),
    api.erase_device(text, text)
TO wattledger_service;
