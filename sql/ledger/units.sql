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

-- its body is read now, and not when it is called: views of bi call it for roles that cannot look into this schema
CREATE OR REPLACE FUNCTION telemetry.mean_kw(mwh double precision, span interval)
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN mwh / 1000000 * 3600 / nullif(date_part('epoch', span), 0);

COMMENT ON FUNCTION telemetry.mean_kw(double precision, interval) IS
'Takes energy in milliwatt-hours and the time in which it flowed. Returns the mean power in kW; NULL for NULL, and where that is no time.';

CREATE OR REPLACE FUNCTION telemetry.us(span interval)
RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    -- exact for spans of decades, in a third of the time that numeric takes
    SELECT (date_part('epoch', span) * 1000000)::bigint
$$;

COMMENT ON FUNCTION telemetry.us(interval) IS
'Takes a span of time without days and months. Returns it in microseconds; NULL for NULL.';

CREATE OR REPLACE FUNCTION telemetry.span(us numeric)
RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT us::double precision * INTERVAL '1 microsecond'
$$;

COMMENT ON FUNCTION telemetry.span(numeric) IS
'Takes a number of microseconds. Returns the span of time; NULL for NULL.';

CREATE OR REPLACE FUNCTION telemetry.hours(us numeric)
RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT us / 3600000000
$$;

COMMENT ON FUNCTION telemetry.hours(numeric) IS
'Takes a number of microseconds. Returns it in hours; NULL for NULL.';

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
    telemetry.mean_kw(double precision, interval),
    telemetry.us(interval),
    telemetry.span(numeric),
    telemetry.hours(numeric),
    telemetry.total(bigint, bigint)
FROM PUBLIC;
-- views of bi call them with the rights of whoever asks
GRANT EXECUTE ON FUNCTION
    telemetry.kwh(numeric),
    telemetry.mwh(numeric),
    telemetry.mwh(double precision),
    telemetry.mean_kw(double precision, interval),
    telemetry.span(numeric),
    telemetry.hours(numeric),
    telemetry.total(bigint, bigint)
TO wattledger_bi;
-- so do views of ops
GRANT EXECUTE ON FUNCTION telemetry.kwh(numeric), telemetry.mean_kw(double precision, interval) TO wattledger_dba;
