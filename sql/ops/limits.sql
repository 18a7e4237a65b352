-- Bounds of measurements: see them, change them, and see what was discarded by them.

CREATE OR REPLACE VIEW ops.limits AS
SELECT
    l.dataset,
    l.field,
    l.minimum,
    l.maximum,
    l.when_outside
FROM telemetry.limits AS l;

COMMENT ON VIEW ops.limits IS 'The bounds of each measured field, one row per dataset and field.';
COMMENT ON COLUMN ops.limits.dataset IS 'meter_reading or vehicle_reading.';
COMMENT ON COLUMN ops.limits.field IS 'The measured quantity, with its unit in the name.';
COMMENT ON COLUMN ops.limits.minimum IS 'The least value accepted, in the unit that the field''s name gives.';
COMMENT ON COLUMN ops.limits.maximum IS 'The greatest value accepted, in the unit that the field''s name gives.';
COMMENT ON COLUMN ops.limits.when_outside IS
'refuse: a reading with such a value is refused as out_of_range. store_null: the value is taken as not reported, and counted in ops.discarded_measurements.';

CREATE OR REPLACE VIEW ops.discarded_measurements AS
SELECT
    d.dataset,
    d.field,
    d.device_id,
    d.discarded,
    d.last_value,
    d.last_read_at,
    d.last_received_at
FROM telemetry.discarded_measurement AS d;

COMMENT ON VIEW ops.discarded_measurements IS
'Devices that sent values outside their bounds which were stored as NULL, one row per device and field.';
COMMENT ON COLUMN ops.discarded_measurements.dataset IS 'meter_reading or vehicle_reading.';
COMMENT ON COLUMN ops.discarded_measurements.field IS 'The measured quantity, with its unit in the name.';
COMMENT ON COLUMN ops.discarded_measurements.device_id IS 'The meter''s or vehicle''s id.';
COMMENT ON COLUMN ops.discarded_measurements.discarded IS 'How many stored readings had such a value.';
COMMENT ON COLUMN ops.discarded_measurements.last_value IS 'The value of the one that was stored last.';
COMMENT ON COLUMN ops.discarded_measurements.last_read_at IS 'When that one was taken, by the device''s clock.';
COMMENT ON COLUMN ops.discarded_measurements.last_received_at IS 'When that one was stored.';

CREATE OR REPLACE FUNCTION ops.set_limit(
    dataset text,
    field text,
    minimum double precision DEFAULT NULL,
    maximum double precision DEFAULT NULL,
    when_outside text DEFAULT NULL
)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE telemetry.limits AS l
    SET minimum = coalesce(set_limit.minimum, l.minimum),
        maximum = coalesce(set_limit.maximum, l.maximum),
        when_outside = coalesce(set_limit.when_outside, l.when_outside)
    WHERE l.dataset = set_limit.dataset AND l.field = set_limit.field;
    IF NOT found THEN
        RAISE EXCEPTION 'there are no bounds of % in %', set_limit.field, set_limit.dataset
            USING ERRCODE = 'WL021', HINT = 'ops.limits lists the datasets and their fields.';
    END IF;
EXCEPTION WHEN check_violation THEN
    RAISE EXCEPTION 'these bounds of % in % cannot be kept', set_limit.field, set_limit.dataset
        USING ERRCODE = 'WL020',
            HINT = 'The minimum may not be above the maximum, both lie within 2,000,000 of 0, when_outside is refuse or store_null, and energy is always refused.';
END;
$$;

COMMENT ON FUNCTION ops.set_limit(text, text, double precision, double precision, text) IS
'Changes the bounds of a measured field for the readings to come. Takes meter_reading or vehicle_reading, a field of ops.limits, the least and the greatest value accepted (NULL: as before), and what becomes of a reading with a value outside: refuse, or store_null, which stores the rest of it and counts the value in ops.discarded_measurements (NULL: as before). Returns nothing. Raises WL021 for an unknown field, WL020 for bounds that cannot be kept.';

REVOKE ALL ON ops.limits, ops.discarded_measurements FROM PUBLIC;
GRANT SELECT ON ops.limits, ops.discarded_measurements TO wattledger_dba;
REVOKE ALL ON FUNCTION ops.set_limit(text, text, double precision, double precision, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ops.set_limit(text, text, double precision, double precision, text) TO wattledger_dba;
