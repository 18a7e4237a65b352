-- The file of a device: what people call it, where it is, and since when it is retired.

CREATE OR REPLACE FUNCTION ops.set_device(
    device text,
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
    PERFORM telemetry.keep_label(
        d.dataset,
        d.device_id,
        set_device.name,
        set_device.site,
        set_device.groups,
        set_device.plate,
        set_device.address,
        set_device.note,
        set_device.retired_at
    )
    FROM telemetry.named_device(device) AS d;
END;
$$;

COMMENT ON FUNCTION ops.set_device(text, text, text, text[], text, text, text, timestamptz) IS
'Says what people know of a device, in place of the whole of what was said before; bi.meter and bi.vehicle show it. Takes the device (meter: or vehicle: and its id, which need never have reported), its name, site, groups, plate, address and a note, and since when it is retired, no longer expected to report (NULL: not said). Name, plate, address and note are personal: see ops.erase_device. Returns nothing. Raises WL026 where no device is named, WL012 for a text that is empty, longer than 200 characters or has a control character, more than 20 groups, or a time that is not of the years 2000 to 2099.';

CREATE OR REPLACE FUNCTION ops.erase_device(device text)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM telemetry.erase_label(d.dataset, d.device_id) FROM telemetry.named_device(device) AS d;
END;
$$;

COMMENT ON FUNCTION ops.erase_device(text) IS
'Erases what is personal of a device: name, plate, address and note. Its site, groups, readings and energy stay. Takes the device: meter: or vehicle: and its id. Returns nothing. Raises WL026 where no device is named. To call it again changes nothing.';

REVOKE ALL ON FUNCTION
    ops.set_device(text, text, text, text[], text, text, text, timestamptz),
    ops.erase_device(text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    ops.set_device(text, text, text, text[], text, text, text, timestamptz),
    ops.erase_device(text)
TO wattledger_dba;
