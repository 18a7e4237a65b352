-- Hours and days, in UTC as continuous aggregates have them, and the moments that can be told apart.

-- these are unpinned and run with the caller's rights, so that the planner can inline them

CREATE OR REPLACE FUNCTION telemetry.utc_minus(moment timestamptz, span interval)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT (moment AT TIME ZONE 'UTC' - span) AT TIME ZONE 'UTC'
$$;

COMMENT ON FUNCTION telemetry.utc_minus(timestamptz, interval) IS
'Takes a moment and a span. Returns the moment so much earlier, in UTC: plain subtraction counts days in the session''s time zone, where one may have 23 or 25 hours.';

CREATE OR REPLACE FUNCTION telemetry.floor_hour(moment timestamptz)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT public.time_bucket('1 hour', moment)
$$;

COMMENT ON FUNCTION telemetry.floor_hour(timestamptz) IS
'Takes a moment. Returns the start of its hour.';

CREATE OR REPLACE FUNCTION telemetry.ceiling_hour(moment timestamptz)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT public.time_bucket('1 hour', moment + INTERVAL '1 hour' - INTERVAL '1 microsecond')
$$;

COMMENT ON FUNCTION telemetry.ceiling_hour(timestamptz) IS
'Takes a moment. Returns it where an hour starts then, else the start of the next hour.';

CREATE OR REPLACE FUNCTION telemetry.floor_day(moment timestamptz)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT public.time_bucket('1 day', moment)
$$;

COMMENT ON FUNCTION telemetry.floor_day(timestamptz) IS
'Takes a moment. Returns the start of its UTC day.';

CREATE OR REPLACE FUNCTION telemetry.ceiling_day(moment timestamptz)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT public.time_bucket('1 day', moment + INTERVAL '24 hours' - INTERVAL '1 microsecond')
$$;

COMMENT ON FUNCTION telemetry.ceiling_day(timestamptz) IS
'Takes a moment. Returns it where a UTC day starts then, else the start of the next day.';

CREATE OR REPLACE FUNCTION telemetry.utc_day(moment timestamptz)
RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT (moment AT TIME ZONE 'UTC')::date
$$;

COMMENT ON FUNCTION telemetry.utc_day(timestamptz) IS
'Takes a moment. Returns the UTC day that it is in.';

CREATE OR REPLACE FUNCTION telemetry.day_start(day date)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT day::timestamp AT TIME ZONE 'UTC'
$$;

COMMENT ON FUNCTION telemetry.day_start(date) IS
'Takes a UTC day. Returns the moment at which it starts.';

-- in PL/pgSQL since the planner does not inline what takes an expression more than once, and SQL functions that are not
-- inlined are planned again in each query
CREATE OR REPLACE FUNCTION telemetry.answerable(
    moment timestamptz,
    raw_since timestamptz,
    hourly_since timestamptz
)
RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN CASE
        WHEN moment < hourly_since THEN public.time_bucket('1 day', moment + INTERVAL '12 hours')
        WHEN moment < raw_since THEN public.time_bucket('1 hour', moment + INTERVAL '30 minutes')
        ELSE moment
    END;
END;
$$;

COMMENT ON FUNCTION telemetry.answerable(timestamptz, timestamptz, timestamptz) IS
'Takes a moment, since when all raw readings are there and since when all hours are. Returns the nearest moment at which energy can still be divided: itself, a full hour where the raw readings are gone, a midnight in UTC where the hours are gone too.';

CREATE OR REPLACE FUNCTION telemetry.asked_window(INOUT since timestamptz, INOUT until timestamptz)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    until := coalesce(until, now());
    since := coalesce(since, until - INTERVAL '24 hours');
    IF since >= until THEN
        RAISE EXCEPTION 'the window must begin before it ends'
            USING ERRCODE = 'WL002', HINT = 'Send a "to" that is later than "from".';
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.asked_window(timestamptz, timestamptz) IS
'Takes start and end of a window as they were asked for, NULL where they were not said. Returns both: the end is now, the start 24 hours before the end, unless said. Raises WL002 where the window is empty.';

CREATE OR REPLACE FUNCTION telemetry.asked_hours(since timestamptz, until timestamptz)
RETURNS tstzrange
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_hours tstzrange;
BEGIN
    SELECT tstzrange(telemetry.floor_hour(w.since), telemetry.ceiling_hour(w.until)) INTO v_hours
    FROM telemetry.asked_window(asked_hours.since, asked_hours.until) AS w;
    IF upper(v_hours) - lower(v_hours) > INTERVAL '8784 hours' THEN
        RAISE EXCEPTION 'the window is longer than a year'
            USING ERRCODE = 'WL004', HINT = 'Ask for 8,784 hours at most.';
    END IF;
    RETURN v_hours;
END;
$$;

COMMENT ON FUNCTION telemetry.asked_hours(timestamptz, timestamptz) IS
'Takes start and end of a window as telemetry.asked_window does. Returns the whole hours that it touches. Raises WL002 where it is empty, WL004 where those are more than 8,784.';

CREATE OR REPLACE FUNCTION telemetry.elapsed(since timestamptz, until timestamptz)
RETURNS interval
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    -- no reading can be expected of the time to come
    SELECT greatest(least(until, now()) - since, INTERVAL '0')
$$;

COMMENT ON FUNCTION telemetry.elapsed(timestamptz, timestamptz) IS
'Takes start and end of a span of time. Returns how much of it is over: none where it ends before it starts.';

CREATE OR REPLACE VIEW telemetry.horizon AS
SELECT
    telemetry.ceiling_hour(
        max(b.since) FILTER (WHERE d.dataset IN ('meter_reading', 'vehicle_reading'))
    ) AS raw_since,
    telemetry.ceiling_day(
        max(b.since) FILTER (WHERE d.dataset IN ('meter_energy_hourly', 'vehicle_energy_hourly'))
    ) AS hourly_since
FROM telemetry.dataset AS d
CROSS JOIN LATERAL (
    SELECT greatest(coalesce(telemetry.utc_minus(now(), d.keep), '-infinity'), d.complete_since) AS since
) AS b;

COMMENT ON VIEW telemetry.horizon IS 'How far back raw readings and hours are all there, on both sides: one row.';
COMMENT ON COLUMN telemetry.horizon.raw_since IS
'The full hour since which all raw readings are there; -infinity where none was ever dropped.';
COMMENT ON COLUMN telemetry.horizon.hourly_since IS
'The midnight in UTC since which all hours are there; -infinity where none was ever dropped.';

CREATE OR REPLACE FUNCTION telemetry.kept_window(
    INOUT since timestamptz,
    INOUT until timestamptz,
    OUT kept_until timestamptz
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    SELECT
        CASE WHEN w.since < h.hourly_since THEN telemetry.floor_day(w.since) ELSE telemetry.floor_hour(w.since) END,
        CASE WHEN w.until < h.hourly_since THEN telemetry.ceiling_day(w.until) ELSE telemetry.ceiling_hour(w.until) END
    INTO since, until
    FROM telemetry.asked_window(since, until) AS w
    CROSS JOIN telemetry.horizon AS h;
    -- what is kept is of now at most, so a day that has begun is as good as a whole one
    kept_until := CASE WHEN until >= now() THEN telemetry.ceiling_day(until) ELSE until END;
END;
$$;

COMMENT ON FUNCTION telemetry.kept_window(timestamptz, timestamptz) IS
'Takes start and end of a window as telemetry.asked_window does. Returns the whole hours that it touches, in UTC, or whole days where the hours are gone, and up to when kept rows answer for it: its end, or the end of the day where that is now or later. Raises WL002 where it is empty.';

REVOKE ALL ON FUNCTION
    telemetry.kept_window(timestamptz, timestamptz),
    telemetry.utc_minus(timestamptz, interval),
    telemetry.floor_hour(timestamptz),
    telemetry.ceiling_hour(timestamptz),
    telemetry.floor_day(timestamptz),
    telemetry.ceiling_day(timestamptz),
    telemetry.utc_day(timestamptz),
    telemetry.day_start(date),
    telemetry.answerable(timestamptz, timestamptz, timestamptz),
    telemetry.asked_window(timestamptz, timestamptz),
    telemetry.asked_hours(timestamptz, timestamptz),
    telemetry.elapsed(timestamptz, timestamptz)
FROM PUBLIC;
-- views of bi call them with the rights of whoever asks
GRANT EXECUTE ON FUNCTION
    telemetry.utc_minus(timestamptz, interval),
    telemetry.floor_hour(timestamptz),
    telemetry.ceiling_hour(timestamptz),
    telemetry.floor_day(timestamptz),
    telemetry.ceiling_day(timestamptz),
    telemetry.utc_day(timestamptz),
    telemetry.day_start(date),
    telemetry.answerable(timestamptz, timestamptz, timestamptz)
TO wattledger_bi, wattledger_dba;
