-- Upkeep on the Apache edition, which has no jobs: one step per call of the service's timer, or all of it by hand.

CREATE OR REPLACE FUNCTION telemetry.is_refreshed(dataset text, since timestamptz, until timestamptz)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT TRUE
$$;

COMMENT ON FUNCTION telemetry.is_refreshed(text, timestamptz, timestamptz) IS
'Takes a dataset and a window of whole hours. Returns whether all that is built from it has all rows of that time: on this edition always.';

CREATE OR REPLACE FUNCTION telemetry.lock_rollups(dataset text)
RETURNS void
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT
$$;

COMMENT ON FUNCTION telemetry.lock_rollups(text) IS
'Keeps refreshes of all that is built from a dataset out: on this edition nothing but the writers of raw readings changes it. Takes the dataset. Returns nothing.';

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

CREATE OR REPLACE FUNCTION telemetry.note_maintained()
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE telemetry.maintenance AS m
    SET last_run_at = now(), total_runs = m.total_runs + 1
    -- what could not be dropped is told when that lasts
    WHERE NOT EXISTS (SELECT FROM telemetry.dataset AS d WHERE telemetry.has_expired(d.dataset));
END;
$$;

COMMENT ON FUNCTION telemetry.note_maintained() IS
'Notes that the upkeep ran to its end, unless something stays that is to be dropped. Takes and returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.take_upkeep_step()
RETURNS TABLE (dataset text, step text, chunk text)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_dataset text;
    v_next record;
BEGIN
    FOR v_dataset IN
        SELECT d.dataset FROM telemetry.dataset_level AS d WHERE d.keep IS NOT NULL ORDER BY d.level, d.side
    LOOP
        SELECT n.* INTO v_next FROM telemetry.drop_next(v_dataset) AS n;
        CONTINUE WHEN v_next.step IS NULL;
        dataset := v_dataset;
        step := v_next.step;
        chunk := v_next.chunk;
        RETURN NEXT;
        IF step NOT IN ('busy', 'unproven') THEN
            RETURN;  -- to be committed before the next step
        END IF;
        RAISE WARNING 'expired chunks of % stay until the next run: %', v_dataset, v_next.detail;
    END LOOP;
    PERFORM telemetry.note_maintained();
END;
$$;

COMMENT ON FUNCTION telemetry.take_upkeep_step() IS
'Takes the next step in dropping what is kept no longer. Takes nothing. Returns what api.maintain does, which calls it.';

-- procedures with transactions of their own cannot pin their path, so they set it, again after each commit: whatever is
-- first in the caller's path would run as the owner

CREATE OR REPLACE PROCEDURE telemetry.refresh_above(dataset text, since timestamptz, until timestamptz)
LANGUAGE plpgsql
AS $$
BEGIN
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    RAISE EXCEPTION 'the rollups of % have all readings from % until %, as every write keeps them', dataset, since, until;
END;
$$;

COMMENT ON PROCEDURE telemetry.refresh_above (text, timestamptz, timestamptz) IS
'Brings all that is built from a dataset up to date: on this edition it always is, and this is never called. Takes the dataset and a window. Raises an error.';

CREATE OR REPLACE FUNCTION telemetry.recompute_day(side text, day timestamptz)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- nothing is dropped meanwhile
    PERFORM pg_advisory_xact_lock(hashtextextended('telemetry.drop_next', 0));
    -- rollups of what was dropped stay as they are
    IF EXISTS (
        SELECT
        FROM telemetry.dataset AS d
        WHERE d.dataset = side || '_reading' AND d.complete_since <= recompute_day.day
    ) THEN
        CASE side
            WHEN 'meter' THEN PERFORM telemetry.recompute_meter_rollups(day, day + INTERVAL '24 hours');
            WHEN 'vehicle' THEN PERFORM telemetry.recompute_vehicle_rollups(day, day + INTERVAL '24 hours');
        END CASE;
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.recompute_day(text, timestamptz) IS
'Computes the rollups of a UTC day anew, unless readings of it were dropped. Takes meter or vehicle, and the start of the day. Returns nothing.';

CREATE OR REPLACE PROCEDURE telemetry.recompute_by_hand(since timestamptz, until timestamptz)
LANGUAGE plpgsql
AS $$
DECLARE
    v_day timestamptz;
    v_end timestamptz;
BEGIN
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    SELECT w.since, w.until INTO v_day, v_end FROM telemetry.refresh_window(since, until) AS w;
    WHILE v_day < v_end LOOP
        PERFORM telemetry.recompute_day('meter', v_day);
        -- readings wait for one side's day at most
        COMMIT;
        SET LOCAL ROLE wattledger_owner;
        SET LOCAL search_path = pg_catalog, pg_temp;
        PERFORM telemetry.recompute_day('vehicle', v_day);
        RAISE NOTICE 'recomputed % UTC', to_char(v_day AT TIME ZONE 'UTC', 'YYYY-MM-DD');
        COMMIT;
        SET LOCAL ROLE wattledger_owner;
        SET LOCAL search_path = pg_catalog, pg_temp;
        v_day := v_day + INTERVAL '24 hours';
    END LOOP;
END;
$$;

COMMENT ON PROCEDURE telemetry.recompute_by_hand (timestamptz, timestamptz) IS
'Does the work of ops.refresh, called as the owner with a path that is pinned.';

CREATE OR REPLACE PROCEDURE telemetry.drop_by_hand()
LANGUAGE plpgsql
AS $$
DECLARE
    v_dataset text;
    v_problem text;
    v_problems text;
BEGIN
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    PERFORM telemetry.note_dropped();
    CALL telemetry.settle_all_due(NULL);
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    CALL telemetry.settle_all_charging();
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    FOR v_dataset IN SELECT d.dataset FROM telemetry.dataset_level AS d WHERE d.keep IS NOT NULL ORDER BY d.level, d.side LOOP
        SET LOCAL ROLE wattledger_owner;
        SET LOCAL search_path = pg_catalog, pg_temp;
        v_problem := NULL;
        CALL telemetry.drop_due(v_dataset, v_problem);
        v_problems := coalesce(v_problems || '; ' || v_problem, v_problems, v_problem);
    END LOOP;
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    CALL telemetry.replay_all_due();
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    PERFORM telemetry.raise_problem(v_problems);
    PERFORM telemetry.note_maintained();
END;
$$;

COMMENT ON PROCEDURE telemetry.drop_by_hand () IS
'Does the work of ops.maintain, called as the owner with a path that is pinned.';

CREATE OR REPLACE PROCEDURE ops.refresh(since timestamptz, until timestamptz, force boolean DEFAULT FALSE)
LANGUAGE plpgsql
AS $$
BEGIN
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    IF force THEN
        RAISE NOTICE 'here all is computed anew, with force or without';
    END IF;
    CALL telemetry.recompute_by_hand(since, until);
END;
$$;

CREATE OR REPLACE PROCEDURE ops.maintain()
LANGUAGE plpgsql
AS $$
BEGIN
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    CALL telemetry.drop_by_hand();
END;
$$;

REVOKE ALL ON FUNCTION
    telemetry.is_refreshed(text, timestamptz, timestamptz),
    telemetry.lock_rollups(text),
    telemetry.has_rollups(text, timestamptz, timestamptz),
    telemetry.note_maintained(),
    telemetry.take_upkeep_step(),
    telemetry.recompute_day(text, timestamptz)
FROM PUBLIC;
REVOKE ALL ON PROCEDURE
    telemetry.refresh_above(text, timestamptz, timestamptz),
    telemetry.recompute_by_hand(timestamptz, timestamptz),
    telemetry.drop_by_hand()
FROM PUBLIC;
