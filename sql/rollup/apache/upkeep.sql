-- What TimescaleDB's policies do on the Community edition, done here by a function that the service calls on a timer.

CREATE OR REPLACE FUNCTION telemetry.has_policies()
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT FALSE
$$;

COMMENT ON FUNCTION telemetry.has_policies() IS
'Takes nothing. Returns whether this edition of TimescaleDB has policies, continuous aggregates and a columnstore.';

CREATE OR REPLACE FUNCTION telemetry.apply_policies()
RETURNS void
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT
$$;

COMMENT ON FUNCTION telemetry.apply_policies() IS
'Brings TimescaleDB''s policies in line with telemetry.dataset: this edition has none, and telemetry.drop_expired looks there.';

CREATE OR REPLACE FUNCTION telemetry.is_refreshed(dataset text, since timestamptz, until timestamptz)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT TRUE
$$;

COMMENT ON FUNCTION telemetry.is_refreshed(text, timestamptz, timestamptz) IS
'Takes an hourly dataset and a window. Returns whether all raw readings of that time are in it: on this edition always.';

CREATE OR REPLACE FUNCTION telemetry.has_rollups(dataset text, since timestamptz, until timestamptz)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    -- an open hour is in no day yet
    IF has_rollups.dataset LIKE 'meter%' THEN
        RETURN EXISTS (
            SELECT FROM telemetry.meter_energy_daily AS d
            WHERE d.bucket >= has_rollups.since AND d.bucket < has_rollups.until
        )
        OR has_rollups.dataset LIKE '%reading' AND EXISTS (
            SELECT FROM telemetry.meter_state AS o
            WHERE o.hour >= has_rollups.since AND o.hour < has_rollups.until AND o.hour_last_received_at IS NOT NULL
        );
    END IF;
    RETURN EXISTS (
        SELECT FROM telemetry.vehicle_energy_daily AS d
        WHERE d.bucket >= has_rollups.since AND d.bucket < has_rollups.until
    )
    OR has_rollups.dataset LIKE '%reading' AND EXISTS (
        SELECT FROM telemetry.vehicle_state AS o
        WHERE o.hour >= has_rollups.since AND o.hour < has_rollups.until AND o.hour_last_received_at IS NOT NULL
    );
END;
$$;

COMMENT ON FUNCTION telemetry.has_rollups(text, timestamptz, timestamptz) IS
'Takes a dataset and a window of whole UTC days (since included, until not). Returns whether any device of its side has energy in the rollups of that time.';

CREATE OR REPLACE FUNCTION telemetry.drop_expired()
RETURNS TABLE (dataset text, chunk text)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_expired record;
    v_dropped integer := 0;
    v_rows integer;
BEGIN
    -- another service or a DBA is at it
    IF NOT pg_try_advisory_xact_lock(hashtextextended('telemetry.drop_expired', 0)) THEN
        RETURN;
    END IF;
    -- a reader of an old chunk may itself wait for what is locked here, and then one of the two has to give way: the
    -- drop, long before PostgreSQL finds the deadlock and ends the reader
    PERFORM set_config(
        'lock_timeout',
        greatest(10, extract(EPOCH FROM current_setting('deadlock_timeout')::interval) * 100)::integer::text,
        TRUE
    );

    FOR v_expired IN
        SELECT d.dataset, telemetry.utc_minus(now(), telemetry.drop_after(d.keep)) AS older_than
        FROM telemetry.dataset AS d
        WHERE d.keep IS NOT NULL
        ORDER BY d.dataset
    LOOP
        BEGIN
            RETURN QUERY
            SELECT v_expired.dataset, c.chunk
            FROM public.drop_chunks(
                ('telemetry.' || v_expired.dataset)::regclass, older_than => v_expired.older_than
            ) AS c (chunk);
            GET DIAGNOSTICS v_rows = ROW_COUNT;
            v_dropped := v_dropped + v_rows;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            RAISE WARNING 'expired chunks of % are being read: they are dropped at the next run', v_expired.dataset;
        END;
    END LOOP;

    UPDATE telemetry.maintenance AS m
    SET last_run_at = now(),
        last_dropped_chunks = v_dropped,
        total_dropped_chunks = m.total_dropped_chunks + v_dropped,
        total_runs = m.total_runs + 1;
END;
$$;

COMMENT ON FUNCTION telemetry.drop_expired() IS
'Drops the chunks that telemetry.dataset says are to be kept no longer. Takes nothing. Returns a row for each. Does nothing while another session does it. What is being read stays until the next run, with a warning.';

REVOKE ALL ON FUNCTION
    telemetry.has_policies(),
    telemetry.apply_policies(),
    telemetry.is_refreshed(text, timestamptz, timestamptz),
    telemetry.has_rollups(text, timestamptz, timestamptz),
    telemetry.drop_expired()
FROM PUBLIC;

-- procedures with transactions of their own cannot pin their path, so they set it, again after each commit: whatever is
-- first in the caller's path would run as the owner

CREATE OR REPLACE PROCEDURE ops.refresh(since timestamptz, until timestamptz)
LANGUAGE plpgsql
AS $$
DECLARE
    v_day timestamptz;
    v_end timestamptz;
BEGIN
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    SELECT w.since, w.until INTO v_day, v_end
    FROM telemetry.refresh_window(refresh.since, refresh.until) AS w;
    WHILE v_day < v_end LOOP
        PERFORM telemetry.recompute_meter_rollups(v_day, v_day + INTERVAL '24 hours');
        -- readings wait for one side's day at most
        COMMIT;
        SET LOCAL ROLE wattledger_owner;
        SET LOCAL search_path = pg_catalog, pg_temp;
        PERFORM telemetry.recompute_vehicle_rollups(v_day, v_day + INTERVAL '24 hours');
        RAISE NOTICE 'recomputed % UTC', pg_catalog.to_char(v_day AT TIME ZONE 'UTC', 'YYYY-MM-DD');
        COMMIT;
        SET LOCAL ROLE wattledger_owner;
        SET LOCAL search_path = pg_catalog, pg_temp;
        v_day := v_day + INTERVAL '24 hours';
    END LOOP;
END;
$$;

CREATE OR REPLACE PROCEDURE ops.maintain()
LANGUAGE plpgsql
AS $$
DECLARE
    v_chunk record;
BEGIN
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    FOR v_chunk IN SELECT e.dataset, e.chunk FROM telemetry.drop_expired() AS e LOOP
        RAISE NOTICE 'dropped % of %', v_chunk.chunk, v_chunk.dataset;
    END LOOP;
    PERFORM telemetry.note_dropped();
    CALL telemetry.replay_all_due();
END;
$$;

CREATE OR REPLACE VIEW ops.freshness AS
SELECT
    d.dataset,
    now() AS watermark,
    INTERVAL '0' AS lag,
    0::bigint AS late_changes,
    NULL::timestamptz AS late_since,
    NULL::timestamptz AS last_refresh_at
FROM telemetry.dataset AS d
WHERE d.dataset LIKE '%energy%';
