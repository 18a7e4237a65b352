-- Units in which energy and measurements are stored, and sums of what may be missing.

-- these are unpinned and run with the caller's rights, so that the planner can inline them

CREATE OR REPLACE FUNCTION telemetry.kwh(mwh numeric)
RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT mwh * 0.000001
$$;

COMMENT ON FUNCTION telemetry.kwh(numeric) IS
'Takes energy in milliwatt-hours, as it is stored. Returns it in kWh, exactly; NULL for NULL.';

CREATE OR REPLACE FUNCTION telemetry.mwh(kwh numeric)
RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT kwh * 1000000
$$;

COMMENT ON FUNCTION telemetry.mwh(numeric) IS
'Takes energy in kWh. Returns it in milliwatt-hours, exactly; NULL for NULL.';

CREATE OR REPLACE FUNCTION telemetry.mwh(kwh double precision)
RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT (kwh * 1000000)::bigint
$$;

COMMENT ON FUNCTION telemetry.mwh(double precision) IS
'Takes energy in kWh, as it was sent. Returns it as it is stored, in whole milliwatt-hours; NULL for NULL.';

CREATE OR REPLACE FUNCTION telemetry.total(a bigint, b bigint)
RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT coalesce(a + b, a, b)
$$;

COMMENT ON FUNCTION telemetry.total(bigint, bigint) IS
'Takes two sums, either NULL where there was nothing to add. Returns the sum of both; NULL where both are.';

REVOKE ALL ON FUNCTION
    telemetry.kwh(numeric),
    telemetry.mwh(numeric),
    telemetry.mwh(double precision),
    telemetry.total(bigint, bigint)
FROM PUBLIC;
-- views of bi call them with the rights of whoever asks
GRANT EXECUTE ON FUNCTION
    telemetry.kwh(numeric),
    telemetry.mwh(numeric),
    telemetry.total(bigint, bigint)
TO wattledger_bi;
-- so do views of ops
GRANT EXECUTE ON FUNCTION telemetry.kwh(numeric) TO wattledger_dba;
