-- Cold history: every reading once, in hypertables of one-day chunks that only retention may shrink.

SET LOCAL ROLE wattledger_owner;

CREATE TYPE telemetry.reading_kind AS ENUM ('difference', 'lifetime_register', 'session_counter');

COMMENT ON TYPE telemetry.reading_kind IS
'What a device reports. difference: energy since its previous reading; lifetime_register: energy since the device was made; session_counter: energy since the session started.';

CREATE TYPE telemetry.entry_reason AS ENUM (
    'step', 'taken', 'apportioned', 'reset', 'rollover', 'exchange', 'kind', 'session', 'glitch', 'jump', 'correction',
    'booking'
);

COMMENT ON TYPE telemetry.entry_reason IS
'Why the ledger posted an entry. step: a counter''s step that arrival could not know, or that another reading changed; taken, apportioned: energy of an interval taken from the hour of its reading, and put into the hours in which it flowed; reset, rollover, exchange, kind, session, glitch, jump: what such a reading counts, beside what was taken for it at arrival; correction: what a record says that a reading should have reported; booking: energy that a record adds or takes.';

CREATE TABLE telemetry.device_session (
    dataset text COLLATE "C" NOT NULL CHECK (dataset IN ('meter_reading', 'vehicle_reading')),
    device_id text COLLATE "C" NOT NULL,
    session_no integer NOT NULL CHECK (session_no > 0),
    session_id text COLLATE "C" NOT NULL CHECK (length(session_id) BETWEEN 1 AND 128),
    PRIMARY KEY (dataset, device_id, session_no),
    UNIQUE (dataset, device_id, session_id)
);

COMMENT ON TABLE telemetry.device_session IS
'The charging sessions that devices named, numbered per device: a reading holds the number in place of the name.';
COMMENT ON COLUMN telemetry.device_session.dataset IS 'meter_reading or vehicle_reading.';
COMMENT ON COLUMN telemetry.device_session.device_id IS 'The meter''s or vehicle''s id.';
COMMENT ON COLUMN telemetry.device_session.session_no IS 'The number of the session among those of the device.';
COMMENT ON COLUMN telemetry.device_session.session_id IS 'What the device calls it, such as a transaction''s id.';

-- one index serves as idempotency key and for range scans in either direction, so no default index on ts. Columns of
-- eight bytes stand before those of four, and what may be null stands last: no row has gaps
CREATE TABLE telemetry.meter_reading (
    meter_id text COLLATE "C" NOT NULL,
    ts timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    energy_mwh bigint NOT NULL,
    entry integer NOT NULL DEFAULT 0,
    kind telemetry.reading_kind NOT NULL DEFAULT 'difference',
    register_mwh bigint,
    interval_start timestamptz,
    session_no integer,
    reason telemetry.entry_reason,
    source_day date,
    voltage_mv integer,
    PRIMARY KEY (meter_id, ts, entry),
    -- of years that every client can show, in any time zone
    CONSTRAINT meter_reading_times CHECK (
        ts >= '0001-01-02 00:00+00' AND ts < '9999-12-31 00:00+00'
        AND received_at >= '0001-01-02 00:00+00' AND received_at < '9999-12-31 00:00+00'
        AND interval_start >= '0001-01-02 00:00+00' AND interval_start <= ts
    ),
    CONSTRAINT meter_reading_kind CHECK (
        (kind = 'difference') = (register_mwh IS NULL)
        AND (kind = 'difference' OR interval_start IS NULL)
        AND (kind <> 'session_counter' OR session_no IS NOT NULL)
    ),
    -- a correction is energy and nothing else
    CONSTRAINT meter_reading_correction CHECK (
        (entry = 0 AND reason IS NULL AND source_day IS NULL)
        OR (
            entry > 0 AND (reason IS NULL) = (source_day IS NULL)
            AND kind = 'difference' AND interval_start IS NULL AND session_no IS NULL
            AND voltage_mv IS NULL
        )
    )
);

SELECT public.create_hypertable(
    'telemetry.meter_reading',
    public.by_range('ts', INTERVAL '1 day'),
    create_default_indexes => FALSE
);

COMMENT ON TABLE telemetry.meter_reading IS
'AC energy drawn from the grid, one row per reading, append-only. Energy sums over all entries; counts of readings, first and last look at entry 0 only; measurements are in entry 0 only.';
COMMENT ON COLUMN telemetry.meter_reading.meter_id IS 'The smart meter''s id.';
COMMENT ON COLUMN telemetry.meter_reading.ts IS 'When the meter took the reading, by its own clock.';
COMMENT ON COLUMN telemetry.meter_reading.received_at IS 'When the reading was stored, by the database''s clock.';
COMMENT ON COLUMN telemetry.meter_reading.energy_mwh IS
'AC energy in milliwatt-hours (a millionth of a kWh): of a difference what was reported, of a counter its step as far as it was known at arrival, of a later entry what it adds or takes.';
COMMENT ON COLUMN telemetry.meter_reading.entry IS
'0: what the meter reported. Above 0: a correction posted by the ledger itself.';
COMMENT ON COLUMN telemetry.meter_reading.kind IS
'What the meter reported: the energy itself (difference), or the level of a counter. A correction is a difference.';
COMMENT ON COLUMN telemetry.meter_reading.register_mwh IS
'The level of the counter as reported, in milliwatt-hours; null for a difference.';
COMMENT ON COLUMN telemetry.meter_reading.interval_start IS
'Since when the energy of a difference flowed, as reported; null where not reported.';
COMMENT ON COLUMN telemetry.meter_reading.session_no IS
'The session that the reading belongs to, as in telemetry.device_session; null where none was reported.';
COMMENT ON COLUMN telemetry.meter_reading.reason IS
'Why the ledger posted the entry; null for what the meter reported.';
COMMENT ON COLUMN telemetry.meter_reading.source_day IS
'The UTC day of the reading or record that the entry follows from; null for what the meter reported.';
COMMENT ON COLUMN telemetry.meter_reading.voltage_mv IS 'Voltage in millivolts; null if not reported.';

CREATE TABLE telemetry.vehicle_reading (
    vehicle_id text COLLATE "C" NOT NULL,
    ts timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    energy_mwh bigint NOT NULL,
    entry integer NOT NULL DEFAULT 0,
    kind telemetry.reading_kind NOT NULL DEFAULT 'difference',
    register_mwh bigint,
    interval_start timestamptz,
    session_no integer,
    reason telemetry.entry_reason,
    source_day date,
    soc_mpct integer,
    battery_temp_mc integer,
    PRIMARY KEY (vehicle_id, ts, entry),
    -- of years that every client can show, in any time zone
    CONSTRAINT vehicle_reading_times CHECK (
        ts >= '0001-01-02 00:00+00' AND ts < '9999-12-31 00:00+00'
        AND received_at >= '0001-01-02 00:00+00' AND received_at < '9999-12-31 00:00+00'
        AND interval_start >= '0001-01-02 00:00+00' AND interval_start <= ts
    ),
    CONSTRAINT vehicle_reading_kind CHECK (
        (kind = 'difference') = (register_mwh IS NULL)
        AND (kind = 'difference' OR interval_start IS NULL)
        AND (kind <> 'session_counter' OR session_no IS NOT NULL)
    ),
    -- a correction is energy and nothing else
    CONSTRAINT vehicle_reading_correction CHECK (
        (entry = 0 AND reason IS NULL AND source_day IS NULL)
        OR (
            entry > 0 AND (reason IS NULL) = (source_day IS NULL)
            AND kind = 'difference' AND interval_start IS NULL AND session_no IS NULL
            AND soc_mpct IS NULL AND battery_temp_mc IS NULL
        )
    )
);

SELECT public.create_hypertable(
    'telemetry.vehicle_reading',
    public.by_range('ts', INTERVAL '1 day'),
    create_default_indexes => FALSE
);

COMMENT ON TABLE telemetry.vehicle_reading IS
'DC energy that reached the battery, one row per reading, append-only. Energy sums over all entries; counts of readings, first and last look at entry 0 only; measurements are in entry 0 only.';
COMMENT ON COLUMN telemetry.vehicle_reading.vehicle_id IS 'The vehicle''s id.';
COMMENT ON COLUMN telemetry.vehicle_reading.ts IS 'When the vehicle took the reading, by its own clock.';
COMMENT ON COLUMN telemetry.vehicle_reading.received_at IS 'When the reading was stored, by the database''s clock.';
COMMENT ON COLUMN telemetry.vehicle_reading.energy_mwh IS
'DC energy in milliwatt-hours (a millionth of a kWh): of a difference what was reported, of a counter its step as far as it was known at arrival, of a later entry what it adds or takes.';
COMMENT ON COLUMN telemetry.vehicle_reading.entry IS
'0: what the vehicle reported. Above 0: a correction posted by the ledger itself.';
COMMENT ON COLUMN telemetry.vehicle_reading.kind IS
'What the vehicle reported: the energy itself (difference), or the level of a counter. A correction is a difference.';
COMMENT ON COLUMN telemetry.vehicle_reading.register_mwh IS
'The level of the counter as reported, in milliwatt-hours; null for a difference.';
COMMENT ON COLUMN telemetry.vehicle_reading.interval_start IS
'Since when the energy of a difference flowed, as reported; null where not reported.';
COMMENT ON COLUMN telemetry.vehicle_reading.session_no IS
'The session that the reading belongs to, as in telemetry.device_session; null where none was reported.';
COMMENT ON COLUMN telemetry.vehicle_reading.reason IS
'Why the ledger posted the entry; null for what the vehicle reported.';
COMMENT ON COLUMN telemetry.vehicle_reading.source_day IS
'The UTC day of the reading or record that the entry follows from; null for what the vehicle reported.';
COMMENT ON COLUMN telemetry.vehicle_reading.soc_mpct IS
'State of charge in thousandths of a percent; null if not reported.';
COMMENT ON COLUMN telemetry.vehicle_reading.battery_temp_mc IS
'Battery temperature in thousandths of a degree Celsius; null if not reported.';

CREATE FUNCTION telemetry.refuse_change()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION '% on %.% is refused: readings are append-only', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'WL010',
            HINT = 'Post a correction as another entry; history shrinks only by retention, a whole chunk at a time.';
END;
$$;

COMMENT ON FUNCTION telemetry.refuse_change() IS
'Trigger: raises WL010 on whatever would change or remove a stored reading.';

-- for each row, so that TimescaleDB puts the trigger on every chunk too, where a statement may be aimed directly
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON telemetry.meter_reading
FOR EACH ROW EXECUTE FUNCTION telemetry.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON telemetry.vehicle_reading
FOR EACH ROW EXECUTE FUNCTION telemetry.refuse_change();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON telemetry.meter_reading
FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_change();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON telemetry.vehicle_reading
FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_change();

REVOKE UPDATE, DELETE, TRUNCATE ON telemetry.meter_reading, telemetry.vehicle_reading FROM wattledger_owner;

-- writers and refreshes take turns by locks of these tables. PostgreSQL 16 lets nobody take them without one of the
-- rights above; 17 has a right of its own for it, which the owner keeps. The trigger refuses to truncate all the same
DO $$
BEGIN
    IF current_setting('server_version_num')::integer < 170000 THEN
        GRANT TRUNCATE ON telemetry.meter_reading, telemetry.vehicle_reading TO wattledger_owner;
    END IF;
END;
$$;
