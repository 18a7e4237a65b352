-- Intervals of readings: since when the energy of a reading flowed, and how it is placed in time.

-- these are unpinned and run with the caller's rights, so that the planner can inline them

CREATE OR REPLACE FUNCTION telemetry.part_before(
    moment timestamptz,
    energy_mwh bigint,
    since timestamptz,
    until timestamptz
)
RETURNS bigint
-- as extract() is for PostgreSQL: a function that promises more is not inlined
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN moment <= since THEN 0
        WHEN moment >= until THEN energy_mwh
        -- epochs are numeric, to the microsecond; the quotient's whole part, so that parts add up to the last digit
        ELSE div(
            energy_mwh * (extract(EPOCH FROM moment) - extract(EPOCH FROM since)),
            extract(EPOCH FROM until) - extract(EPOCH FROM since)
        )::bigint
    END
$$;

COMMENT ON FUNCTION telemetry.part_before(timestamptz, bigint, timestamptz, timestamptz) IS
'Takes a moment, the energy of an interval in milliwatt-hours, and its start and end. Returns what of it flowed before the moment, in proportion to time, rounded down to the milliwatt-hour: pieces between moments are differences of this, and add up exactly.';

CREATE OR REPLACE FUNCTION telemetry.is_apportioned(
    energy_mwh bigint,
    since timestamptz,
    until timestamptz,
    rules telemetry.register_rules
)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT coalesce(
        energy_mwh <> 0
        AND until - since > (rules).apportioned_above
        AND telemetry.floor_hour(since) <> telemetry.floor_hour(until),
        FALSE
    )
$$;

COMMENT ON FUNCTION telemetry.is_apportioned(bigint, timestamptz, timestamptz, telemetry.register_rules) IS
'Takes the energy of an interval, its start (NULL: not told) and end, and the device''s rules. Returns whether it is cut at the hours; else it counts where it ends.';

CREATE OR REPLACE FUNCTION telemetry.fits_one_step(energy_mwh bigint, rules telemetry.register_rules)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT energy_mwh
        <= telemetry.mwh((rules).usual_power_kw / 3600 * extract(EPOCH FROM (rules).step)::double precision)
$$;

COMMENT ON FUNCTION telemetry.fits_one_step(bigint, telemetry.register_rules) IS
'Takes energy in milliwatt-hours and the device''s rules. Returns whether it can have flowed within one step at the usual power.';

-- in PL/pgSQL, since the planner does not inline what takes an expression more than once
CREATE OR REPLACE FUNCTION telemetry.difference_since(
    read_at timestamptz,
    energy_mwh bigint,
    reported_since timestamptz,
    previous_at timestamptz,
    rules telemetry.register_rules
)
RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN CASE
        -- clocks round: what was told before is not told again
        WHEN reported_since IS NOT NULL THEN greatest(reported_since, previous_at, read_at - rules.from_within)
        WHEN previous_at IS NULL THEN read_at - rules.step
        WHEN read_at - previous_at <= greatest(rules.silence, rules.step * 1.5) THEN previous_at
        -- it slept, or it was cut off
        WHEN telemetry.fits_one_step(energy_mwh, rules) THEN greatest(read_at - rules.step, previous_at)
        ELSE previous_at
    END;
END;
$$;

COMMENT ON FUNCTION telemetry.difference_since(
    timestamptz, bigint, timestamptz, timestamptz, telemetry.register_rules
) IS
'Takes the time and energy (milliwatt-hours) of a difference, since when it flowed as the device told (NULL: not told), the device''s previous reading (NULL: none) and its rules. Returns since when the energy flowed: as told, else since the previous reading, else, after a longer silence that the energy does not fill, for one step.';

REVOKE ALL ON FUNCTION
    telemetry.part_before(timestamptz, bigint, timestamptz, timestamptz),
    telemetry.is_apportioned(bigint, timestamptz, timestamptz, telemetry.register_rules),
    telemetry.fits_one_step(bigint, telemetry.register_rules),
    telemetry.difference_since(timestamptz, bigint, timestamptz, timestamptz, telemetry.register_rules)
FROM PUBLIC;
-- views of bi call it with the rights of whoever asks
GRANT EXECUTE ON FUNCTION telemetry.part_before(timestamptz, bigint, timestamptz, timestamptz)
TO wattledger_bi, wattledger_dba;
