-- Acceptance: what a reading must fulfil to be stored, as it stands now, which is times and bounds.

CREATE OR REPLACE FUNCTION telemetry.earliest()
RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    -- what claims to be older is a clock that was never set, or seconds taken for milliseconds
    SELECT timestamptz '2000-01-01 00:00:00+00'
$$;

COMMENT ON FUNCTION telemetry.earliest() IS
'Takes nothing. Returns the moment before which no reading is accepted, however long history is kept.';

-- in PL/pgSQL, whose plans are kept: they run once per group of readings

CREATE OR REPLACE FUNCTION telemetry.acceptance(
    dataset text,
    OUT oldest timestamptz,
    OUT newest timestamptz,
    OUT energy telemetry.limits,
    OUT voltage telemetry.limits,
    OUT soc telemetry.limits,
    OUT battery_temp telemetry.limits
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- where raw readings were dropped no rollup could count another one
    SELECT
        greatest(
            telemetry.utc_minus(now(), d.keep),
            d.accepted_since,
            d.complete_since,
            telemetry.earliest()
        ),
        now() + r.clock_skew
    INTO oldest, newest
    FROM telemetry.rules AS r
    CROSS JOIN telemetry.dataset AS d
    WHERE d.dataset = acceptance.dataset;
    IF oldest IS NULL OR newest IS NULL THEN
        RAISE EXCEPTION 'it is not said which times of % are accepted', acceptance.dataset
            USING ERRCODE = 'WL050',
                HINT = 'Put back the row of telemetry.rules, and that of telemetry.dataset.';
    END IF;
    energy := telemetry.limit_of(acceptance.dataset, 'energy_kwh');
    IF acceptance.dataset = 'meter_reading' THEN
        voltage := telemetry.limit_of(acceptance.dataset, 'voltage_v');
    ELSE
        soc := telemetry.limit_of(acceptance.dataset, 'soc_percent');
        battery_temp := telemetry.limit_of(acceptance.dataset, 'battery_temp_c');
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.acceptance(text) IS
'Takes meter_reading or vehicle_reading. Returns one row: the oldest and the newest time at which a reading may have been taken to be accepted now, both included, and the rows of telemetry.limits that bound its energy and its measurements, NULL for those of the other side. Raises WL050 where a row that says so is missing.';

CREATE OR REPLACE FUNCTION telemetry.check_complete(dataset text, oldest timestamptz)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (
        SELECT
        FROM telemetry.dataset AS d
        WHERE d.dataset = check_complete.dataset AND d.complete_since > check_complete.oldest
    ) THEN
        RAISE EXCEPTION 'readings of % cannot be stored: others of that time were dropped', oldest
            USING ERRCODE = 'WL053',
                HINT = 'The rollups hold what was there, and would not count these. telemetry.dataset has complete_since.';
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.check_complete(text, timestamptz) IS
'Takes meter_reading or vehicle_reading and the oldest time of rows that are being written, by whomever. Returns nothing. Raises WL053 where raw readings of that time were dropped.';

CREATE OR REPLACE FUNCTION telemetry.limit_of(dataset text, field text)
RETURNS telemetry.limits
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_limit telemetry.limits;
BEGIN
    SELECT l.* INTO v_limit
    FROM telemetry.limits AS l
    WHERE l.dataset = limit_of.dataset AND l.field = limit_of.field;
    IF NOT found THEN
        -- a missing bound would let everything in, or nothing, without a word
        RAISE EXCEPTION 'the bounds of % in % are missing', limit_of.field, limit_of.dataset
            USING ERRCODE = 'WL050',
                HINT = 'Put the row of telemetry.limits back; to allow more, widen its bounds.';
    END IF;
    RETURN v_limit;
END;
$$;

COMMENT ON FUNCTION telemetry.limit_of(text, text) IS
'Takes a dataset and a measured field. Returns its row of telemetry.limits. Raises WL050 where there is none.';

CREATE OR REPLACE FUNCTION telemetry.count_discarded(
    bounds telemetry.limits,
    stored_ids text[],
    stored_at timestamptz[],
    device_ids text[],
    read_at timestamptz[],
    measured double precision[]
)
RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO telemetry.discarded_measurement AS d (
        dataset, field, device_id, discarded, last_value, last_read_at, last_received_at
    )
    SELECT
        (count_discarded.bounds).dataset,
        (count_discarded.bounds).field,
        f.device_id,
        count(*),
        public.last(f.value, f.ts),
        max(f.ts),
        now()
    FROM (
        -- of several readings of one device and time the first one is stored
        SELECT DISTINCT ON (s.device_id, s.ts) s.device_id, s.ts, s.value
        FROM unnest(count_discarded.device_ids, count_discarded.read_at, count_discarded.measured)
            WITH ORDINALITY AS s (device_id, ts, value, place)
        INNER JOIN unnest(count_discarded.stored_ids, count_discarded.stored_at) AS n (device_id, ts)
            ON n.device_id = s.device_id AND n.ts = s.ts
        ORDER BY s.device_id, s.ts, s.place
    ) AS f
    WHERE NOT telemetry.is_in_range(f.value, count_discarded.bounds)
    GROUP BY f.device_id
    -- one lock order for all batches: no deadlock
    ORDER BY f.device_id COLLATE "C"
    ON CONFLICT ON CONSTRAINT discarded_measurement_pkey DO UPDATE SET
        discarded = d.discarded + excluded.discarded,
        last_value = excluded.last_value,
        last_read_at = excluded.last_read_at,
        last_received_at = excluded.last_received_at
$$;

COMMENT ON FUNCTION telemetry.count_discarded(
    telemetry.limits, text[], timestamptz[], text[], timestamptz[], double precision[]
) IS
'Counts the values outside their bounds that were stored as NULL. Takes the row of their bounds, device and time of each reading that was stored, and device, time and value (NULL: not reported) of each that was sent. Returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.check_accounted(sent integer, stored integer, reported integer)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (stored + reported = sent) IS NOT TRUE THEN
        RAISE EXCEPTION '% readings were sent, % stored and % refused: not every one is accounted for', sent, stored, reported
            USING ERRCODE = 'WL051', HINT = 'Nothing was stored. Send them again.';
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.check_accounted(integer, integer, integer) IS
'Takes how many readings were sent, newly stored, and reported as not newly stored. Returns nothing. Raises WL051 unless the last two make up the first: what is not reported is acknowledged as stored.';

REVOKE ALL ON FUNCTION
    telemetry.earliest(),
    telemetry.acceptance(text),
    telemetry.check_complete(text, timestamptz),
    telemetry.limit_of(text, text),
    telemetry.count_discarded(telemetry.limits, text[], timestamptz[], text[], timestamptz[], double precision[]),
    telemetry.check_accounted(integer, integer, integer)
FROM PUBLIC;
