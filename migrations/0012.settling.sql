-- The ledger's own books: how registers are judged, what waits to be settled, how each day ended, and events.

SET LOCAL ROLE wattledger_owner;

CREATE TABLE telemetry.register_rules (
    dataset text PRIMARY KEY CHECK (dataset IN ('meter_reading', 'vehicle_reading')),
    step interval NOT NULL DEFAULT '1 minute' CHECK (step > '0' AND step <= '31 days'),
    silence interval NOT NULL DEFAULT '90 minutes' CHECK (silence > '0' AND silence <= '31 days'),
    apportioned_above interval NOT NULL DEFAULT '150 seconds' CHECK (apportioned_above >= '0'),
    from_within interval NOT NULL DEFAULT '31 days' CHECK (from_within > '0' AND from_within <= '366 days'),
    usual_power_kw double precision NOT NULL DEFAULT 50 CHECK (usual_power_kw BETWEEN 0 AND 1e6),
    max_power_kw double precision NOT NULL DEFAULT 500 CHECK (max_power_kw BETWEEN 0 AND 1e6),
    tolerance_kwh double precision NOT NULL DEFAULT 1 CHECK (tolerance_kwh BETWEEN 0 AND 1e6),
    glitch_within interval NOT NULL DEFAULT '60 minutes' CHECK (glitch_within >= '0'),
    glitch_readings integer NOT NULL DEFAULT 10 CHECK (glitch_readings > 0),
    widths_kwh double precision[] NOT NULL DEFAULT '{100000, 1000000, 10000000, 2147483.648, 4294967.296}'
    CHECK (array_position(widths_kwh, NULL) IS NULL AND 0 < ALL (widths_kwh) AND 1e9 >= ALL (widths_kwh)) -- noqa
);

COMMENT ON TABLE telemetry.register_rules IS
'How intervals are placed in hours and registers judged, one row per side; what telemetry.device_setting has of a device goes before.';
COMMENT ON COLUMN telemetry.register_rules.dataset IS 'meter_reading or vehicle_reading.';
COMMENT ON COLUMN telemetry.register_rules.step IS 'How often a device usually reports.';
COMMENT ON COLUMN telemetry.register_rules.silence IS
'A difference explains a gap up to this; after a longer one only if it does not fit one step at the usual power.';
COMMENT ON COLUMN telemetry.register_rules.apportioned_above IS
'Intervals up to this count where they end; longer ones are cut at the hours.';
COMMENT ON COLUMN telemetry.register_rules.from_within IS
'How long before its reading a device may say that a difference began to flow; what is longer is clipped to that.';
COMMENT ON COLUMN telemetry.register_rules.usual_power_kw IS 'The usual power of a device, in kW.';
COMMENT ON COLUMN telemetry.register_rules.max_power_kw IS 'The greatest power that is believed, in kW.';
COMMENT ON COLUMN telemetry.register_rules.tolerance_kwh IS
'By how much a register may fall, or rise beyond the greatest power, without an event, in kWh.';
COMMENT ON COLUMN telemetry.register_rules.glitch_within IS 'How long a register may be elsewhere and still be a glitch.';
COMMENT ON COLUMN telemetry.register_rules.glitch_readings IS
'How many readings a register may be elsewhere and still be a glitch, however long that takes.';
COMMENT ON COLUMN telemetry.register_rules.widths_kwh IS 'Where registers may roll over to zero, in kWh.';

INSERT INTO telemetry.register_rules (dataset) VALUES ('meter_reading'), ('vehicle_reading');

CREATE TRIGGER always_there BEFORE DELETE OR TRUNCATE ON telemetry.register_rules
FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_removal();

CREATE TABLE telemetry.device_setting (
    dataset text COLLATE "C" NOT NULL CHECK (dataset IN ('meter_reading', 'vehicle_reading')),
    device_id text COLLATE "C" NOT NULL CHECK (length(device_id) BETWEEN 1 AND 128),
    step interval CHECK (step > '0' AND step <= '31 days'),
    usual_power_kw double precision CHECK (usual_power_kw BETWEEN 0 AND 1e6),
    max_power_kw double precision CHECK (max_power_kw BETWEEN 0 AND 1e6),
    tolerance_kwh double precision CHECK (tolerance_kwh BETWEEN 0 AND 1e6),
    width_kwh double precision CHECK (width_kwh > 0 AND width_kwh <= 1e9),
    PRIMARY KEY (dataset, device_id)
);

COMMENT ON TABLE telemetry.device_setting IS
'What ops.set_device_rules has set, one row per device; null: as telemetry.register_rules says.';
COMMENT ON COLUMN telemetry.device_setting.dataset IS 'meter_reading or vehicle_reading.';
COMMENT ON COLUMN telemetry.device_setting.device_id IS 'The meter''s or vehicle''s id.';
COMMENT ON COLUMN telemetry.device_setting.step IS 'How often the device reports.';
COMMENT ON COLUMN telemetry.device_setting.usual_power_kw IS 'Its usual power, in kW.';
COMMENT ON COLUMN telemetry.device_setting.max_power_kw IS 'Its greatest power, in kW.';
COMMENT ON COLUMN telemetry.device_setting.tolerance_kwh IS 'How far its register may be off without an event, in kWh.';
COMMENT ON COLUMN telemetry.device_setting.width_kwh IS 'Where its register rolls over to zero, in kWh.';

CREATE TABLE telemetry.settle_queue (
    dataset text COLLATE "C" NOT NULL CHECK (dataset IN ('meter_reading', 'vehicle_reading')),
    device_id text COLLATE "C" NOT NULL,
    day date NOT NULL,
    due_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    through date NOT NULL DEFAULT '-infinity',
    retry_at timestamptz NOT NULL DEFAULT '-infinity',
    last_error text,
    PRIMARY KEY (dataset, device_id, day)
) WITH (fillfactor = 70);

CREATE INDEX settle_queue_due ON telemetry.settle_queue (due_at);
CREATE INDEX settle_queue_day ON telemetry.settle_queue (dataset, day, due_at);

COMMENT ON TABLE telemetry.settle_queue IS
'The days of devices whose ledger may not follow from their readings yet, one row per device and UTC day.';
COMMENT ON COLUMN telemetry.settle_queue.dataset IS 'meter_reading or vehicle_reading.';
COMMENT ON COLUMN telemetry.settle_queue.device_id IS 'The meter''s or vehicle''s id.';
COMMENT ON COLUMN telemetry.settle_queue.day IS 'The UTC day from which on it has to be settled.';
COMMENT ON COLUMN telemetry.settle_queue.through IS
'The day through which it has to be settled at least, where later days may differ though the first does not.';
COMMENT ON COLUMN telemetry.settle_queue.retry_at IS 'After a failure: when it is tried again.';
COMMENT ON COLUMN telemetry.settle_queue.last_error IS 'After a failure: what PostgreSQL said.';
COMMENT ON COLUMN telemetry.settle_queue.due_at IS
'When to settle: in time where only the day''s end has to be noted, at once where energy may be in another hour.';
COMMENT ON COLUMN telemetry.settle_queue.changed_at IS
'When readings of the day came last that are to be settled at once, to about a fifth of a second.';

CREATE TABLE telemetry.settled_day (
    dataset text COLLATE "C" NOT NULL CHECK (dataset IN ('meter_reading', 'vehicle_reading')),
    device_id text COLLATE "C" NOT NULL,
    day date NOT NULL,
    read_at timestamptz,
    kind telemetry.reading_kind,
    level_mwh bigint,
    level_at timestamptz,
    session_no integer,
    earlier_session_no integer,
    earlier_level_mwh bigint,
    differences_mwh bigint NOT NULL DEFAULT 0,
    carried_mwh bigint NOT NULL DEFAULT 0,
    jitters integer NOT NULL DEFAULT 0,
    placed_since timestamptz NOT NULL,
    is_final boolean NOT NULL,
    PRIMARY KEY (dataset, device_id, day)
) WITH (fillfactor = 70);

-- few per device: what retention has to settle for good
CREATE INDEX settled_day_open ON telemetry.settled_day (dataset, day) WHERE NOT is_final;

COMMENT ON TABLE telemetry.settled_day IS
'How a device''s ledger stands at the end of a UTC day: what settling goes on from, and what the bill of the day shows.';
COMMENT ON COLUMN telemetry.settled_day.dataset IS 'meter_reading or vehicle_reading.';
COMMENT ON COLUMN telemetry.settled_day.device_id IS 'The meter''s or vehicle''s id.';
COMMENT ON COLUMN telemetry.settled_day.day IS 'The UTC day.';
COMMENT ON COLUMN telemetry.settled_day.read_at IS
'Time of the last reading before the day''s end from which the next interval starts; null where there was none.';
COMMENT ON COLUMN telemetry.settled_day.kind IS 'What that reading reported.';
COMMENT ON COLUMN telemetry.settled_day.level_mwh IS
'The last accepted level of the counter, in milliwatt-hours; null where the device never reported one.';
COMMENT ON COLUMN telemetry.settled_day.level_at IS 'When that level was reported.';
COMMENT ON COLUMN telemetry.settled_day.session_no IS 'The session of a per-session counter.';
COMMENT ON COLUMN telemetry.settled_day.earlier_session_no IS 'The session before, which a late reading may go back to.';
COMMENT ON COLUMN telemetry.settled_day.earlier_level_mwh IS 'The last level of that one, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.settled_day.differences_mwh IS
'Energy of differences since the level was reported, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.settled_day.carried_mwh IS
'Energy placed before the day''s end of the interval that goes across it, in milliwatt-hours: the register then stood at the level and this.';
COMMENT ON COLUMN telemetry.settled_day.jitters IS 'How often the register fell within its tolerance that day.';
COMMENT ON COLUMN telemetry.settled_day.placed_since IS
'Start of the earliest hour in which readings of the day have energy.';
COMMENT ON COLUMN telemetry.settled_day.is_final IS
'Whether no later reading can change what is said here: false while it may still turn out a glitch.';

CREATE TABLE telemetry.register_event (
    dataset text COLLATE "C" NOT NULL CHECK (dataset IN ('meter_reading', 'vehicle_reading')),
    device_id text COLLATE "C" NOT NULL,
    happened_at timestamptz NOT NULL,
    event text COLLATE "C" NOT NULL CHECK (
        event IN ('glitch', 'rollover', 'reset', 'jump', 'exchange', 'kind', 'undecided', 'too_short')
    ),
    source_day date NOT NULL,
    before_mwh bigint,
    reported_mwh bigint,
    booked_mwh bigint NOT NULL,
    explained_mwh bigint NOT NULL,
    is_final boolean NOT NULL,
    PRIMARY KEY (dataset, device_id, happened_at, event)
);

COMMENT ON TABLE telemetry.register_event IS
'What registers did beside counting, as settling judges it; written anew whenever the day is settled again.';
COMMENT ON COLUMN telemetry.register_event.dataset IS 'meter_reading or vehicle_reading.';
COMMENT ON COLUMN telemetry.register_event.device_id IS 'The meter''s or vehicle''s id.';
COMMENT ON COLUMN telemetry.register_event.happened_at IS 'Time of the reading or record.';
COMMENT ON COLUMN telemetry.register_event.event IS
'glitch, rollover, reset, jump, exchange, kind (from differences to a register), undecided (the next reading tells), too_short (a difference larger than its interval allows).';
COMMENT ON COLUMN telemetry.register_event.source_day IS 'The UTC day of that reading or record.';
COMMENT ON COLUMN telemetry.register_event.before_mwh IS 'The accepted level before, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.register_event.reported_mwh IS 'The level that was reported, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.register_event.booked_mwh IS 'The energy that was counted for it, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.register_event.explained_mwh IS
'By how much the accepted level changed beyond the energy counted, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.register_event.is_final IS 'Whether no later reading can change it.';

-- what the fold (sql/ledger/fold.sql) takes and gives

CREATE TYPE telemetry.fold_item AS (
    ts timestamptz,
    energy_mwh bigint,
    kind telemetry.reading_kind,
    register_mwh bigint,
    interval_start timestamptz,
    session_no integer,
    verdict text,
    initial_mwh bigint,
    known_mwh bigint
);

COMMENT ON TYPE telemetry.fold_item IS
'A reading or record on its way through the fold: of a reading what is stored, energy_mwh as judged at arrival; of an exchange its final level as register_mwh, and initial_mwh. verdict: exchange, end (of what is stored), or what was found for a reading that had to wait: glitch, decided, undecided. known_mwh: of a corrected reading its energy as judged at arrival, where energy_mwh is a corrected difference''s; null for others.';

CREATE TYPE telemetry.fold_step AS (
    ts timestamptz,
    known_mwh bigint,
    energy_mwh bigint,
    since timestamptz,
    is_cut boolean,
    verdict telemetry.entry_reason,
    is_corrected boolean
);

COMMENT ON TYPE telemetry.fold_step IS
'What the fold found for a reading or record: its energy as known at arrival and as judged, in milliwatt-hours, since when it flowed (null: not told), whether it is cut at the hours, how it was judged, and whether a record says what it should have reported, or that it is none.';

CREATE TYPE telemetry.judgement AS (
    step telemetry.fold_step,
    state telemetry.settled_day,
    event telemetry.register_event
);

COMMENT ON TYPE telemetry.judgement IS
'What a reading or record is in the fold: its step, the state after it, and its event (all null: none).';

CREATE TYPE telemetry.due_entry AS (
    device_id text,
    source_day date,
    hour timestamptz,
    reason telemetry.entry_reason,
    energy_mwh bigint,
    ts timestamptz
);

COMMENT ON TYPE telemetry.due_entry IS
'Energy that a device''s readings and records of a day put into an hour beyond what was taken for them at arrival, for a reason; ts: where in the hour it is put.';

CREATE TYPE telemetry.folded AS (
    dataset text,
    device_id text,
    first_day date,
    last_day date,
    kept_since timestamptz,
    kept_carried_mwh bigint,
    steps telemetry.fold_step [],
    days telemetry.settled_day [],
    events telemetry.register_event [],
    reaches_end boolean,
    level_mwh bigint
);

COMMENT ON TYPE telemetry.folded IS
'What the fold of a device found from its first to its last day, both included. kept_since: no hour before may change, and kept_carried_mwh is what those have of the interval across. reaches_end: the last day has the newest reading; level_mwh is then what the next one counts from, null where it is not decided.';
