-- Devices with rules of their own, by which their intervals are placed and their registers judged.

CREATE OR REPLACE VIEW ops.device_rules AS
SELECT
    split_part(s.dataset, '_', 1) || ':' || s.device_id AS device,
    s.step,
    s.usual_power_kw,
    s.max_power_kw,
    s.tolerance_kwh,
    s.width_kwh
FROM telemetry.device_setting AS s;

COMMENT ON VIEW ops.device_rules IS
'What ops.set_device_rules has set, one row per device; NULL: as telemetry.register_rules says for all of its side.';
COMMENT ON COLUMN ops.device_rules.device IS 'The device: meter: or vehicle: and its id.';
COMMENT ON COLUMN ops.device_rules.step IS 'How often it reports.';
COMMENT ON COLUMN ops.device_rules.usual_power_kw IS 'Its usual power, in kW.';
COMMENT ON COLUMN ops.device_rules.max_power_kw IS 'Its greatest power, in kW.';
COMMENT ON COLUMN ops.device_rules.tolerance_kwh IS 'How far its register may be off without an event, in kWh.';
COMMENT ON COLUMN ops.device_rules.width_kwh IS 'Where its register rolls over to zero, in kWh.';

CREATE OR REPLACE FUNCTION ops.set_device_rules(
    device text,
    step interval DEFAULT NULL,
    usual_power_kw double precision DEFAULT NULL,
    max_power_kw double precision DEFAULT NULL,
    tolerance_kwh double precision DEFAULT NULL,
    width_kwh double precision DEFAULT NULL
)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_device record;
    v_is_known boolean;
BEGIN
    SELECT d.dataset, d.device_id INTO v_device FROM telemetry.named_device(device) AS d;
    -- the state first, as all who write of a device
    IF v_device.dataset = 'meter_reading' THEN
        UPDATE telemetry.meter_state AS s SET max_power_kw = set_device_rules.max_power_kw
        WHERE s.meter_id = v_device.device_id;
    ELSE
        UPDATE telemetry.vehicle_state AS s SET max_power_kw = set_device_rules.max_power_kw
        WHERE s.vehicle_id = v_device.device_id;
    END IF;
    -- nothing waits where nothing is stored
    v_is_known := found;
    IF num_nonnulls(step, usual_power_kw, max_power_kw, tolerance_kwh, width_kwh) = 0 THEN
        DELETE FROM telemetry.device_setting AS s
        WHERE s.dataset = v_device.dataset AND s.device_id = v_device.device_id;
    ELSE
        INSERT INTO telemetry.device_setting AS s (
            dataset, device_id, step, usual_power_kw, max_power_kw, tolerance_kwh, width_kwh
        )
        VALUES (
            v_device.dataset,
            v_device.device_id,
            set_device_rules.step,
            set_device_rules.usual_power_kw,
            set_device_rules.max_power_kw,
            set_device_rules.tolerance_kwh,
            set_device_rules.width_kwh
        )
        ON CONFLICT ON CONSTRAINT device_setting_pkey DO UPDATE SET
            step = excluded.step,
            usual_power_kw = excluded.usual_power_kw,
            max_power_kw = excluded.max_power_kw,
            tolerance_kwh = excluded.tolerance_kwh,
            width_kwh = excluded.width_kwh;
    END IF;
    IF v_is_known THEN
        PERFORM telemetry.queue_whole(v_device.dataset, ARRAY[v_device.device_id], INTERVAL '0');
    END IF;
EXCEPTION WHEN check_violation THEN
    RAISE EXCEPTION 'these rules of % cannot be kept', device
        USING ERRCODE = 'WL020',
            HINT = 'A step is more than 0 and at most 31 days, powers and the tolerance are from 0 to 1,000,000, a width is more than 0 and at most 1,000,000,000 kWh.';
END;
$$;

COMMENT ON FUNCTION ops.set_device_rules(
    text, interval, double precision, double precision, double precision, double precision
) IS
'Says what is known of a device, in place of what was said before; what raw history keeps of it is judged anew. Takes the device (meter: or vehicle: and its id), how often it reports, its usual and its greatest power in kW, how far its register may be off without an event in kWh, and where that rolls over to zero in kWh (NULL: as telemetry.register_rules says). Returns nothing. Raises WL026 where no device is named, WL020 for settings that cannot be kept.';

REVOKE ALL ON ops.device_rules FROM PUBLIC;
GRANT SELECT ON ops.device_rules TO wattledger_dba;
REVOKE ALL ON FUNCTION ops.set_device_rules(
    text, interval, double precision, double precision, double precision, double precision
) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ops.set_device_rules(
    text, interval, double precision, double precision, double precision, double precision
) TO wattledger_dba;
