-- Charging as it is kept: what flowed matched in time, by hour and by day, and sessions; and how far that is.

SET LOCAL ROLE wattledger_owner;

-- the sums that follow from one another: of a part, of a session and of a day
CREATE TABLE telemetry.charging_sums (
    ac_mwh bigint NOT NULL DEFAULT 0,
    ac_matched_mwh bigint NOT NULL DEFAULT 0,
    dc_mwh bigint NOT NULL DEFAULT 0,
    dc_matched_mwh bigint NOT NULL DEFAULT 0,
    ac_standing_mwh bigint NOT NULL DEFAULT 0,
    dc_standing_mwh bigint NOT NULL DEFAULT 0,
    standby_mwh bigint NOT NULL DEFAULT 0,
    edge_mwh bigint NOT NULL DEFAULT 0,
    standby_us bigint NOT NULL DEFAULT 0,
    active_us bigint NOT NULL DEFAULT 0,
    matched_us bigint NOT NULL DEFAULT 0,
    ac_resolution_mwh bigint,
    dc_resolution_mwh bigint,
    peak_w bigint,
    battery_temp_mc integer,
    meter_samples bigint NOT NULL DEFAULT 0,
    vehicle_samples bigint NOT NULL DEFAULT 0
);

COMMENT ON COLUMN telemetry.charging_sums.ac_mwh IS 'AC energy above idle, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.charging_sums.ac_matched_mwh IS
'What of that flowed while the vehicle''s readings explain the time too, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.charging_sums.dc_mwh IS 'DC energy of the linked vehicle, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.charging_sums.dc_matched_mwh IS 'DC energy in the matched time, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.charging_sums.ac_standing_mwh IS
'Matched AC energy while the vehicle reported none, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.charging_sums.dc_standing_mwh IS
'DC energy while the meter reported idle AC, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.charging_sums.standby_mwh IS 'AC energy of idle time, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.charging_sums.edge_mwh IS
'Matched energy of steps at the edges of flow and of links, in milliwatt-hours: half of it is uncertain.';
COMMENT ON COLUMN telemetry.charging_sums.standby_us IS 'How long AC was idle, in microseconds.';
COMMENT ON COLUMN telemetry.charging_sums.active_us IS 'How long AC flowed above idle, in microseconds.';
COMMENT ON COLUMN telemetry.charging_sums.matched_us IS 'How much of that time is matched, in microseconds.';
COMMENT ON COLUMN telemetry.charging_sums.ac_resolution_mwh IS
'The meter''s finest step, in milliwatt-hours; null where it never rose.';
COMMENT ON COLUMN telemetry.charging_sums.dc_resolution_mwh IS
'The vehicle''s finest step, in milliwatt-hours; null where it never rose.';
COMMENT ON COLUMN telemetry.charging_sums.peak_w IS
'The greatest mean power of a step of the meter, in watts; null where none flowed.';
COMMENT ON COLUMN telemetry.charging_sums.battery_temp_mc IS
'The battery''s lowest temperature, in thousandths of a degree Celsius; null if not reported.';
COMMENT ON COLUMN telemetry.charging_sums.meter_samples IS 'How many readings of the meter there are.';
COMMENT ON COLUMN telemetry.charging_sums.vehicle_samples IS 'How many readings of the linked vehicle there are.';

CREATE TABLE telemetry.charging_part (
    meter_id text COLLATE "C" NOT NULL,
    hour timestamptz NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    vehicle_id text COLLATE "C" NOT NULL,
    link_since timestamptz,
    transaction_no integer,
    flow_since timestamptz,
    flow_until timestamptz,
    meter_step interval,
    vehicle_step interval,
    LIKE telemetry.charging_sums INCLUDING DEFAULTS INCLUDING COMMENTS,
    PRIMARY KEY (meter_id, hour, since)
);

CREATE INDEX charging_part_vehicle ON telemetry.charging_part (vehicle_id, hour, meter_id);
CREATE INDEX charging_part_hour ON telemetry.charging_part (hour);

COMMENT ON TABLE telemetry.charging_part IS
'What flowed at a meter by hours, one row per hour, link and charge in it, and for what is idle before and after, of hours in which the meter or the linked vehicle reported or has energy.';
COMMENT ON COLUMN telemetry.charging_part.meter_id IS 'The meter.';
COMMENT ON COLUMN telemetry.charging_part.hour IS 'Start of the hour, in UTC.';
COMMENT ON COLUMN telemetry.charging_part.since IS 'Start of the part; the parts of a meter fill the hour.';
COMMENT ON COLUMN telemetry.charging_part.until IS 'End of the part, not included.';
COMMENT ON COLUMN telemetry.charging_part.vehicle_id IS 'The vehicle that was linked; empty: none.';
COMMENT ON COLUMN telemetry.charging_part.link_since IS 'When the link starts; null: since ever, or no link.';
COMMENT ON COLUMN telemetry.charging_part.transaction_no IS
'The session that the devices named: of the meter, else below 0 of the vehicle; null: none.';
COMMENT ON COLUMN telemetry.charging_part.flow_since IS
'When energy began to flow in the part; null where none did.';
COMMENT ON COLUMN telemetry.charging_part.flow_until IS 'When it last flowed.';
COMMENT ON COLUMN telemetry.charging_part.meter_step IS 'How often the meter reported that day while energy flowed; null: not at all.';
COMMENT ON COLUMN telemetry.charging_part.vehicle_step IS
'How often the linked vehicle reported that day while energy flowed; null: not at all.';

CREATE TABLE telemetry.charging_session (
    meter_id text COLLATE "C" NOT NULL,
    started_at timestamptz NOT NULL,
    vehicle_id text COLLATE "C" NOT NULL,
    ended_at timestamptz NOT NULL,
    unplugged_at timestamptz,
    transaction_no integer,
    soc_start_mpct integer,
    soc_end_mpct integer,
    temp_start_mc integer,
    temp_end_mc integer,
    ac_register_start_mwh bigint,
    ac_register_end_mwh bigint,
    dc_register_start_mwh bigint,
    dc_register_end_mwh bigint,
    usual_efficiency double precision,
    below_usual integer NOT NULL DEFAULT 0,
    LIKE telemetry.charging_sums INCLUDING DEFAULTS INCLUDING COMMENTS,
    PRIMARY KEY (meter_id, started_at)
);

CREATE INDEX charging_session_vehicle ON telemetry.charging_session (vehicle_id, started_at);
-- as analysts see it
CREATE INDEX charging_session_known_vehicle ON telemetry.charging_session ((nullif(vehicle_id, '')), started_at);
-- the order in which sessions are listed
CREATE INDEX charging_session_start ON telemetry.charging_session (started_at, meter_id);

COMMENT ON TABLE telemetry.charging_session IS
'Charges: each ends with its link, with the session that the devices named, or with a pause that telemetry.rules sets.';
COMMENT ON COLUMN telemetry.charging_session.meter_id IS 'The meter.';
COMMENT ON COLUMN telemetry.charging_session.started_at IS 'When energy began to flow.';
COMMENT ON COLUMN telemetry.charging_session.vehicle_id IS 'The vehicle that was linked; empty: none.';
COMMENT ON COLUMN telemetry.charging_session.ended_at IS 'When it last flowed.';
COMMENT ON COLUMN telemetry.charging_session.unplugged_at IS
'When the session that the devices named was named last, at most the end of the link; null: none was.';
COMMENT ON COLUMN telemetry.charging_session.transaction_no IS
'The session that the devices named: of the meter, else below 0 of the vehicle; null: none.';
COMMENT ON COLUMN telemetry.charging_session.soc_start_mpct IS
'State of charge at the start, in thousandths of a percent; null if not reported.';
COMMENT ON COLUMN telemetry.charging_session.soc_end_mpct IS
'State of charge at the end, in thousandths of a percent; null if not reported.';
COMMENT ON COLUMN telemetry.charging_session.temp_start_mc IS
'Battery temperature at the start, in thousandths of a degree Celsius; null if not reported.';
COMMENT ON COLUMN telemetry.charging_session.temp_end_mc IS
'Battery temperature at the end, in thousandths of a degree Celsius; null if not reported.';
COMMENT ON COLUMN telemetry.charging_session.ac_register_start_mwh IS
'The meter''s register at the start, in milliwatt-hours; null: it sends none.';
COMMENT ON COLUMN telemetry.charging_session.ac_register_end_mwh IS
'The meter''s register at the end, in milliwatt-hours; null: it sends none.';
COMMENT ON COLUMN telemetry.charging_session.dc_register_start_mwh IS
'The vehicle''s register at the start, in milliwatt-hours; null: it sends none.';
COMMENT ON COLUMN telemetry.charging_session.dc_register_end_mwh IS
'The vehicle''s register at the end, in milliwatt-hours; null: it sends none.';
COMMENT ON COLUMN telemetry.charging_session.usual_efficiency IS
'Median of the pair''s comparable sessions before; null: too few, or not judged.';
COMMENT ON COLUMN telemetry.charging_session.below_usual IS
'How many judged sessions of the pair in a row, up to this one, were below the usual by more than the rule allows.';

CREATE TABLE telemetry.charging_day (
    day date NOT NULL,
    vehicle_id text COLLATE "C" NOT NULL,
    meter_id text COLLATE "C" NOT NULL,
    is_drifting boolean NOT NULL DEFAULT FALSE,
    LIKE telemetry.charging_sums INCLUDING DEFAULTS INCLUDING COMMENTS,
    PRIMARY KEY (day, vehicle_id, meter_id)
);

CREATE INDEX charging_day_vehicle ON telemetry.charging_day (vehicle_id, day);
CREATE INDEX charging_day_meter ON telemetry.charging_day (meter_id, day);
-- the moment at which the day starts, by which analysts ask
CREATE INDEX charging_day_bucket ON telemetry.charging_day ((day::timestamp AT TIME ZONE 'UTC'));

COMMENT ON TABLE telemetry.charging_day IS 'Sums of telemetry.charging_part, one row per UTC day, meter and vehicle.';
COMMENT ON COLUMN telemetry.charging_day.day IS 'The UTC day.';
COMMENT ON COLUMN telemetry.charging_day.vehicle_id IS 'The vehicle that was linked; empty: none.';
COMMENT ON COLUMN telemetry.charging_day.meter_id IS 'The meter.';
COMMENT ON COLUMN telemetry.charging_day.is_drifting IS
'Whether the last judged session that started in the day is one of a drift.';

DROP TABLE telemetry.charging_sums;

CREATE TABLE telemetry.charging_progress (
    dataset text COLLATE "C" NOT NULL CHECK (dataset IN ('meter_reading', 'vehicle_reading')),
    device_id text COLLATE "C" NOT NULL,
    seen_at timestamptz NOT NULL,
    kept_at timestamptz NOT NULL,
    PRIMARY KEY (dataset, device_id)
) WITH (fillfactor = 70);

COMMENT ON TABLE telemetry.charging_progress IS 'How far charging is kept in order of time, one row per device.';
COMMENT ON COLUMN telemetry.charging_progress.dataset IS 'meter_reading or vehicle_reading.';
COMMENT ON COLUMN telemetry.charging_progress.device_id IS 'The meter''s or vehicle''s id.';
COMMENT ON COLUMN telemetry.charging_progress.seen_at IS 'Time of the newest reading that is kept.';
COMMENT ON COLUMN telemetry.charging_progress.kept_at IS 'When that was done.';

CREATE TABLE telemetry.charging_queue (
    dataset text COLLATE "C" NOT NULL CHECK (dataset IN ('meter_reading', 'vehicle_reading')),
    device_id text COLLATE "C" NOT NULL,
    day date NOT NULL,
    queued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    is_certain boolean NOT NULL,
    retry_at timestamptz NOT NULL DEFAULT '-infinity',
    last_error text,
    PRIMARY KEY (dataset, device_id, day, queued_at)
) WITH (fillfactor = 70);

CREATE INDEX charging_queue_queued ON telemetry.charging_queue (queued_at);

COMMENT ON TABLE telemetry.charging_queue IS
'Days of devices whose charging may be kept otherwise than their readings and links have it: one row per device and UTC day, and another one for what came while it was being kept.';
COMMENT ON COLUMN telemetry.charging_queue.dataset IS 'meter_reading or vehicle_reading.';
COMMENT ON COLUMN telemetry.charging_queue.device_id IS 'The meter''s or vehicle''s id.';
COMMENT ON COLUMN telemetry.charging_queue.day IS 'The UTC day.';
COMMENT ON COLUMN telemetry.charging_queue.queued_at IS 'When it was queued.';
COMMENT ON COLUMN telemetry.charging_queue.changed_at IS 'When it was queued again; else when it was queued.';
COMMENT ON COLUMN telemetry.charging_queue.is_certain IS
'Whether it has to be kept anew; else only if the number of readings or how often they came has changed.';
COMMENT ON COLUMN telemetry.charging_queue.retry_at IS 'After a failure: when it is tried again.';
COMMENT ON COLUMN telemetry.charging_queue.last_error IS 'After a failure: what PostgreSQL said.';
