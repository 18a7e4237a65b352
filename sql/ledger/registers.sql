-- Registers, judged: what a level counts after the last accepted one. The fold (fold.sql) asks these in order of time.

CREATE OR REPLACE FUNCTION telemetry.rules_of(dataset text, device_id text)
RETURNS telemetry.register_rules
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_rules telemetry.register_rules;
    v_setting telemetry.device_setting;
BEGIN
    SELECT r.* INTO v_rules FROM telemetry.register_rules AS r WHERE r.dataset = rules_of.dataset;
    IF NOT found THEN
        RAISE EXCEPTION 'the rules of registers of % are missing', rules_of.dataset
            USING ERRCODE = 'WL050', HINT = 'Put the row of telemetry.register_rules back.';
    END IF;
    SELECT s.* INTO v_setting
    FROM telemetry.device_setting AS s
    WHERE s.dataset = rules_of.dataset AND s.device_id = rules_of.device_id;
    IF found THEN
        v_rules.step := coalesce(v_setting.step, v_rules.step);
        v_rules.usual_power_kw := coalesce(v_setting.usual_power_kw, v_rules.usual_power_kw);
        v_rules.max_power_kw := coalesce(v_setting.max_power_kw, v_rules.max_power_kw);
        v_rules.tolerance_kwh := coalesce(v_setting.tolerance_kwh, v_rules.tolerance_kwh);
        IF v_setting.width_kwh IS NOT NULL THEN
            v_rules.widths_kwh := ARRAY[v_setting.width_kwh];
        END IF;
    END IF;
    RETURN v_rules;
END;
$$;

COMMENT ON FUNCTION telemetry.rules_of(text, text) IS
'Takes meter_reading or vehicle_reading and a device. Returns its rules: what is set for the device, else for its side. Raises WL050 where the side has no row.';

-- these are unpinned and run with the caller's rights, so that the planner can inline them

CREATE OR REPLACE FUNCTION telemetry.plausible_mwh(gap interval, rules telemetry.register_rules)
RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT telemetry.plausible_mwh((rules).max_power_kw, gap) + telemetry.mwh((rules).tolerance_kwh)
$$;

COMMENT ON FUNCTION telemetry.plausible_mwh(interval, telemetry.register_rules) IS
'Takes the time between two readings and the device''s rules. Returns the most energy in milliwatt-hours that is believed to have flowed: the greatest power for at least a minute, and the tolerance; NULL for NULL.';

CREATE OR REPLACE FUNCTION telemetry.is_jitter(step_mwh bigint, rules telemetry.register_rules)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT step_mwh < 0 AND step_mwh >= -telemetry.mwh((rules).tolerance_kwh)
$$;

COMMENT ON FUNCTION telemetry.is_jitter(bigint, telemetry.register_rules) IS
'Takes a register''s step from its accepted level in milliwatt-hours and the device''s rules. Returns whether it fell by no more than the tolerance: it counts again above that level only.';

CREATE OR REPLACE FUNCTION telemetry.is_step(step_mwh bigint, gap interval, rules telemetry.register_rules)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT step_mwh >= 0 AND step_mwh <= telemetry.plausible_mwh(gap, rules)
$$;

COMMENT ON FUNCTION telemetry.is_step(bigint, interval, telemetry.register_rules) IS
'Takes a register''s step from its accepted level in milliwatt-hours, the time since that was reported, and the device''s rules. Returns whether it is taken as it is: it did not fall, and the power is believed.';

CREATE OR REPLACE FUNCTION telemetry.is_glitch_over(run telemetry.fold_item[], rules telemetry.register_rules)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT cardinality(run) = 1
        OR (
            (run[cardinality(run)]).register_mwh - (run[1]).register_mwh < telemetry.mwh((rules).tolerance_kwh)
            AND (
                cardinality(run) <= (rules).glitch_readings
                OR (run[cardinality(run)]).ts - (run[1]).ts <= (rules).glitch_within
            )
        )
$$;

COMMENT ON FUNCTION telemetry.is_glitch_over(telemetry.fold_item[], telemetry.register_rules) IS
'Takes the readings of a register that went elsewhere, of which the next one is back, and the device''s rules. Returns whether they were a glitch.';

CREATE OR REPLACE FUNCTION telemetry.is_decided(run telemetry.fold_item[], rules telemetry.register_rules)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT (run[cardinality(run)]).register_mwh - (run[1]).register_mwh >= telemetry.mwh((rules).tolerance_kwh)
        OR (
            cardinality(run) > (rules).glitch_readings
            AND (run[cardinality(run)]).ts - (run[1]).ts > (rules).glitch_within
        )
$$;

COMMENT ON FUNCTION telemetry.is_decided(telemetry.fold_item[], telemetry.register_rules) IS
'Takes the readings of a register that went elsewhere and the device''s rules. Returns whether it stays there: it goes on counting, or has been there for longer than a glitch.';

CREATE OR REPLACE FUNCTION telemetry.rollover_mwh(
    level_mwh bigint,
    register_mwh bigint,
    next_mwh bigint,
    gap interval,
    rules telemetry.register_rules
)
RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT min(w.mwh - level_mwh + register_mwh)
    FROM unnest((rules).widths_kwh) AS k (kwh)
    CROSS JOIN LATERAL (SELECT telemetry.mwh(k.kwh) AS mwh) AS w
    WHERE level_mwh <= w.mwh
        -- after a longer silence anything could be one
        AND w.mwh - level_mwh + register_mwh <= telemetry.plausible_mwh(least(gap, (rules).silence), rules)
        AND (next_mwh IS NULL OR next_mwh >= register_mwh)
$$;

COMMENT ON FUNCTION telemetry.rollover_mwh(bigint, bigint, bigint, interval, telemetry.register_rules) IS
'Takes the accepted level of a register, the lower one reported next and the one after that (NULL: none yet), in milliwatt-hours, the time between the first two, and the device''s rules. Returns the energy if the register went over its width and began at zero again, NULL if it did not.';

CREATE OR REPLACE FUNCTION telemetry.reset_mwh(register_mwh bigint, rules telemetry.register_rules)
RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN register_mwh <= telemetry.mwh((rules).tolerance_kwh) THEN register_mwh ELSE 0 END
$$;

COMMENT ON FUNCTION telemetry.reset_mwh(bigint, telemetry.register_rules) IS
'Takes the level in milliwatt-hours at which a register goes on after it fell, and the device''s rules. Returns the energy: the level where that is near zero, else 0, since what flowed is unknown.';

REVOKE ALL ON FUNCTION
    telemetry.rules_of(text, text),
    telemetry.plausible_mwh(interval, telemetry.register_rules),
    telemetry.is_jitter(bigint, telemetry.register_rules),
    telemetry.is_step(bigint, interval, telemetry.register_rules),
    telemetry.is_glitch_over(telemetry.fold_item[], telemetry.register_rules),
    telemetry.is_decided(telemetry.fold_item[], telemetry.register_rules),
    telemetry.rollover_mwh(bigint, bigint, bigint, interval, telemetry.register_rules),
    telemetry.reset_mwh(bigint, telemetry.register_rules)
FROM PUBLIC;
