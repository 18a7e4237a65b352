-- Coverage and efficiency: how they are judged, the same wherever they are shown.

-- these are unpinned and run with the caller's rights, so that the planner can inline them

CREATE OR REPLACE FUNCTION telemetry.coverage(
    samples bigint,
    window_length interval,
    reading_interval interval
)
RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    -- a device that reports more often than expected does not make up for one that was silent
    SELECT round(
        least(
            1, samples / greatest(1, ceil(date_part('epoch', window_length) / date_part('epoch', reading_interval)))
        )::numeric,
        4
    )
$$;

COMMENT ON FUNCTION telemetry.coverage(bigint, interval, interval) IS
'Takes how many readings came, the length of the window and how often a device reports. Returns the share of the expected readings that came, 0 to 1.';

CREATE OR REPLACE FUNCTION telemetry.efficiency(ac_mwh numeric, dc_mwh numeric)
RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT round(dc_mwh / nullif(ac_mwh, 0), 6)
$$;

COMMENT ON FUNCTION telemetry.efficiency(numeric, numeric) IS
'Takes AC energy drawn and DC energy delivered, in one unit. Returns DC / AC, NULL where no AC was drawn.';

-- its body is read now, and not when it is called: views of bi call it for roles that cannot look into this schema
CREATE OR REPLACE FUNCTION telemetry.efficiency_status(
    ac_mwh numeric,
    dc_mwh numeric,
    meter_coverage numeric,
    vehicle_coverage numeric,
    rules telemetry.rules
)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN least(meter_coverage, vehicle_coverage) < (rules).sufficient_coverage THEN 'insufficient'
    WHEN greatest(ac_mwh, dc_mwh) < telemetry.mwh((rules).sufficient_energy_kwh) THEN 'insufficient'
    WHEN dc_mwh > ac_mwh THEN 'impossible'
    WHEN dc_mwh < ac_mwh * (rules).degraded_below THEN 'degraded'
    ELSE 'healthy'
END;

COMMENT ON FUNCTION telemetry.efficiency_status(numeric, numeric, numeric, numeric, telemetry.rules) IS
'Takes AC and DC energy in milliwatt-hours, the coverage of the meter''s and the vehicle''s side, and the row of telemetry.rules. Returns insufficient (too little energy or coverage to say), impossible (more DC than AC: a metering fault), degraded (below the threshold) or healthy.';

CREATE OR REPLACE FUNCTION telemetry.window_status(
    is_linked boolean,
    has_readings boolean,
    ac_mwh numeric,
    dc_mwh numeric,
    meter_coverage numeric,
    vehicle_coverage numeric,
    rules telemetry.rules
)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN NOT is_linked THEN 'unlinked'
        WHEN NOT has_readings THEN 'no_data'
        ELSE telemetry.efficiency_status(ac_mwh, dc_mwh, meter_coverage, vehicle_coverage, rules)
    END
$$;

COMMENT ON FUNCTION telemetry.window_status(boolean, boolean, numeric, numeric, numeric, numeric, telemetry.rules) IS
'Takes whether any vehicle was linked in a window, whether there are readings of that, and what telemetry.efficiency_status takes. Returns unlinked, no_data, or what that function does.';

REVOKE ALL ON FUNCTION
    telemetry.coverage(bigint, interval, interval),
    telemetry.efficiency(numeric, numeric),
    telemetry.efficiency_status(numeric, numeric, numeric, numeric, telemetry.rules),
    telemetry.window_status(boolean, boolean, numeric, numeric, numeric, numeric, telemetry.rules)
FROM PUBLIC;
-- views of bi call them with the rights of whoever asks
GRANT EXECUTE ON FUNCTION
    telemetry.coverage(bigint, interval, interval),
    telemetry.efficiency(numeric, numeric),
    telemetry.efficiency_status(numeric, numeric, numeric, numeric, telemetry.rules)
TO wattledger_bi;
