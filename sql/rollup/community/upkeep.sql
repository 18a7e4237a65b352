-- Refreshing continuous aggregates and running jobs on the Community edition, where TimescaleDB's scheduler does both.

CREATE OR REPLACE FUNCTION telemetry.has_policies()
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT TRUE
$$;

COMMENT ON FUNCTION telemetry.has_policies() IS
'Takes nothing. Returns whether this edition of TimescaleDB has policies, continuous aggregates and a columnstore.';

CREATE OR REPLACE FUNCTION telemetry.pending_change()
RETURNS TABLE (dataset text, since_us bigint, until_us bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT d.dataset, i.lowest_modified_value, i.greatest_modified_value
    FROM telemetry.dataset_hypertable() AS d
    INNER JOIN _timescaledb_catalog.continuous_agg AS c ON c.mat_hypertable_id = d.hypertable_id
    INNER JOIN _timescaledb_catalog.continuous_aggs_hypertable_invalidation_log AS i
        ON i.hypertable_id = c.raw_hypertable_id
    UNION ALL
    SELECT d.dataset, i.lowest_modified_value, i.greatest_modified_value
    FROM telemetry.dataset_hypertable() AS d
    INNER JOIN _timescaledb_catalog.continuous_aggs_materialization_invalidation_log AS i
        ON i.materialization_id = d.hypertable_id
$$;

COMMENT ON FUNCTION telemetry.pending_change() IS
'Takes nothing. Returns the ranges of time in which a continuous aggregate awaits a refresh: its dataset, and begin and end (included) in microseconds since 1970. The time before the first and after the last refreshed bucket is among them.';

CREATE OR REPLACE FUNCTION telemetry.watermark()
RETURNS TABLE (dataset text, watermark timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT d.dataset, 'epoch'::timestamptz + w.watermark * INTERVAL '1 microsecond'
    FROM telemetry.dataset_hypertable() AS d
    INNER JOIN _timescaledb_catalog.continuous_aggs_watermark AS w ON w.mat_hypertable_id = d.hypertable_id
    -- before the first refresh it is the begin of all time
    WHERE w.watermark > -210866803200000000
$$;

COMMENT ON FUNCTION telemetry.watermark() IS
'Takes nothing. Returns the datasets of continuous aggregates that were refreshed before, and up to when their rows are stored.';

CREATE OR REPLACE FUNCTION telemetry.is_refreshed(dataset text, since timestamptz, until timestamptz)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT NOT EXISTS (
        SELECT
        FROM telemetry.pending_change() AS p
        WHERE p.dataset = is_refreshed.dataset
            AND p.since_us < extract(EPOCH FROM is_refreshed.until) * 1000000
            AND p.until_us >= extract(EPOCH FROM is_refreshed.since) * 1000000
    )
$$;

COMMENT ON FUNCTION telemetry.is_refreshed(text, timestamptz, timestamptz) IS
'Takes a continuous aggregate''s dataset and a window. Returns whether all rows of that time are in it.';

CREATE OR REPLACE FUNCTION telemetry.has_rollups(dataset text, since timestamptz, until timestamptz)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    -- days are kept longest, and show the hours that are not stored in them yet
    IF has_rollups.dataset LIKE 'meter%' THEN
        RETURN EXISTS (
            SELECT FROM bi.meter_energy_daily AS d
            WHERE d.bucket >= has_rollups.since AND d.bucket < has_rollups.until
        );
    END IF;
    RETURN EXISTS (
        SELECT FROM bi.vehicle_energy_daily AS d
        WHERE d.bucket >= has_rollups.since AND d.bucket < has_rollups.until
    );
END;
$$;

COMMENT ON FUNCTION telemetry.has_rollups(text, timestamptz, timestamptz) IS
'Takes a dataset and a window of whole UTC days (since included, until not). Returns whether any device of its side has energy in the rollups of that time.';

CREATE OR REPLACE FUNCTION telemetry.drop_expired()
RETURNS TABLE (dataset text, chunk text)
LANGUAGE sql IMMUTABLE
AS $$
    SELECT NULL::text, NULL::text WHERE FALSE
$$;

COMMENT ON FUNCTION telemetry.drop_expired() IS
'Drops nothing: on this edition TimescaleDB''s retention policies do that.';

REVOKE ALL ON FUNCTION
    telemetry.has_policies(),
    telemetry.pending_change(),
    telemetry.watermark(),
    telemetry.is_refreshed(text, timestamptz, timestamptz),
    telemetry.has_rollups(text, timestamptz, timestamptz),
    telemetry.drop_expired()
FROM PUBLIC;
-- views of ops call them with the rights of whoever asks
GRANT EXECUTE ON FUNCTION telemetry.pending_change(), telemetry.watermark() TO wattledger_dba;

-- procedures with transactions of their own cannot pin their path, so they set it, again after each commit: whatever is
-- first in the caller's path would run as the owner. The role is changed for the session, since a refresh goes on after
-- a commit, which would end SET LOCAL; and put back as it was

CREATE OR REPLACE PROCEDURE ops.refresh(since timestamptz, until timestamptz)
LANGUAGE plpgsql
AS $$
DECLARE
    v_role text := pg_catalog.current_setting('role');
    v_since timestamptz;
    v_until timestamptz;
    v_end timestamptz;
    v_relation regclass;
BEGIN
    SET ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    SELECT w.since, w.until INTO v_since, v_until
    FROM telemetry.refresh_window(refresh.since, refresh.until) AS w;
    -- hours first, since days are built on them. No further than the policies go: what is later is computed when it is
    -- asked for, and once it is stored, nothing but the policies would bring late readings in
    FOREACH v_relation IN ARRAY ARRAY[
        'bi.meter_energy_hourly', 'bi.vehicle_energy_hourly', 'bi.meter_energy_daily', 'bi.vehicle_energy_daily'
    ]::regclass[] LOOP
        SELECT CASE
            WHEN d.dataset LIKE '%daily' THEN telemetry.floor_day(telemetry.utc_minus(pg_catalog.now(), d.refresh_lag))
            ELSE telemetry.floor_hour(telemetry.utc_minus(pg_catalog.now(), d.refresh_lag))
        END INTO v_end
        FROM telemetry.dataset AS d
        INNER JOIN pg_catalog.pg_class AS c ON c.relname = d.dataset
        WHERE c.oid = v_relation;
        v_end := least(v_until, v_end);
        CONTINUE WHEN v_since >= v_end;
        CALL public.refresh_continuous_aggregate(v_relation, v_since, v_end);
        SET LOCAL search_path = pg_catalog, pg_temp;
        RAISE NOTICE 'refreshed %', v_relation;
    END LOOP;
    PERFORM pg_catalog.set_config('role', v_role, FALSE);
END;
$$;

CREATE OR REPLACE PROCEDURE ops.maintain()
LANGUAGE plpgsql
AS $$
DECLARE
    v_role text := pg_catalog.current_setting('role');
    v_job record;
BEGIN
    SET ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    PERFORM telemetry.note_dropped();
    FOR v_job IN
        SELECT j.job_id, j.dataset, j.proc_name
        FROM telemetry.timescaledb_job() AS j
        WHERE j.dataset IS NOT NULL
            AND j.scheduled
            AND (
                coalesce(j.next_run_at, '-infinity') < pg_catalog.now() - INTERVAL '1 minute'
                OR j.last_run_status = 'Failed'
            )
        -- refreshes first, so that what is dropped next has been counted
        ORDER BY j.proc_name NOT LIKE '%refresh%', j.dataset NOT LIKE '%hourly', j.job_id
    LOOP
        RAISE NOTICE 'running overdue job % (% of %)', v_job.job_id, v_job.proc_name, v_job.dataset;
        CALL public.run_job(v_job.job_id);
        SET LOCAL search_path = pg_catalog, pg_temp;
    END LOOP;
    CALL telemetry.replay_all_due();
    PERFORM pg_catalog.set_config('role', v_role, FALSE);
END;
$$;

CREATE OR REPLACE VIEW ops.freshness AS
SELECT
    d.dataset,
    w.watermark,
    CASE WHEN w.watermark IS NOT NULL THEN greatest(now() - w.watermark, INTERVAL '0') END AS lag,
    l.late_changes,
    l.late_since,
    j.last_success_at AS last_refresh_at
FROM telemetry.dataset AS d
LEFT JOIN telemetry.watermark() AS w ON w.dataset = d.dataset
CROSS JOIN LATERAL (
    SELECT
        count(*) AS late_changes,
        'epoch'::timestamptz + min(p.since_us) * INTERVAL '1 microsecond' AS late_since
    FROM telemetry.pending_change() AS p
    WHERE p.dataset = d.dataset
        -- not the time before the first and after the last refreshed bucket
        AND p.since_us > -210866803200000000
        AND p.since_us < extract(EPOCH FROM w.watermark) * 1000000
) AS l
LEFT JOIN telemetry.timescaledb_job() AS j ON j.dataset = d.dataset AND j.proc_name LIKE '%refresh%'
WHERE d.dataset LIKE '%energy%';
