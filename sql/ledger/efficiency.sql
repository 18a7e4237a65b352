-- Efficiency, and what is said of it: judged the same wherever it is shown.

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

CREATE OR REPLACE FUNCTION telemetry.expected_efficiency(
    ac_mwh double precision,
    mean_kw double precision,
    battery_temp_c double precision,
    rules telemetry.rules
)
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN mean_kw >= (rules).full_kw THEN (rules).degraded_below
    WHEN mean_kw <= (rules).slow_kw THEN (rules).slow_degraded_below
    ELSE (rules).slow_degraded_below + ((rules).degraded_below - (rules).slow_degraded_below)
        * (mean_kw - (rules).slow_kw) / ((rules).full_kw - (rules).slow_kw)
END
-- a battery of which nothing is known may be warm
- coalesce(
    greatest((rules).cold_allowance, telemetry.mwh((rules).cold_heating_kwh) / nullif(ac_mwh, 0))
    * least(1, greatest(0, ((rules).cold_below_c - battery_temp_c) / 10)),
    0
);

COMMENT ON FUNCTION telemetry.expected_efficiency(
    double precision, double precision, double precision, telemetry.rules
) IS
'Takes the AC energy of a charge in milliwatt-hours, its mean power in kW, the battery''s lowest temperature in °C (NULL: not known) and the row of telemetry.rules. Returns the least efficiency that a sound charge has; NULL where the power is.';

-- one statement without anything that keeps it from being inlined: a fleet's rows are judged in one go. Its body is
-- read now, and not when it is called: views of bi call it for roles that cannot look into this schema
CREATE OR REPLACE FUNCTION telemetry.judged(
    ac_mwh double precision,
    ac_matched_mwh double precision,
    dc_mwh double precision,
    dc_matched_mwh double precision,
    ac_standing_mwh double precision,
    dc_standing_mwh double precision,
    standby_mwh double precision,
    edge_mwh double precision,
    ac_resolution_mwh double precision,
    dc_resolution_mwh double precision,
    matched_us double precision,
    battery_temp_mc double precision,
    is_drifting boolean,
    rules telemetry.rules
)
RETURNS TABLE (
    efficiency double precision,
    coverage double precision,
    uncertainty double precision,
    expected_efficiency double precision,
    verdict text,
    frozen_side text
)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT
        m.efficiency,
        m.coverage,
        m.uncertainty,
        m.expected,
        CASE
            WHEN m.frozen_side IS NOT NULL THEN 'frozen'
            WHEN m.ac = 0 AND m.dc < m.frozen_above THEN 'idle'
            -- the vehicle got what the meter, which reported, did not see
            WHEN m.dc_standing >= m.frozen_above AND m.dc_standing >= m.dc / 50 THEN 'impossible'
            -- unknown is never enough
            WHEN (
                greatest(m.ac_matched, m.dc_matched) >= m.sufficient
                AND m.coverage >= (m.rules).sufficient_coverage
                AND m.uncertainty <= (m.rules).greatest_uncertainty
                AND m.expected IS NOT NULL
            ) IS NOT TRUE THEN 'insufficient'
            WHEN m.efficiency - m.uncertainty > 1 THEN 'impossible'
            WHEN m.efficiency + m.uncertainty < m.expected THEN 'degraded'
            WHEN m.is_drifting THEN 'drifting'
            ELSE 'healthy'
        END AS verdict,
        m.frozen_side
    FROM (
        SELECT
            u.*,
            (u.dc_step + u.efficiency * u.ac_step + u.edge / 2) / nullif(u.ac_matched, 0) AS uncertainty,
            telemetry.expected_efficiency(u.ac_matched, u.mean_kw, u.temp_c, u.rules) AS expected,
            CASE
                WHEN u.ac_standing >= u.frozen_above AND u.ac_standing * 2 >= u.ac_matched THEN 'vehicle'
                WHEN u.dc_standing >= u.frozen_above AND u.ac = 0 AND u.standby = 0 THEN 'meter'
            END AS frozen_side
        FROM (
            SELECT
                j.ac_mwh AS ac,
                j.ac_matched_mwh AS ac_matched,
                j.dc_mwh AS dc,
                j.dc_matched_mwh AS dc_matched,
                j.ac_standing_mwh AS ac_standing,
                j.dc_standing_mwh AS dc_standing,
                j.standby_mwh AS standby,
                j.edge_mwh AS edge,
                coalesce(j.ac_resolution_mwh, 0) AS ac_step,
                coalesce(j.dc_resolution_mwh, 0) AS dc_step,
                j.dc_matched_mwh / nullif(j.ac_matched_mwh, 0) AS efficiency,
                j.ac_matched_mwh / nullif(j.ac_mwh, 0) AS coverage,
                -- milliwatt-hours per microsecond are 3,600 kW
                j.ac_matched_mwh * 3600 / nullif(j.matched_us, 0) AS mean_kw,
                j.battery_temp_mc * 0.001::double precision AS temp_c,
                telemetry.mwh((j.rules).frozen_above_kwh)::double precision AS frozen_above,
                telemetry.mwh((j.rules).sufficient_energy_kwh)::double precision AS sufficient,
                j.is_drifting,
                j.rules
            FROM (
                SELECT
                    ac_mwh,
                    ac_matched_mwh,
                    dc_mwh,
                    dc_matched_mwh,
                    ac_standing_mwh,
                    dc_standing_mwh,
                    standby_mwh,
                    edge_mwh,
                    ac_resolution_mwh,
                    dc_resolution_mwh,
                    matched_us,
                    battery_temp_mc,
                    is_drifting,
                    rules
            ) AS j
        ) AS u
    ) AS m;
END;

COMMENT ON FUNCTION telemetry.judged(
    double precision, double precision, double precision, double precision, double precision, double precision,
    double precision, double precision, double precision, double precision, double precision, double precision,
    boolean, telemetry.rules
) IS
'Takes sums as telemetry.charging_part has them (energies in milliwatt-hours, matched time in microseconds, battery temperature in thousandths of a degree Celsius), whether the pair drifts, and the row of telemetry.rules. Returns one row: efficiency (matched DC / matched AC; NULL without AC), coverage (matched AC / AC above idle), the uncertainty of the efficiency, the least efficiency that is expected, the verdict: frozen (one side flows and the other''s value stands), idle (nothing above idle), insufficient (too little energy, coverage or certainty to say), impossible (more DC than AC, or DC while the meter reports none: a metering fault, or a wrong link), degraded, drifting or healthy; and the side that is frozen.';

-- its body is read now too
CREATE OR REPLACE FUNCTION telemetry.is_judged(verdict text)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN verdict IN ('healthy', 'drifting', 'degraded');

COMMENT ON FUNCTION telemetry.is_judged(text) IS
'Takes what telemetry.judged says. Returns whether that is about efficiency: healthy, drifting or degraded; NULL for NULL.';

-- as the table has it, so that nothing is said twice. Views of bi call it for roles that cannot look into this schema
CREATE OR REPLACE FUNCTION telemetry.meaning_of_rule(rule_name text)
RETURNS text
LANGUAGE sql STABLE
RETURN (
    SELECT col_description(a.attrelid, a.attnum)
    FROM pg_attribute AS a
    INNER JOIN (SELECT rule_name AS called) AS r ON a.attname = r.called
    INNER JOIN pg_class AS c ON c.oid = a.attrelid AND c.relname = 'rules'
    INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = 'telemetry'
);

COMMENT ON FUNCTION telemetry.meaning_of_rule(text) IS
'Takes the name of a column of telemetry.rules. Returns what its comment says; NULL where there is no such column.';

REVOKE ALL ON FUNCTION
    telemetry.coverage(bigint, interval, interval),
    telemetry.efficiency(numeric, numeric),
    telemetry.is_judged(text),
    telemetry.meaning_of_rule(text),
    telemetry.expected_efficiency(double precision, double precision, double precision, telemetry.rules),
    telemetry.judged(
        double precision, double precision, double precision, double precision, double precision, double precision,
        double precision, double precision, double precision, double precision, double precision, double precision,
        boolean, telemetry.rules
    )
FROM PUBLIC;
-- views of bi call them with the rights of whoever asks
GRANT EXECUTE ON FUNCTION
    telemetry.coverage(bigint, interval, interval),
    telemetry.efficiency(numeric, numeric),
    telemetry.is_judged(text),
    telemetry.meaning_of_rule(text),
    telemetry.expected_efficiency(double precision, double precision, double precision, telemetry.rules),
    telemetry.judged(
        double precision, double precision, double precision, double precision, double precision, double precision,
        double precision, double precision, double precision, double precision, double precision, double precision,
        boolean, telemetry.rules
    )
TO wattledger_bi;
