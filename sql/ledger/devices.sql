-- Devices as DBAs name them.

CREATE OR REPLACE FUNCTION telemetry.named_device(device text, OUT dataset text, OUT device_id text)
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- the first side said counts: meter:meter:1 is the meter whose id is meter:1
    dataset := CASE
        WHEN starts_with(device, 'meter:') THEN 'meter_reading'
        WHEN starts_with(device, 'vehicle:') THEN 'vehicle_reading'
    END;
    device_id := substr(device, strpos(device, ':') + 1);
    IF (dataset IS NOT NULL AND length(device_id) BETWEEN 1 AND 128) IS NOT TRUE THEN
        RAISE EXCEPTION '"%" does not name a device', coalesce(device, 'null')
            USING ERRCODE = 'WL026', HINT = 'Say its side too: meter:M-1, or vehicle:V-1.';
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.named_device(text) IS
'Takes a device as DBAs name it: meter: or vehicle: and its id. Returns its dataset, meter_reading or vehicle_reading, and its id. Raises WL026 where it is not of that form.';

REVOKE ALL ON FUNCTION telemetry.named_device(text) FROM PUBLIC;
