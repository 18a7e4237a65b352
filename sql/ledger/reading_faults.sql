-- Faults of a reading by itself, before any other reading is looked at.

-- these are unpinned and run with the caller's rights, so that the planner inlines them into the ingest functions

CREATE OR REPLACE FUNCTION telemetry.kind_named(kind text)
RETURNS telemetry.reading_kind
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE coalesce(kind, 'difference')
        WHEN 'difference' THEN telemetry.reading_kind 'difference'
        WHEN 'lifetime_register' THEN telemetry.reading_kind 'lifetime_register'
        WHEN 'session_counter' THEN telemetry.reading_kind 'session_counter'
    END
$$;

COMMENT ON FUNCTION telemetry.kind_named(text) IS
'Takes the kind of a reading as it is sent. Returns it as it is stored: difference for NULL, NULL for what is none.';

CREATE OR REPLACE FUNCTION telemetry.reading_fault(
    device_id text,
    read_at timestamptz,
    kind text,
    energy_kwh double precision,
    interval_start timestamptz,
    session_id text,
    oldest timestamptz,
    newest timestamptz,
    dropped_hours timestamptz[]
)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN device_id IS NULL OR length(device_id) NOT BETWEEN 1 AND 128 THEN 'malformed'
        WHEN read_at IS NULL OR energy_kwh IS NULL THEN 'malformed'
        WHEN telemetry.kind_named(kind) IS NULL THEN 'kind'
        WHEN length(session_id) NOT BETWEEN 1 AND 128 THEN 'session'
        WHEN session_id IS NULL AND kind = 'session_counter' THEN 'no_session'
        WHEN interval_start IS NOT NULL AND kind <> 'difference' THEN 'register_from'
        WHEN interval_start > read_at OR interval_start < timestamptz '0001-01-02 00:00+00' THEN 'from'
        WHEN read_at > newest THEN 'future'
        WHEN read_at < oldest THEN 'too_old'
        WHEN dropped_hours <> '{}' AND telemetry.floor_hour(read_at) = ANY (dropped_hours) THEN 'dropped'
    END
$$;

COMMENT ON FUNCTION telemetry.reading_fault(
    text, timestamptz, text, double precision, timestamptz, text, timestamptz, timestamptz, timestamptz[]
) IS
'Takes device, time, kind, energy in kWh, start of the interval and session of a reading, the oldest and newest times accepted, and the hours between whose raw readings were dropped. Returns malformed, what of it is malformed (kind, session, no_session, register_from, from), future, too_old, dropped (too old as well: its hour is), or NULL where it can be stored.';

CREATE OR REPLACE FUNCTION telemetry.fault_outcome(fault text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN fault IS NULL THEN 'out_of_range'
        WHEN fault = 'dropped' THEN 'too_old'
        WHEN fault IN ('future', 'too_old') THEN fault
        ELSE 'malformed'
    END
$$;

COMMENT ON FUNCTION telemetry.fault_outcome(text) IS
'Takes a fault that reading_fault returned, or NULL for one of its values. Returns the reason that the sender is told.';

CREATE OR REPLACE FUNCTION telemetry.reading_fault_detail(
    fault text,
    read_at timestamptz,
    oldest timestamptz,
    newest timestamptz
)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT CASE fault
        WHEN 'malformed' THEN 'a reading needs a device id of 1 to 128 characters, a time and an energy'
        WHEN 'kind' THEN 'the kind of a reading is difference, lifetime_register or session_counter'
        WHEN 'session' THEN 'the id of a session has 1 to 128 characters'
        WHEN 'no_session' THEN 'a counter of a session needs the session''s id'
        WHEN 'register_from' THEN 'a register counts by itself: from belongs to a difference'
        WHEN 'from' THEN 'from is when the interval starts that ends at the reading''s time, and not after it'
        WHEN 'future' THEN 'timestamp is ahead of the server''s clock: accepted until '
            || to_char(newest AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') || '; set the device''s clock'
        WHEN 'too_old' THEN 'timestamp is older than what raw history keeps: accepted from '
            || to_char(oldest AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
            -- of the years 2000 to 2100 in seconds, taken for milliseconds: in January and February of 1970
            || CASE WHEN read_at BETWEEN to_timestamp(946684.8) AND to_timestamp(4102444.8)
                THEN '; it looks like seconds: send milliseconds, which are the seconds times 1000'
                ELSE ''
            END
        WHEN 'dropped' THEN 'the raw readings of that time were dropped: whether this one was counted cannot be told'
    END
$$;

COMMENT ON FUNCTION telemetry.reading_fault_detail(text, timestamptz, timestamptz, timestamptz) IS
'Takes a fault that reading_fault returned, the reading''s time, and the oldest and newest times accepted. Returns a sentence that tells the sender what to fix.';

CREATE OR REPLACE FUNCTION telemetry.is_in_range(value double precision, bounds telemetry.limits)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT value BETWEEN (bounds).minimum AND (bounds).maximum
$$;

COMMENT ON FUNCTION telemetry.is_in_range(double precision, telemetry.limits) IS
'Takes a value and the row of its bounds, in one unit. Returns whether it lies within them, both included; NULL for NULL.';

CREATE OR REPLACE FUNCTION telemetry.bounds_of(
    kind text,
    energy telemetry.limits,
    register telemetry.limits
)
RETURNS telemetry.limits
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN telemetry.kind_named(kind) = 'difference' THEN energy ELSE register END
$$;

COMMENT ON FUNCTION telemetry.bounds_of(text, telemetry.limits, telemetry.limits) IS
'Takes the kind of a reading as it is sent, and the rows of the bounds of differences and of registers. Returns the row that holds for the reading.';

CREATE OR REPLACE FUNCTION telemetry.is_storable(value double precision, bounds telemetry.limits)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT value IS NULL
        OR telemetry.is_in_range(value, bounds)
        OR (bounds).when_outside = 'store_null'
$$;

COMMENT ON FUNCTION telemetry.is_storable(double precision, telemetry.limits) IS
'Takes a measured value and the row of its bounds, in one unit. Returns whether a reading with it can be stored: it was not reported, lies within the bounds, or is stored as NULL.';

CREATE OR REPLACE FUNCTION telemetry.thousandths(value double precision, bounds telemetry.limits)
RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN telemetry.is_in_range(value, bounds) THEN (value * 1000)::integer END
$$;

COMMENT ON FUNCTION telemetry.thousandths(double precision, telemetry.limits) IS
'Takes a measured value and the row of its bounds, in one unit. Returns it as it is stored, in whole thousandths of that unit; NULL where it was not reported, or lies outside.';

CREATE OR REPLACE FUNCTION telemetry.range_fault(
    label text,
    value double precision,
    bounds telemetry.limits
)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN NOT telemetry.is_storable(value, bounds) THEN
        label || ' is ' || value::text || ', allowed is ' || (bounds).minimum::text || ' to ' || (bounds).maximum::text
    END
$$;

COMMENT ON FUNCTION telemetry.range_fault(text, double precision, telemetry.limits) IS
'Takes a label, a value and the row of its bounds, all in one unit. Returns a sentence that tells the sender what is wrong, or NULL where the value is NULL, inside the bounds, or stored as NULL.';

CREATE OR REPLACE FUNCTION telemetry.reported_text(
    kind telemetry.reading_kind,
    reported_mwh bigint,
    interval_start timestamptz,
    session_id text
)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT concat(
        trim_scale(telemetry.kwh(reported_mwh)), ' kWh',
        CASE kind
            WHEN 'lifetime_register' THEN ' on the register'
            WHEN 'session_counter' THEN ' since the session started'
        END,
        ' from ' || to_char(interval_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        ', session ' || session_id
    )
$$;

COMMENT ON FUNCTION telemetry.reported_text(telemetry.reading_kind, bigint, timestamptz, text) IS
'Takes kind, energy or register in milliwatt-hours, start of the interval and session of a stored reading. Returns them in words.';

REVOKE ALL ON FUNCTION
    telemetry.kind_named(text),
    telemetry.reading_fault(
        text, timestamptz, text, double precision, timestamptz, text, timestamptz, timestamptz, timestamptz[]
    ),
    telemetry.fault_outcome(text),
    telemetry.bounds_of(text, telemetry.limits, telemetry.limits),
    telemetry.reported_text(telemetry.reading_kind, bigint, timestamptz, text),
    telemetry.reading_fault_detail(text, timestamptz, timestamptz, timestamptz),
    telemetry.is_in_range(double precision, telemetry.limits),
    telemetry.is_storable(double precision, telemetry.limits),
    telemetry.thousandths(double precision, telemetry.limits),
    telemetry.range_fault(text, double precision, telemetry.limits)
FROM PUBLIC;
