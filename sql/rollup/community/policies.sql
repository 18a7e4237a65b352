-- TimescaleDB's own policies on the Community edition, as telemetry.dataset has them.

CREATE OR REPLACE VIEW telemetry.wanted_policy AS
SELECT
    d.dataset,
    p.proc_name,
    p.window_start,
    p.window_end,
    p.every
FROM telemetry.dataset AS d
LEFT JOIN telemetry.dataset AS source
    ON source.dataset = replace(replace(d.dataset, 'energy_hourly', 'reading'), 'energy_daily', 'reading')
        AND source.dataset <> d.dataset
CROSS JOIN LATERAL (
    -- for how many days now all raw readings are there, where some were dropped under a shorter retention than today's
    SELECT CASE WHEN d.dataset LIKE '%hourly' AND source.complete_since > '-infinity' THEN
        telemetry.floor_day(now()) - telemetry.ceiling_day(source.complete_since)
    END AS complete_for
) AS c
CROSS JOIN LATERAL (
    VALUES
    ('policy_retention', telemetry.drop_after(d.keep), NULL, INTERVAL '1 day'),
    ('policy_compression', d.compress_after, NULL, INTERVAL '12 hours'),
    -- a day less than what retention leaves, so that no refresh meets a dropped chunk, and a day more than the age
    -- at which a reading is still accepted, so that none is missed. The daily ones look at the hours, which stay longer
    (
        'policy_refresh_continuous_aggregate',
        least(
            source.keep + CASE WHEN d.dataset LIKE '%daily' THEN INTERVAL '3 days' ELSE INTERVAL '1 day' END,
            c.complete_for
        ),
        d.refresh_lag,
        d.refresh_every
    )
) AS p (proc_name, window_start, window_end, every)
WHERE (p.window_start IS NOT NULL OR (p.window_end IS NOT NULL AND source.keep IS NULL))
    -- no window is left where all was dropped just now: from tomorrow on there is
    AND (p.proc_name <> 'policy_refresh_continuous_aggregate' OR (c.complete_for < INTERVAL '1 day') IS NOT TRUE);

COMMENT ON VIEW telemetry.wanted_policy IS 'The policies that there should be, a row each.';
COMMENT ON COLUMN telemetry.wanted_policy.dataset IS 'What the policy is for.';
COMMENT ON COLUMN telemetry.wanted_policy.proc_name IS 'TimescaleDB''s procedure for it.';
COMMENT ON COLUMN telemetry.wanted_policy.window_start IS
'drop_after, compress_after or start_offset. Null: a refresh from the first reading on.';
COMMENT ON COLUMN telemetry.wanted_policy.window_end IS 'A refresh''s end_offset.';
COMMENT ON COLUMN telemetry.wanted_policy.every IS 'How often it runs, unless a DBA chose otherwise.';

CREATE OR REPLACE VIEW telemetry.present_policy AS
SELECT
    j.dataset,
    j.proc_name,
    coalesce(
        j.config ->> 'drop_after', j.config ->> 'compress_after', j.config ->> 'start_offset'
    )::interval AS window_start,
    (j.config ->> 'end_offset')::interval AS window_end,
    j.every,
    j.job_id
FROM telemetry.timescaledb_job() AS j
WHERE j.dataset IS NOT NULL;

COMMENT ON VIEW telemetry.present_policy IS 'The policies that there are, a row each.';
COMMENT ON COLUMN telemetry.present_policy.dataset IS 'What the policy is for.';
COMMENT ON COLUMN telemetry.present_policy.proc_name IS 'TimescaleDB''s procedure for it.';
COMMENT ON COLUMN telemetry.present_policy.window_start IS 'drop_after, compress_after or start_offset.';
COMMENT ON COLUMN telemetry.present_policy.window_end IS 'A refresh''s end_offset.';
COMMENT ON COLUMN telemetry.present_policy.every IS 'How often it runs.';
COMMENT ON COLUMN telemetry.present_policy.job_id IS 'TimescaleDB''s number of the job.';

CREATE OR REPLACE FUNCTION telemetry.apply_policies()
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_policy record;
    v_relation regclass;
BEGIN
    FOR v_policy IN
        SELECT coalesce(w.dataset, p.dataset) AS dataset, coalesce(w.proc_name, p.proc_name) AS proc_name,
            w.window_start, w.window_end, w.every, w.dataset IS NOT NULL AS wanted
        FROM telemetry.wanted_policy AS w
        FULL JOIN telemetry.present_policy AS p USING (dataset, proc_name)
        WHERE (w.dataset, w.window_start, w.window_end) IS DISTINCT FROM (p.dataset, p.window_start, p.window_end)
            -- how often a chunk is dropped or compressed is nobody's concern but the DBA's
            OR (w.proc_name LIKE '%refresh%' AND w.every <> p.every)
    LOOP
        SELECT h.relation INTO v_relation FROM telemetry.dataset_hypertable() AS h WHERE h.dataset = v_policy.dataset;
        CASE v_policy.proc_name
            WHEN 'policy_retention' THEN
                PERFORM public.remove_retention_policy(v_relation, if_exists => TRUE);
                IF v_policy.wanted THEN
                    PERFORM public.add_retention_policy(
                        v_relation, v_policy.window_start, schedule_interval => v_policy.every
                    );
                END IF;
            WHEN 'policy_compression' THEN
                PERFORM public.remove_compression_policy(v_relation, if_exists => TRUE);
                IF v_policy.wanted THEN
                    PERFORM public.add_compression_policy(
                        v_relation, v_policy.window_start, schedule_interval => v_policy.every
                    );
                END IF;
            WHEN 'policy_refresh_continuous_aggregate' THEN
                PERFORM public.remove_continuous_aggregate_policy(v_relation, if_exists => TRUE);
                IF v_policy.wanted THEN
                    PERFORM public.add_continuous_aggregate_policy(
                        v_relation, v_policy.window_start, v_policy.window_end, v_policy.every
                    );
                END IF;
            ELSE NULL;  -- a job that somebody else made
        END CASE;
    END LOOP;
END;
$$;

COMMENT ON FUNCTION telemetry.apply_policies() IS
'Brings TimescaleDB''s policies in line with telemetry.dataset; leaves those alone that are.';
REVOKE ALL ON FUNCTION telemetry.apply_policies() FROM PUBLIC;
