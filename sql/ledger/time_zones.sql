-- Days of a time zone: the moments whose local date it is, whatever clocks did.

CREATE OR REPLACE FUNCTION telemetry.check_zone(zone text)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_known boolean;
BEGIN
    IF upper(zone) IN ('UTC', 'GMT') THEN
        RETURN;
    END IF;
    -- for PostgreSQL these are fixed offsets, also where a zone of that name has daylight saving time
    IF EXISTS (SELECT FROM pg_timezone_abbrevs AS a WHERE a.abbrev = upper(zone)) THEN
        RAISE EXCEPTION '"%" is an abbreviation: a fixed offset, without daylight saving time', zone
            USING ERRCODE = 'WL009',
                HINT = 'Name a place instead: Europe/Berlin for CET, America/New_York for EST. Only UTC and GMT are taken.';
    END IF;
    -- with a digit or a colon PostgreSQL may read it as a rule of POSIX, in right/ are zones with leap seconds: neither
    -- is in the view, which reads all the files of zones (130 ms in a new session) and is not asked for other names
    IF zone ~* '[0-9:]|^right/' THEN
        v_known := EXISTS (SELECT FROM pg_timezone_names AS n WHERE lower(n.name) = lower(zone));
    ELSE
        BEGIN
            v_known := (now() AT TIME ZONE zone) IS NOT NULL;
        EXCEPTION WHEN invalid_parameter_value THEN
            v_known := FALSE;
        END;
    END IF;
    IF v_known IS NOT TRUE THEN
        RAISE EXCEPTION 'there is no time zone "%"', coalesce(zone, 'null')
            USING ERRCODE = 'WL009', HINT = 'Use a name of pg_timezone_names, such as Europe/Berlin.';
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.check_zone(text) IS
'Takes a time zone''s name. Returns nothing. Raises WL009 unless it is in pg_timezone_names and no abbreviation; UTC and GMT are taken.';

CREATE OR REPLACE FUNCTION telemetry.check_days(first_day date, last_day date)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (isfinite(first_day) AND isfinite(last_day)) IS NOT TRUE THEN
        RAISE EXCEPTION 'the first and the last day must be dates'
            USING ERRCODE = 'WL002', HINT = 'Give two dates, such as 2026-10-01 and 2026-10-31.';
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.check_days(date, date) IS
'Takes the first and the last of the days that are asked for. Returns nothing. Raises WL002 unless both are dates.';

CREATE OR REPLACE FUNCTION telemetry.local_day(zone text, first_day date, last_day date)
RETURNS TABLE (day date, since timestamptz, until timestamptz, first_hour timestamptz, end_hour timestamptz)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- in UTC: local dates are less than a day from it
    v_midnight timestamp;
    v_next timestamp;
    v_offset interval;
    v_next_offset interval;
    v_before timestamp;
    v_after timestamp;
    v_middle timestamp;
    -- moments at which the local date may change
    v_moments timestamp[] := ARRAY[]::timestamp[];
BEGIN
    PERFORM telemetry.check_days(first_day, last_day);
    v_midnight := (first_day - 2)::timestamp;
    v_offset := (v_midnight AT TIME ZONE 'UTC' AT TIME ZONE zone) - v_midnight;
    FOR v_number IN 0..last_day - first_day + 4 LOOP
        v_next := v_midnight + INTERVAL '1 day';
        v_next_offset := (v_next AT TIME ZONE 'UTC' AT TIME ZONE zone) - v_next;
        -- local midnight: every 24 hours have one
        v_moments := v_moments || date_trunc('day', v_next + v_offset - INTERVAL '1 microsecond') - v_offset;
        IF v_next_offset <> v_offset THEN
            -- clocks change in between: at that second, and local midnight is another one after it
            v_before := v_midnight;
            v_after := v_next;
            WHILE v_after - v_before > INTERVAL '1 second' LOOP
                v_middle := date_trunc('second', v_before + (v_after - v_before) / 2);
                IF (v_middle AT TIME ZONE 'UTC' AT TIME ZONE zone) - v_middle = v_offset THEN
                    v_before := v_middle;
                ELSE
                    v_after := v_middle;
                END IF;
            END LOOP;
            v_moments := v_moments || v_after
                || date_trunc('day', v_next + v_next_offset - INTERVAL '1 microsecond') - v_next_offset;
        END IF;
        v_midnight := v_next;
        v_offset := v_next_offset;
    END LOOP;

    RETURN QUERY
    WITH moment AS (
        SELECT DISTINCT
            m.moment AT TIME ZONE 'UTC' AS since,
            (m.moment AT TIME ZONE 'UTC' AT TIME ZONE zone)::date AS day
        FROM unnest(v_moments) AS m (moment)
    ),
    change AS (
        SELECT m.since, m.day, lag(m.day) OVER (ORDER BY m.since) AS day_before
        FROM moment AS m
    ),
    stretch AS (
        SELECT c.day, c.since, lead(c.since) OVER (ORDER BY c.since) AS until
        FROM change AS c
        WHERE c.day IS DISTINCT FROM c.day_before
    )
    SELECT s.day, a.since, a.until, telemetry.ceiling_hour(a.since), telemetry.floor_hour(a.until)
    FROM stretch AS s
    CROSS JOIN telemetry.horizon AS h
    CROSS JOIN LATERAL (
        SELECT
            telemetry.answerable(s.since, h.raw_since, '-infinity') AS since,
            telemetry.answerable(s.until, h.raw_since, '-infinity') AS until
    ) AS a
    WHERE s.day >= first_day AND s.day <= last_day AND a.since < a.until
    ORDER BY a.since;
END;
$$;

COMMENT ON FUNCTION telemetry.local_day(text, date, date) IS
'Takes a time zone''s name and the first and last day, both included. Returns the stretches of time whose local date is one of these days, in order: the day, its start and end, to the nearest full hour where raw readings are gone, and the first whole hour inside and the end of the last. Mostly one per day; none where the zone left out a day, two where clocks went back over midnight and the date with them. Raises WL002 unless both are dates.';

REVOKE ALL ON FUNCTION
    telemetry.check_zone(text),
    telemetry.check_days(date, date),
    telemetry.local_day(text, date, date)
FROM PUBLIC;
