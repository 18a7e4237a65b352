-- Settled days: which of them stand, and where the fold of a device goes on from.

-- unpinned and with the caller's rights, as views need it
CREATE OR REPLACE FUNCTION telemetry.is_settled_for_good(is_final boolean, day_end timestamptz, kept_since timestamptz)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    -- a day whose readings are gone, by whatever hands, stands as it is
    SELECT is_final OR day_end <= kept_since
$$;

COMMENT ON FUNCTION telemetry.is_settled_for_good(boolean, timestamptz, timestamptz) IS
'Takes whether a day of telemetry.settled_day is final, its end, and the midnight since which raw readings of its side are kept. Returns whether nothing that comes changes any more how the day ended.';

CREATE OR REPLACE FUNCTION telemetry.settled_before(dataset text, device_id text, day date)
RETURNS telemetry.settled_day
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_kept_since timestamptz;
    v_found telemetry.settled_day;
BEGIN
    SELECT telemetry.ceiling_day(k.complete_since) INTO v_kept_since
    FROM telemetry.dataset AS k
    WHERE k.dataset = settled_before.dataset;
    SELECT d.* INTO v_found
    FROM telemetry.settled_day AS d
    WHERE d.dataset = settled_before.dataset
        AND d.device_id = settled_before.device_id
        AND d.day < settled_before.day
        AND telemetry.is_settled_for_good(d.is_final, telemetry.day_start(d.day + 1), v_kept_since)
    ORDER BY d.day DESC
    LIMIT 1;
    RETURN v_found;
END;
$$;

COMMENT ON FUNCTION telemetry.settled_before(text, text, date) IS
'Takes meter_reading or vehicle_reading, a device and a UTC day. Returns the last day before it that is settled for good, from whose end the device''s fold goes on; all NULL where there is none.';

REVOKE ALL ON FUNCTION
    telemetry.is_settled_for_good(boolean, timestamptz, timestamptz),
    telemetry.settled_before(text, text, date)
FROM PUBLIC;
-- views of bi and ops call it with the rights of whoever asks
GRANT EXECUTE ON FUNCTION telemetry.is_settled_for_good(boolean, timestamptz, timestamptz)
TO wattledger_bi, wattledger_dba;
