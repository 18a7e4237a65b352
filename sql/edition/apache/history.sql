-- Hours and days of history on the Apache edition: triggers have kept them as the readings came.

CREATE OR REPLACE FUNCTION telemetry.keep_history_rollups(
    dataset text,
    device_ids text[],
    since timestamptz,
    until timestamptz
)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    -- hours of before are kept by nobody any more
    v_until timestamptz := least(until, (
        SELECT d.complete_since
        FROM telemetry.dataset AS d
        WHERE d.dataset = replace(keep_history_rollups.dataset, 'reading', 'energy_hourly')
    ));
BEGIN
    IF v_until <= since THEN
        RETURN;
    ELSIF dataset = 'meter_reading' THEN
        DELETE FROM telemetry.meter_energy_hourly AS h
        WHERE h.meter_id = ANY (keep_history_rollups.device_ids)
            AND h.bucket >= keep_history_rollups.since AND h.bucket < v_until;
    ELSE
        DELETE FROM telemetry.vehicle_energy_hourly AS h
        WHERE h.vehicle_id = ANY (keep_history_rollups.device_ids)
            AND h.bucket >= keep_history_rollups.since AND h.bucket < v_until;
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.keep_history_rollups(text, text[], timestamptz, timestamptz) IS
'Brings hours and days of devices up to date whose history stands among the raw readings: on this edition they are, and hours go that are kept no longer. Takes meter_reading or vehicle_reading, the devices, and a window of whole UTC days (since included, until not). Returns nothing.';
REVOKE ALL ON FUNCTION telemetry.keep_history_rollups(text, text[], timestamptz, timestamptz) FROM PUBLIC;

CREATE OR REPLACE PROCEDURE telemetry.show_history(dataset text, since timestamptz, until timestamptz)
LANGUAGE sql
AS $$
    SELECT
$$;

COMMENT ON PROCEDURE telemetry.show_history (text, timestamptz, timestamptz) IS
'Has hours and days of history seen that are stored: on this edition they are. Takes meter_reading or vehicle_reading and a window of whole UTC days.';
REVOKE ALL ON PROCEDURE telemetry.show_history(text, timestamptz, timestamptz) FROM PUBLIC;
