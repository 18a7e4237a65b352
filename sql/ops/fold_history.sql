-- Folding of an import of history, a piece after the other.

CREATE OR REPLACE PROCEDURE telemetry.fold_all_history(import_id bigint)
LANGUAGE plpgsql
AS $$
DECLARE
    v_done record;
    v_readings bigint := 0::bigint;
    v_told_at timestamptz := clock_timestamp();
BEGIN
    LOOP
        -- transactions of its own, so that it cannot pin its path: see ops.maintain
        SET LOCAL ROLE wattledger_owner;
        SET LOCAL search_path = pg_catalog, pg_temp;
        SELECT p.devices, p.readings INTO v_done FROM telemetry.fold_history_piece(import_id) AS p;
        COMMIT;
        EXIT WHEN v_done.devices = 0;
        v_readings := v_readings + v_done.readings;
        IF clock_timestamp() > v_told_at THEN
            RAISE NOTICE 'folded % readings of history', v_readings;
            v_told_at := clock_timestamp() + INTERVAL '5 seconds';
        END IF;
    END LOOP;
END;
$$;

COMMENT ON PROCEDURE telemetry.fold_all_history (bigint) IS
'Does the work of ops.fold_history, called as the owner with a path that is pinned.';

CREATE OR REPLACE PROCEDURE ops.fold_history(import_id bigint)
LANGUAGE plpgsql
AS $$
BEGIN
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    CALL telemetry.fold_all_history(import_id);
END;
$$;

COMMENT ON PROCEDURE ops.fold_history (bigint) IS
'Folds what is staged of an import into hours, days, anchors, charging and sessions, devices that were ever linked together at once; their raw readings are not kept. What ended before it was done goes on with the next call. Takes the import. Devices that have energy of that time already are left out: ops.history_devices says which. Tells by notices how far it is, and where charging stays as it was kept. It commits as it goes, so it cannot be called inside a transaction. Raises WL070 where the import is not open.';
REVOKE ALL ON PROCEDURE telemetry.fold_all_history(bigint) FROM PUBLIC;
REVOKE ALL ON PROCEDURE ops.fold_history(bigint) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE ops.fold_history(bigint) TO wattledger_dba;
