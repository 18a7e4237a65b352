-- Rollups of what was dropped never change again, whoever refreshes, with whatever window: our jobs, a policy that
-- somebody added, or a DBA by hand.

CREATE OR REPLACE FUNCTION telemetry.keep_rollup()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- of the time of which chunks are dropped, or of which somebody dropped one without asking
    IF old.bucket < now() - INTERVAL '24 hours'
        AND (
            old.bucket < (SELECT d.complete_since FROM telemetry.dataset AS d WHERE d.dataset = tg_argv[0])
            OR (tg_argv[0] LIKE '%reading' AND NOT telemetry.has_chunk(tg_argv[0], old.bucket, old.bucket + INTERVAL '1 hour'))
        )
    THEN
        RETURN NULL;
    END IF;
    RETURN CASE WHEN tg_op = 'UPDATE' THEN new ELSE old END;
END;
$$;

COMMENT ON FUNCTION telemetry.keep_rollup() IS
'Trigger: leaves a row of a rollup as it is where what it was computed from is gone. Its argument is the dataset from which the rollup is computed.';
REVOKE ALL ON FUNCTION telemetry.keep_rollup() FROM PUBLIC;

DO $$
DECLARE
    v_rollup record;
BEGIN
    FOR v_rollup IN
        SELECT h.dataset, h.hypertable_schema, h.hypertable_name
        FROM telemetry.dataset_hypertable() AS h
        WHERE h.dataset LIKE '%energy%'
            AND NOT EXISTS (
                SELECT
                FROM pg_catalog.pg_trigger AS t
                WHERE t.tgrelid = format('%I.%I', h.hypertable_schema, h.hypertable_name)::regclass
                    AND t.tgname = 'keep_rollup'
            )
        ORDER BY h.dataset
    LOOP
        EXECUTE format(
            'CREATE TRIGGER keep_rollup BEFORE UPDATE OR DELETE ON %I.%I FOR EACH ROW EXECUTE FUNCTION telemetry.keep_rollup(%L)',
            v_rollup.hypertable_schema, v_rollup.hypertable_name, telemetry.source_of(v_rollup.dataset)
        );
    END LOOP;
END;
$$;
