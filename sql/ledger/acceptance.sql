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

CREATE OR REPLACE VIEW telemetry.accepted AS
SELECT
    d.dataset,
    -- where raw readings were dropped no rollup could count another one
    greatest(
        -- while history is imported, all that is not dropped yet
        CASE WHEN d.held_until <= now() THEN telemetry.utc_minus(now(), d.keep) END,
        d.accepted_since,
        d.complete_since,
        telemetry.earliest()
    ) AS oldest,
    now() + r.clock_skew AS newest,
    (
        SELECT l
        FROM telemetry.limits AS l
        WHERE l.dataset = d.dataset AND l.field = 'energy_kwh'
    ) AS energy,
    (
        SELECT l
        FROM telemetry.limits AS l
        WHERE l.dataset = d.dataset AND l.field = 'voltage_v'
    ) AS voltage,
    (
        SELECT l
        FROM telemetry.limits AS l
        WHERE l.dataset = d.dataset AND l.field = 'soc_percent'
    ) AS soc,
    (
        SELECT l
        FROM telemetry.limits AS l
        WHERE l.dataset = d.dataset AND l.field = 'battery_temp_c'
    ) AS battery_temp,
    (
        SELECT l
        FROM telemetry.limits AS l
        WHERE l.dataset = d.dataset AND l.field = 'register_kwh'
    ) AS register,
    (
        SELECT g
        FROM telemetry.register_rules AS g
        WHERE g.dataset = d.dataset
    ) AS rules
FROM telemetry.dataset AS d
CROSS JOIN telemetry.rules AS r
WHERE d.dataset IN ('meter_reading', 'vehicle_reading');

COMMENT ON VIEW telemetry.accepted IS 'Which readings are accepted now, one row per side.';
COMMENT ON COLUMN telemetry.accepted.dataset IS 'meter_reading or vehicle_reading.';
COMMENT ON COLUMN telemetry.accepted.oldest IS 'The oldest time at which a reading may have been taken, included.';
COMMENT ON COLUMN telemetry.accepted.newest IS 'The newest time at which a reading may have been taken, included.';
COMMENT ON COLUMN telemetry.accepted.energy IS 'The bounds of a difference''s energy, a row of telemetry.limits.';
COMMENT ON COLUMN telemetry.accepted.voltage IS 'The bounds of a meter''s voltage; NULL for vehicles.';
COMMENT ON COLUMN telemetry.accepted.soc IS 'The bounds of a vehicle''s state of charge; NULL for meters.';
COMMENT ON COLUMN telemetry.accepted.battery_temp IS 'The bounds of a vehicle''s battery temperature; NULL for meters.';
COMMENT ON COLUMN telemetry.accepted.register IS 'The bounds of a register.';
COMMENT ON COLUMN telemetry.accepted.rules IS 'How registers are judged, a row of telemetry.register_rules.';

-- in PL/pgSQL, whose plans are kept: it runs once per group of readings

CREATE OR REPLACE FUNCTION telemetry.acceptance(dataset text)
RETURNS telemetry.accepted
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_accepted telemetry.accepted;
BEGIN
    SELECT a.* INTO v_accepted FROM telemetry.accepted AS a WHERE a.dataset = acceptance.dataset;
    IF NOT found THEN
        RAISE EXCEPTION 'it is not said which times of % are accepted', acceptance.dataset
            USING ERRCODE = 'WL050',
                HINT = 'Put back the row of telemetry.rules, and that of telemetry.dataset.';
    END IF;
    -- a missing bound would let everything in, or nothing, without a word
    IF v_accepted.energy IS NULL OR v_accepted.register IS NULL OR v_accepted.rules IS NULL
        OR (v_accepted.voltage IS NULL AND acceptance.dataset = 'meter_reading')
        OR (num_nulls(v_accepted.soc, v_accepted.battery_temp) > 0 AND acceptance.dataset = 'vehicle_reading')
    THEN
        RAISE EXCEPTION 'the bounds of % in % are missing',
            concat_ws(
                ', ',
                CASE WHEN v_accepted.energy IS NULL THEN 'energy_kwh' END,
                CASE WHEN v_accepted.register IS NULL THEN 'register_kwh' END,
                CASE WHEN v_accepted.rules IS NULL THEN 'registers, in telemetry.register_rules,' END,
                CASE WHEN v_accepted.voltage IS NULL THEN 'voltage_v' END,
                CASE WHEN v_accepted.soc IS NULL THEN 'soc_percent' END,
                CASE WHEN v_accepted.battery_temp IS NULL THEN 'battery_temp_c' END
            ),
            acceptance.dataset
            USING ERRCODE = 'WL050', HINT = 'Put the row of telemetry.limits back; to allow more, widen its bounds.';
    END IF;
    RETURN v_accepted;
END;
$$;

COMMENT ON FUNCTION telemetry.acceptance(text) IS
'Takes meter_reading or vehicle_reading. Returns its row of telemetry.accepted: the times and the bounds within which a reading is accepted now. Raises WL050 where a row that says so is missing.';

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
    telemetry.count_discarded(telemetry.limits, text[], timestamptz[], text[], timestamptz[], double precision[]),
    telemetry.check_accounted(integer, integer, integer)
FROM PUBLIC;
