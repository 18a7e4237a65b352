-- What the ledger did, in sentences for whoever disputes a bill.

CREATE OR REPLACE FUNCTION telemetry.said_at(moment timestamptz)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC'
$$;

COMMENT ON FUNCTION telemetry.said_at(timestamptz) IS
'Takes a moment. Returns how sentences say it, in UTC and to the second; NULL for NULL.';

CREATE OR REPLACE FUNCTION telemetry.said_kwh(kwh numeric)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT trim_scale(kwh)::text || ' kWh'
$$;

COMMENT ON FUNCTION telemetry.said_kwh(numeric) IS 'Takes energy or a level in kWh. Returns how sentences say it; NULL for NULL.';

CREATE OR REPLACE FUNCTION telemetry.reading_sentence(
    kind text,
    reported_kwh numeric,
    corrected_kwh numeric,
    interval_start timestamptz,
    verdict text,
    energy_kwh numeric
)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT concat_ws(
        ' ',
        CASE kind
            WHEN 'difference' THEN 'The device reported ' || telemetry.said_kwh(reported_kwh) || ' since its last reading.'
            WHEN 'session_counter' THEN 'The counter of its session stood at ' || telemetry.said_kwh(reported_kwh) || '.'
            ELSE 'The register stood at ' || telemetry.said_kwh(reported_kwh) || '.'
        END,
        'A record says that it should have been ' || telemetry.said_kwh(corrected_kwh) || '.',
        CASE verdict
            WHEN 'withdrawn' THEN 'A record takes this reading back, as if it had never been sent.'
            WHEN 'glitch' THEN 'It went elsewhere and came back: such a value counts nothing.'
            WHEN 'jump' THEN 'It rose by more than can have flowed, which counts nothing unless a record books it.'
            WHEN 'reset' THEN 'It had fallen and went on from there: what flowed before it fell nobody knows.'
            WHEN 'rollover' THEN 'It had reached its last digit and went on from zero.'
            WHEN 'kind' THEN 'Before it the device reported differences: this is the level from which it counts.'
            WHEN 'session' THEN 'It is of another session than the reading before it, whose counter has its own level.'
            ELSE CASE
                WHEN interval_start IS NULL AND kind <> 'difference'
                    THEN 'It is the first level, or the next reading has to tell whether it is right: it counts nothing.'
            END
        END,
        CASE
            WHEN interval_start IS NULL THEN 'It counts ' || telemetry.said_kwh(energy_kwh) || ' in this hour.'
            ELSE 'Of what it counts since ' || telemetry.said_at(interval_start) || ', this hour has '
                || telemetry.said_kwh(energy_kwh) || '.'
        END
    )
$$;

COMMENT ON FUNCTION telemetry.reading_sentence(text, numeric, numeric, timestamptz, text, numeric) IS
'Takes a reading as ops.explain_hour has it: its kind, what was reported and should have been in kWh (NULL: nothing corrects it), since when its energy flowed (NULL: not told), its verdict, and its energy in kWh in the hour. Returns what became of it in plain words.';

CREATE OR REPLACE FUNCTION telemetry.entry_sentence(reason text, source_day date)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE reason
        WHEN 'reported' THEN 'What a reading counted when it came.'
        WHEN 'taken' THEN 'Taken out of the hour of a reading, since it flowed in other hours too.'
        WHEN 'apportioned' THEN 'The share of this hour of what flowed over several hours.'
        WHEN 'step' THEN 'What a register rose by, as other readings told later.'
        WHEN 'reset' THEN 'What a register showed after it had fallen.'
        WHEN 'rollover' THEN 'What a register counted across its last digit.'
        WHEN 'exchange' THEN 'What the old register had counted before it was replaced.'
        WHEN 'kind' THEN 'What changed when the device began to report a register.'
        WHEN 'session' THEN 'What the counter of another session counted.'
        WHEN 'glitch' THEN 'Taken back: the value went elsewhere and came back.'
        WHEN 'jump' THEN 'Taken back: a register rose by more than can have flowed.'
        WHEN 'correction' THEN 'What a record changes of a reading.'
        WHEN 'booking' THEN 'Energy that a record adds or takes.'
    END || coalesce(' It follows from readings and records of ' || to_char(source_day, 'YYYY-MM-DD') || '.', '')
$$;

COMMENT ON FUNCTION telemetry.entry_sentence(text, date) IS
'Takes why an entry of the ledger was posted, as bi.ledger_entry has it, and the UTC day that it follows from (NULL: it was reported). Returns that in plain words.';

CREATE OR REPLACE FUNCTION telemetry.event_sentence(
    event text,
    before_kwh numeric,
    reported_kwh numeric,
    booked_kwh numeric,
    explained_kwh numeric,
    state text
)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT concat_ws(
        ' ',
        CASE event
            WHEN 'too_short' THEN
                'More was reported than can have flowed since the reading before: ' || telemetry.said_kwh(booked_kwh) || '.'
            ELSE concat(
                'The register', ' stood at ' || telemetry.said_kwh(before_kwh) || ' and then', ' showed ',
                telemetry.said_kwh(reported_kwh), '.'
            )
        END,
        CASE event
            WHEN 'glitch' THEN 'It came back, so that this value counts nothing.'
            WHEN 'rollover' THEN 'It had reached its last digit and went on from zero.'
            WHEN 'reset' THEN 'It fell and went on from there: what flowed before it fell nobody knows.'
            WHEN 'jump' THEN 'It rose by more than can have flowed.'
            WHEN 'exchange' THEN 'It was replaced.'
            WHEN 'kind' THEN 'The device changed what it reports.'
            WHEN 'undecided' THEN 'The next reading tells what that was.'
        END,
        CASE WHEN event <> 'too_short' THEN telemetry.said_kwh(booked_kwh) || ' were counted for it.' END,
        CASE state
            WHEN 'provisional' THEN 'What comes next may still change this.'
            WHEN 'open' THEN 'Nobody has booked or dismissed it yet.'
        END
    )
$$;

COMMENT ON FUNCTION telemetry.event_sentence(text, numeric, numeric, numeric, numeric, text) IS
'Takes an event as bi.register_event has it: what it is, the level before and the one reported, the energy counted for it and the change that it explains, in kWh, and its state. Returns that in plain words.';

CREATE OR REPLACE FUNCTION telemetry.record_sentence(record_id bigint)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT concat_ws(
        ' ',
        r.made_by || ' said on ' || telemetry.said_at(r.recorded_at) || ':',
        CASE r.record
            WHEN 'exchange' THEN concat(
                'the register was replaced on ', telemetry.said_at(r.happened_at), '; the old one ended at ',
                telemetry.said_kwh(r.final_kwh), ', the new one started at ', telemetry.said_kwh(r.initial_kwh), '.'
            )
            WHEN 'correction' THEN concat(
                'the reading of ', telemetry.said_at(r.happened_at), ', which reported ', telemetry.said_kwh(r.reported_kwh),
                coalesce(', should have reported ' || telemetry.said_kwh(r.value_kwh), ', is to count as never sent'), '.'
            )
            WHEN 'booking' THEN concat(
                telemetry.said_kwh(r.energy_kwh), ' flowed from ', telemetry.said_at(r.starts_at), ' to ',
                telemetry.said_at(r.happened_at), ' that no reading tells.'
            )
            WHEN 'resolution' THEN concat(
                'what the register did on ', telemetry.said_at(r.happened_at),
                coalesce(' is worth ' || telemetry.said_kwh(r.energy_kwh), ' is worth nothing'), '.'
            )
            ELSE concat('record ', r.cancels, ' is taken back.')
        END,
        'The reason: ' || rtrim(r.reason, '.') || '.',
        CASE r.state
            WHEN 'cancelled' THEN concat('Record ', r.cancelled_by, ' took this back.')
            WHEN 'replaced' THEN 'A later correction goes before it.'
        END
    )
    FROM bi.ledger_record AS r
    WHERE r.record_id = $1
$$;

COMMENT ON FUNCTION telemetry.record_sentence(bigint) IS
'Takes a record of bi.ledger_record. Returns who said what and why, in plain words; NULL where there is none.';

CREATE OR REPLACE FUNCTION telemetry.part_sentence(
    part text,
    kind text,
    reported_kwh numeric,
    corrected_kwh numeric,
    interval_start timestamptz,
    verdict text,
    energy_kwh numeric,
    source_day date,
    record_id bigint
)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE part
        WHEN 'reading' THEN
            telemetry.reading_sentence(kind, reported_kwh, corrected_kwh, interval_start, verdict, energy_kwh)
        WHEN 'record' THEN concat_ws(
            ' ',
            telemetry.record_sentence(record_id),
            'Of that, this hour has ' || telemetry.said_kwh(energy_kwh) || '.'
        )
        ELSE telemetry.entry_sentence(verdict, source_day)
    END
$$;

COMMENT ON FUNCTION telemetry.part_sentence(
    text, text, numeric, numeric, timestamptz, text, numeric, date, bigint
) IS
'Takes a row of ops.explain_hour: part, kind, what was reported and should have been in kWh, the start of its interval, verdict, energy in kWh in the hour, source day and record. Returns what became of it in plain words.';

REVOKE ALL ON FUNCTION
    telemetry.said_at(timestamptz),
    telemetry.said_kwh(numeric),
    telemetry.reading_sentence(text, numeric, numeric, timestamptz, text, numeric),
    telemetry.entry_sentence(text, date),
    telemetry.event_sentence(text, numeric, numeric, numeric, numeric, text),
    telemetry.record_sentence(bigint),
    telemetry.part_sentence(text, text, numeric, numeric, timestamptz, text, numeric, date, bigint)
FROM PUBLIC;
