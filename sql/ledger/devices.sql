-- Devices as DBAs name them, and from which day on one is to be settled once something was said about it.

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

CREATE OR REPLACE FUNCTION telemetry.settle_soon(dataset text, device_id text, day date)
RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO telemetry.settle_queue AS q (dataset, device_id, day, due_at)
    VALUES (settle_soon.dataset, settle_soon.device_id, settle_soon.day, now())
    ON CONFLICT ON CONSTRAINT settle_queue_pkey DO UPDATE SET due_at = excluded.due_at
    WHERE q.due_at > excluded.due_at
$$;

COMMENT ON FUNCTION telemetry.settle_soon(text, text, date) IS
'Has a device be settled from a UTC day on, as soon as possible. Takes its dataset, its id and the day. Returns nothing.';

REVOKE ALL ON FUNCTION
    telemetry.named_device(text),
    telemetry.settle_soon(text, text, date)
FROM PUBLIC;
