-- Folding of an import of history, a piece after the other.

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
REVOKE ALL ON PROCEDURE ops.fold_history(bigint) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE ops.fold_history(bigint) TO wattledger_dba;
