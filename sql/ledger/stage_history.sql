-- Staging of history: readings from before what raw history keeps, each checked as at the door.

CREATE OR REPLACE FUNCTION telemetry.history_bound(dataset text)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT greatest(d.complete_since, telemetry.earliest())
        FROM telemetry.dataset AS d
        WHERE d.dataset = history_bound.dataset
    );
END;
$$;

COMMENT ON FUNCTION telemetry.history_bound(text) IS
'Takes meter_reading or vehicle_reading. Returns the moment before which no raw readings are kept: what is older comes as history, what is not comes as readings.';

CREATE OR REPLACE FUNCTION telemetry.set_history_bound()
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM telemetry.note_dropped();
    -- before anything had to be dropped it is as if what is older than what is kept had been
    UPDATE telemetry.dataset AS d
    SET complete_since = n.since
    FROM (
        SELECT
            k.dataset,
            telemetry.floor_day(least(
                telemetry.utc_minus(now(), telemetry.drop_after(k.keep)), telemetry.first_chunk_start(k.dataset)
            )) AS since
        FROM telemetry.dataset AS k
        WHERE k.dataset LIKE '%reading' AND k.keep IS NOT NULL
    ) AS n
    WHERE n.dataset = d.dataset AND n.since > d.complete_since;
END;
$$;

COMMENT ON FUNCTION telemetry.set_history_bound() IS
'Moves the moment since which raw readings are complete up to what retention keeps, as far as nothing is stored before that. Takes and returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.check_history_open(import_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- nobody ends it meanwhile
    PERFORM
    FROM telemetry.history_import AS i
    WHERE i.import_id = check_history_open.import_id AND i.ended_at IS NULL AND i.held_until > now()
    FOR KEY SHARE;
    IF NOT found THEN
        RAISE EXCEPTION 'there is no open import %', coalesce(import_id::text, 'null')
            USING ERRCODE = 'WL070',
                HINT = 'ops.begin_history begins one, or goes on with the one of that label.';
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.check_history_open(bigint) IS
'Takes an import. Returns nothing. Raises WL070 where it is not open, or holds retention off no longer.';

CREATE OR REPLACE FUNCTION telemetry.known_until(dataset text, device_id text, before timestamptz)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    IF known_until.dataset = 'meter_reading' THEN
        RETURN (
            SELECT max(m.bucket) + INTERVAL '24 hours'
            FROM bi.meter_energy_daily AS m
            WHERE m.meter_id = known_until.device_id AND m.bucket < known_until.before
        );
    END IF;
    RETURN (
        SELECT max(v.bucket) + INTERVAL '24 hours'
        FROM bi.vehicle_energy_daily AS v
        WHERE v.vehicle_id = known_until.device_id AND v.bucket < known_until.before
    );
END;
$$;

COMMENT ON FUNCTION telemetry.known_until(text, text, timestamptz) IS
'Takes meter_reading or vehicle_reading, a device and a moment. Of the UTC days that start before the moment, returns the end of the newest one in which the device has energy; NULL where there is none.';

CREATE OR REPLACE FUNCTION telemetry.known_text(known_until timestamptz)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format(
        'the device has energy on %s already, and its raw readings are gone: history can only be added after that day',
        telemetry.utc_day(known_until) - 1
    )
$$;

COMMENT ON FUNCTION telemetry.known_text(timestamptz) IS
'Takes what telemetry.known_until returned. Returns a sentence that says why older readings are refused.';

CREATE OR REPLACE FUNCTION telemetry.staged_faults(
    import_id bigint,
    dataset text,
    device_ids text[],
    read_at timestamptz[],
    kinds text[],
    energies_kwh double precision[],
    interval_starts timestamptz[],
    session_ids text[],
    voltages_v double precision[],
    socs_percent double precision[],
    battery_temps_c double precision[]
)
RETURNS TABLE (place bigint, outcome text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_accepted telemetry.accepted := telemetry.acceptance(dataset);
    v_bound timestamptz := telemetry.history_bound(dataset);
BEGIN
    RETURN QUERY
    WITH sent AS MATERIALIZED (
        SELECT
            s.*,
            telemetry.reading_fault(
                s.device_id, s.ts, s.kind, s.energy_kwh, s.interval_start, s.session_id,
                telemetry.earliest(), 'infinity', '{}'
            ) AS fault,
            nullif(concat_ws(
                '; ',
                telemetry.range_fault(
                    CASE WHEN s.kind <> 'difference' THEN 'register in kWh' ELSE 'energy in kWh' END,
                    s.energy_kwh,
                    telemetry.bounds_of(s.kind, v_accepted.energy, v_accepted.register)
                ),
                telemetry.range_fault('voltage in V', s.voltage_v, v_accepted.voltage),
                telemetry.range_fault('state of charge in percent', s.soc_percent, v_accepted.soc),
                telemetry.range_fault('battery temperature in °C', s.battery_temp_c, v_accepted.battery_temp)
            ), '') AS range_fault
        FROM unnest(
            device_ids, read_at, kinds, energies_kwh, interval_starts, session_ids, voltages_v, socs_percent,
            battery_temps_c
        ) WITH ORDINALITY AS s (
            device_id, ts, kind, energy_kwh, interval_start, session_id, voltage_v, soc_percent, battery_temp_c, place
        )
    ),
    known AS MATERIALIZED (
        SELECT
            d.device_id,
            telemetry.known_until(staged_faults.dataset, d.device_id, v_bound) AS known_until,
            -- the same import, that goes on or is made again
            EXISTS (
                SELECT
                FROM telemetry.history_device AS h
                INNER JOIN telemetry.history_import AS i ON i.import_id = h.import_id
                WHERE h.dataset = staged_faults.dataset
                    AND h.device_id = d.device_id
                    AND h.folded_at IS NOT NULL
                    AND i.label = (
                        SELECT o.label FROM telemetry.history_import AS o WHERE o.import_id = staged_faults.import_id
                    )
            ) AS is_folded
        FROM (SELECT DISTINCT s.device_id FROM sent AS s WHERE s.fault IS NULL) AS d
    )
    SELECT f.place, f.outcome, f.detail
    FROM (
        SELECT
            s.place,
            CASE
                WHEN s.fault IS NOT NULL OR s.range_fault IS NOT NULL THEN telemetry.fault_outcome(s.fault)
                WHEN s.ts >= v_bound THEN 'kept'
                -- hours of a day that is dropped in part are counted with what is kept of it
                WHEN s.ts >= telemetry.floor_day(v_bound) THEN 'too_old'
                WHEN s.ts < k.known_until THEN CASE WHEN k.is_folded THEN 'duplicate' ELSE 'known' END
            END AS outcome,
            CASE
                WHEN s.fault IS NOT NULL OR s.range_fault IS NOT NULL
                    THEN coalesce(
                        telemetry.reading_fault_detail(s.fault, s.ts, telemetry.earliest(), NULL), s.range_fault
                    )
                WHEN s.ts >= v_bound
                    THEN 'raw readings are kept from ' || telemetry.utc_text(v_bound) || ': send it as a reading'
                WHEN s.ts >= telemetry.floor_day(v_bound)
                    THEN 'a part of that day is kept: history ends at ' || telemetry.utc_text(telemetry.floor_day(v_bound))
                WHEN s.ts < k.known_until AND NOT k.is_folded THEN telemetry.known_text(k.known_until)
            END AS detail
        FROM sent AS s
        LEFT JOIN known AS k ON k.device_id = s.device_id
    ) AS f
    WHERE f.outcome IS NOT NULL;
END;
$$;

COMMENT ON FUNCTION telemetry.staged_faults(
    bigint, text, text[], timestamptz[], text[], double precision[], timestamptz[], text[], double precision[],
    double precision[], double precision[]
) IS
'Takes what ops.stage_history does. Returns a row for each reading that cannot be staged, whatever others there are: its place from 1 on, the outcome and a sentence that says why, as ops.stage_history does.';

REVOKE ALL ON FUNCTION
    telemetry.history_bound(text),
    telemetry.set_history_bound(),
    telemetry.check_history_open(bigint),
    telemetry.known_until(text, text, timestamptz),
    telemetry.known_text(timestamptz),
    telemetry.staged_faults(
        bigint, text, text[], timestamptz[], text[], double precision[], timestamptz[], text[], double precision[],
        double precision[], double precision[]
    )
FROM PUBLIC;
