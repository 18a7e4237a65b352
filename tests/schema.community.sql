-- What migrations/ and sql/ make on the Community edition of TimescaleDB: to be read, and compared
-- by tests/editions/test_schema.py; `just schema` writes it anew. Bodies of functions and views
-- stand in sql/. All belongs to wattledger_owner, who has every right unless it is told.

CREATE SCHEMA telemetry;
GRANT USAGE ON SCHEMA telemetry TO wattledger_dba;

CREATE TYPE telemetry.entry_reason AS ENUM ('step', 'taken', 'apportioned', 'reset', 'rollover', 'exchange', 'kind', 'session', 'glitch', 'jump', 'correction', 'booking');

CREATE TYPE telemetry.reading_kind AS ENUM ('difference', 'lifetime_register', 'session_counter');

VIEW telemetry.accepted (
    dataset text,
    oldest timestamptz,
    newest timestamptz,
    energy telemetry.limits,
    voltage telemetry.limits,
    soc telemetry.limits,
    battery_temp telemetry.limits,
    register telemetry.limits,
    rules telemetry.register_rules
);

CREATE TABLE telemetry.alert (
    alert_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    kind text COLLATE "C" NOT NULL,
    meter_id text COLLATE "C",
    vehicle_id text COLLATE "C",
    severity text COLLATE "C" NOT NULL,
    since timestamptz NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    cause text COLLATE "C" NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}'::jsonb,
    CONSTRAINT alert_pkey PRIMARY KEY (alert_id),
    CONSTRAINT alert_check CHECK (num_nonnulls(meter_id, vehicle_id) > 0),
    CONSTRAINT alert_kind_check CHECK (kind = ANY (ARRAY['degraded'::text, 'drifting'::text, 'impossible'::text, 'frozen'::text, 'silent'::text, 'register'::text, 'unlinked'::text, 'standby'::text])),
    CONSTRAINT alert_severity_check CHECK (severity = ANY (ARRAY['warning'::text, 'critical'::text]))
);
CREATE INDEX alert_meter ON telemetry.alert USING btree (meter_id, alert_id) WHERE (meter_id IS NOT NULL);
CREATE INDEX alert_vehicle ON telemetry.alert USING btree (vehicle_id, alert_id) WHERE (vehicle_id IS NOT NULL);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON telemetry.alert FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_change_of_alerts();

CREATE TABLE telemetry.alert_change (
    change_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    alert_id bigint NOT NULL,
    change text COLLATE "C" NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by text COLLATE "C",
    detail jsonb NOT NULL DEFAULT '{}'::jsonb,
    CONSTRAINT alert_change_pkey PRIMARY KEY (change_id),
    CONSTRAINT alert_change_change_check CHECK (change = ANY (ARRAY['opened'::text, 'worsened'::text, 'revised'::text, 'acknowledged'::text, 'closed'::text])),
    CONSTRAINT alert_change_alert_id_fkey FOREIGN KEY (alert_id) REFERENCES telemetry.alert(alert_id)
);
CREATE INDEX alert_change_alert ON telemetry.alert_change USING btree (alert_id, change_id);
CREATE UNIQUE INDEX alert_change_once ON telemetry.alert_change USING btree (alert_id, change) WHERE (change = ANY (ARRAY['opened'::text, 'acknowledged'::text, 'closed'::text]));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON telemetry.alert_change FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_change_of_alerts();
CREATE TRIGGER queue_webhooks AFTER INSERT ON telemetry.alert_change REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION telemetry.queue_webhook_deliveries();

VIEW telemetry.alert_loss (
    alert_id bigint,
    charges bigint,
    lost_mwh numeric,
    lost_cost numeric,
    currency text COLLATE "C",
    cost_gap text COLLATE "C"
);

VIEW telemetry.alert_part (
    alert_id bigint,
    meter_id text COLLATE "C",
    started_at timestamptz,
    vehicle_id text COLLATE "C",
    lost_mwh bigint,
    lost_cost numeric,
    currency text COLLATE "C",
    cost_gap text COLLATE "C"
);

CREATE TABLE telemetry.alert_queue (
    side text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    due_at timestamptz NOT NULL,
    queued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT alert_queue_pkey PRIMARY KEY (side, device_id, queued_at),
    CONSTRAINT alert_queue_side_check CHECK (side = ANY (ARRAY['meter'::text, 'vehicle'::text]))
) WITH (fillfactor=70);
CREATE INDEX alert_queue_due ON telemetry.alert_queue USING btree (due_at);

CREATE TABLE telemetry.alert_watch (
    only_row boolean NOT NULL DEFAULT true,
    looked_at timestamptz NOT NULL DEFAULT '-infinity'::timestamptz,
    CONSTRAINT alert_watch_pkey PRIMARY KEY (only_row),
    CONSTRAINT alert_watch_only_row_check CHECK (only_row)
);

CREATE TABLE telemetry.api_key (
    key_id text COLLATE "C" NOT NULL,
    secret_sha256 bytea NOT NULL,
    scopes text[] NOT NULL,
    device_patterns text[],
    fleet text COLLATE "C",
    readings_per_second double precision,
    burst_readings double precision,
    note text NOT NULL DEFAULT ''::text,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL DEFAULT SESSION_USER,
    expires_at timestamptz,
    revoked_at timestamptz,
    rotated_from text COLLATE "C",
    last_used_at timestamptz,
    CONSTRAINT api_key_pkey PRIMARY KEY (key_id),
    CONSTRAINT api_key_burst_readings_check CHECK (burst_readings >= 1::double precision),
    CONSTRAINT api_key_check CHECK ((readings_per_second IS NULL) = (burst_readings IS NULL)),
    CONSTRAINT api_key_device_patterns_check CHECK (cardinality(device_patterns) > 0),
    CONSTRAINT api_key_key_id_check CHECK (key_id ~ '^[0-9a-f]{12}$'::text),
    CONSTRAINT api_key_readings_per_second_check CHECK (readings_per_second > 0::double precision),
    CONSTRAINT api_key_scopes_check CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['ingest'::text, 'read'::text, 'metrics'::text, 'admin'::text]),
    CONSTRAINT api_key_secret_sha256_check CHECK (length(secret_sha256) = 32),
    CONSTRAINT api_key_times CHECK (LEAST(created_at, expires_at, revoked_at, last_used_at) >= '0001-01-02 00:00:00+00'::timestamptz AND GREATEST(created_at, expires_at, revoked_at, last_used_at) < '9999-12-31 00:00:00+00'::timestamptz),
    CONSTRAINT api_key_rotated_from_fkey FOREIGN KEY (rotated_from) REFERENCES telemetry.api_key(key_id)
);

VIEW telemetry.booked_hour (
    dataset text COLLATE "C",
    device_id text COLLATE "C",
    record_id bigint,
    hour timestamptz,
    ts timestamptz,
    energy_mwh bigint
);

CREATE TABLE telemetry.charging_day (
    day date NOT NULL,
    vehicle_id text COLLATE "C" NOT NULL,
    meter_id text COLLATE "C" NOT NULL,
    is_drifting boolean NOT NULL DEFAULT false,
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
    vehicle_samples bigint NOT NULL DEFAULT 0,
    CONSTRAINT charging_day_pkey PRIMARY KEY (day, vehicle_id, meter_id)
);
CREATE INDEX charging_day_bucket ON telemetry.charging_day USING btree (((day)::timestamp without time zone AT TIME ZONE 'UTC'::text));
CREATE INDEX charging_day_meter ON telemetry.charging_day USING btree (meter_id, day);
CREATE INDEX charging_day_vehicle ON telemetry.charging_day USING btree (vehicle_id, day);
CREATE TRIGGER alerts_added AFTER INSERT ON telemetry.charging_day REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION telemetry.queue_alerts_of_days();

CREATE TABLE telemetry.charging_link (
    vehicle_id text COLLATE "C" NOT NULL,
    meter_id text COLLATE "C" NOT NULL,
    during tstzrange NOT NULL,
    CONSTRAINT meter_on_one_vehicle EXCLUDE USING gist (meter_id WITH =, during WITH &&),
    CONSTRAINT vehicle_on_one_meter EXCLUDE USING gist (vehicle_id WITH =, during WITH &&),
    CONSTRAINT charging_link_meter_id_check CHECK (length(meter_id) >= 1 AND length(meter_id) <= 128),
    CONSTRAINT charging_link_times CHECK ((lower_inf(during) OR lower_inc(during) AND lower(during) >= '2000-01-01 00:00:00+00'::timestamptz AND lower(during) < '2100-01-01 00:00:00+00'::timestamptz) AND (upper_inf(during) OR NOT upper_inc(during) AND upper(during) > '2000-01-01 00:00:00+00'::timestamptz AND upper(during) <= '2100-01-01 00:00:00+00'::timestamptz)),
    CONSTRAINT charging_link_vehicle_id_check CHECK (length(vehicle_id) >= 1 AND length(vehicle_id) <= 128)
);
CREATE UNIQUE INDEX charging_link_by_meter ON telemetry.charging_link USING btree (meter_id, vehicle_id, COALESCE(lower(during), '-infinity'::timestamptz));
CREATE UNIQUE INDEX charging_link_by_vehicle ON telemetry.charging_link USING btree (vehicle_id, COALESCE(lower(during), '-infinity'::timestamptz));
CREATE TRIGGER noted AFTER INSERT OR DELETE OR UPDATE ON telemetry.charging_link FOR EACH ROW EXECUTE FUNCTION telemetry.note_link_change();
CREATE TRIGGER noted_all BEFORE TRUNCATE ON telemetry.charging_link FOR EACH STATEMENT EXECUTE FUNCTION telemetry.note_link_change();
CREATE TRIGGER queued AFTER INSERT OR DELETE OR UPDATE ON telemetry.charging_link FOR EACH ROW EXECUTE FUNCTION telemetry.queue_link_change();
CREATE TRIGGER queued_all AFTER TRUNCATE ON telemetry.charging_link FOR EACH STATEMENT EXECUTE FUNCTION telemetry.queue_all_charging();

CREATE TABLE telemetry.charging_link_change (
    change_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    changed_at timestamptz NOT NULL DEFAULT now(),
    login text NOT NULL DEFAULT SESSION_USER,
    key_id text COLLATE "C",
    vehicle_id text COLLATE "C" NOT NULL,
    meter_id text COLLATE "C" NOT NULL,
    before tstzrange,
    after tstzrange,
    CONSTRAINT charging_link_change_pkey PRIMARY KEY (change_id),
    CONSTRAINT charging_link_change_check CHECK (before IS DISTINCT FROM after)
);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON telemetry.charging_link_change FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_change_of_link_history();
-- the owner has no right to UPDATE, DELETE

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
    vehicle_samples bigint NOT NULL DEFAULT 0,
    CONSTRAINT charging_part_pkey PRIMARY KEY (meter_id, hour, since)
);
CREATE INDEX charging_part_hour ON telemetry.charging_part USING btree (hour);
CREATE INDEX charging_part_vehicle ON telemetry.charging_part USING btree (vehicle_id, hour, meter_id);

CREATE TABLE telemetry.charging_progress (
    dataset text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    seen_at timestamptz NOT NULL,
    kept_at timestamptz NOT NULL,
    CONSTRAINT charging_progress_pkey PRIMARY KEY (dataset, device_id),
    CONSTRAINT charging_progress_dataset_check CHECK (dataset = ANY (ARRAY['meter_reading'::text, 'vehicle_reading'::text]))
) WITH (fillfactor=70);

CREATE TABLE telemetry.charging_queue (
    dataset text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    day date NOT NULL,
    queued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    is_certain boolean NOT NULL,
    retry_at timestamptz NOT NULL DEFAULT '-infinity'::timestamptz,
    last_error text,
    CONSTRAINT charging_queue_pkey PRIMARY KEY (dataset, device_id, day, queued_at),
    CONSTRAINT charging_queue_dataset_check CHECK (dataset = ANY (ARRAY['meter_reading'::text, 'vehicle_reading'::text]))
) WITH (fillfactor=70);
CREATE INDEX charging_queue_queued ON telemetry.charging_queue USING btree (queued_at);

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
    vehicle_samples bigint NOT NULL DEFAULT 0,
    CONSTRAINT charging_session_pkey PRIMARY KEY (meter_id, started_at)
);
CREATE INDEX charging_session_known_vehicle ON telemetry.charging_session USING btree (NULLIF(vehicle_id, ''::text), started_at);
CREATE INDEX charging_session_start ON telemetry.charging_session USING btree (started_at, meter_id);
CREATE INDEX charging_session_vehicle ON telemetry.charging_session USING btree (vehicle_id, started_at);
CREATE TRIGGER alerts_added AFTER INSERT ON telemetry.charging_session REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION telemetry.queue_alerts_of_sessions();
CREATE TRIGGER alerts_changed AFTER UPDATE ON telemetry.charging_session REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION telemetry.queue_alerts_of_sessions();
CREATE TRIGGER alerts_removed AFTER DELETE ON telemetry.charging_session REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION telemetry.queue_alerts_of_sessions();

CREATE TABLE telemetry.cookie_secret (
    only_row boolean NOT NULL DEFAULT true,
    secret bytea NOT NULL DEFAULT sha256((uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))),
    CONSTRAINT cookie_secret_pkey PRIMARY KEY (only_row),
    CONSTRAINT cookie_secret_only_row_check CHECK (only_row),
    CONSTRAINT cookie_secret_secret_check CHECK (length(secret) = 32)
);

VIEW telemetry.corrected_reading (
    dataset text COLLATE "C",
    device_id text COLLATE "C",
    ts timestamptz,
    record_id bigint,
    kind telemetry.reading_kind,
    value_mwh bigint
);

CREATE TABLE telemetry.currency_digits (
    currency text COLLATE "C" NOT NULL,
    digits smallint NOT NULL,
    CONSTRAINT currency_digits_pkey PRIMARY KEY (currency),
    CONSTRAINT currency_digits_currency_check CHECK (currency ~ '^[A-Z]{3}$'::text),
    CONSTRAINT currency_digits_digits_check CHECK (digits >= 0 AND digits <= 4)
);

VIEW telemetry.current_alert (
    alert_id bigint,
    kind text COLLATE "C",
    meter_id text COLLATE "C",
    vehicle_id text COLLATE "C",
    severity text COLLATE "C",
    since timestamptz,
    until timestamptz,
    opened_at timestamptz,
    is_open boolean,
    closed_at timestamptz,
    closed_because text,
    acknowledged_at timestamptz,
    acknowledged_by text COLLATE "C",
    cause text COLLATE "C",
    opening_cause text COLLATE "C",
    opening_since timestamptz
);

CREATE TABLE telemetry.dataset (
    dataset text NOT NULL,
    keep interval,
    compress_after interval,
    refresh_every interval,
    refresh_lag interval,
    accepted_since timestamptz NOT NULL DEFAULT '-infinity'::timestamptz,
    complete_since timestamptz NOT NULL DEFAULT '-infinity'::timestamptz,
    held_until timestamptz NOT NULL DEFAULT '-infinity'::timestamptz,
    CONSTRAINT dataset_pkey PRIMARY KEY (dataset),
    CONSTRAINT dataset_compress_after_check CHECK (compress_after >= '1 day'::interval),
    CONSTRAINT dataset_keep_check CHECK (keep >= '2 days'::interval),
    CONSTRAINT dataset_refresh_every_check CHECK (refresh_every > '00:00:00'::interval),
    CONSTRAINT dataset_refresh_lag_check CHECK (refresh_lag > '00:00:00'::interval)
);
CREATE TRIGGER always_there BEFORE DELETE OR TRUNCATE ON telemetry.dataset FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_removal();

VIEW telemetry.dataset_level (
    dataset text,
    side text,
    level integer,
    keep interval
);

CREATE TABLE telemetry.device_label (
    dataset text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    name text,
    site text COLLATE "C",
    groups text[] COLLATE "C" NOT NULL DEFAULT '{}'::text[],
    plate text,
    address text,
    note text,
    retired_at timestamptz,
    CONSTRAINT device_label_pkey PRIMARY KEY (dataset, device_id),
    CONSTRAINT device_label_address_check CHECK (length(address) >= 1 AND length(address) <= 200 AND address !~ '[\u0001-\u001f\u007f-\u009f]'::text),
    CONSTRAINT device_label_dataset_check CHECK (dataset = ANY (ARRAY['meter_reading'::text, 'vehicle_reading'::text])),
    CONSTRAINT device_label_groups_check CHECK (cardinality(groups) <= 20 AND array_position(groups, NULL::text) IS NULL AND array_position(groups, ''::text) IS NULL AND array_to_string(groups, ''::text) !~ '[\u0001-\u001f\u007f-\u009f]'::text),
    CONSTRAINT device_label_name_check CHECK (length(name) >= 1 AND length(name) <= 200 AND name !~ '[\u0001-\u001f\u007f-\u009f]'::text),
    CONSTRAINT device_label_note_check CHECK (length(note) >= 1 AND length(note) <= 200 AND note !~ '[\u0001-\u001f\u007f-\u009f]'::text),
    CONSTRAINT device_label_plate_check CHECK (length(plate) >= 1 AND length(plate) <= 200 AND plate !~ '[\u0001-\u001f\u007f-\u009f]'::text),
    CONSTRAINT device_label_retired_at_check CHECK (retired_at >= '2000-01-01 00:00:00+00'::timestamptz AND retired_at < '2100-01-01 00:00:00+00'::timestamptz),
    CONSTRAINT device_label_site_check CHECK (length(site) >= 1 AND length(site) <= 200 AND site !~ '[\u0001-\u001f\u007f-\u009f]'::text)
);
CREATE INDEX device_label_groups ON telemetry.device_label USING gin (groups) WHERE (groups <> '{}'::text[]);
CREATE INDEX device_label_retired ON telemetry.device_label USING btree (dataset, device_id) WHERE (retired_at IS NOT NULL);
CREATE INDEX device_label_site ON telemetry.device_label USING btree (dataset, site, device_id) WHERE (site IS NOT NULL);

CREATE TABLE telemetry.device_session (
    dataset text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    session_no integer NOT NULL,
    session_id text COLLATE "C" NOT NULL,
    CONSTRAINT device_session_pkey PRIMARY KEY (dataset, device_id, session_no),
    CONSTRAINT device_session_dataset_device_id_session_id_key UNIQUE (dataset, device_id, session_id),
    CONSTRAINT device_session_dataset_check CHECK (dataset = ANY (ARRAY['meter_reading'::text, 'vehicle_reading'::text])),
    CONSTRAINT device_session_session_id_check CHECK (length(session_id) >= 1 AND length(session_id) <= 128),
    CONSTRAINT device_session_session_no_check CHECK (session_no > 0)
);

CREATE TABLE telemetry.device_setting (
    dataset text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    step interval,
    usual_power_kw double precision,
    max_power_kw double precision,
    tolerance_kwh double precision,
    width_kwh double precision,
    CONSTRAINT device_setting_pkey PRIMARY KEY (dataset, device_id),
    CONSTRAINT device_setting_dataset_check CHECK (dataset = ANY (ARRAY['meter_reading'::text, 'vehicle_reading'::text])),
    CONSTRAINT device_setting_device_id_check CHECK (length(device_id) >= 1 AND length(device_id) <= 128),
    CONSTRAINT device_setting_max_power_kw_check CHECK (max_power_kw >= 0::double precision AND max_power_kw <= '1000000'::numeric::double precision),
    CONSTRAINT device_setting_step_check CHECK (step > '00:00:00'::interval AND step <= '31 days'::interval),
    CONSTRAINT device_setting_tolerance_kwh_check CHECK (tolerance_kwh >= 0::double precision AND tolerance_kwh <= '1000000'::numeric::double precision),
    CONSTRAINT device_setting_usual_power_kw_check CHECK (usual_power_kw >= 0::double precision AND usual_power_kw <= '1000000'::numeric::double precision),
    CONSTRAINT device_setting_width_kwh_check CHECK (width_kwh > 0::double precision AND width_kwh <= '1000000000'::numeric::double precision)
);

CREATE TABLE telemetry.discarded_measurement (
    dataset text COLLATE "C" NOT NULL,
    field text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    discarded bigint NOT NULL,
    last_value double precision NOT NULL,
    last_read_at timestamptz NOT NULL,
    last_received_at timestamptz NOT NULL,
    CONSTRAINT discarded_measurement_pkey PRIMARY KEY (dataset, field, device_id)
);

CREATE TABLE telemetry.fleet_device (
    fleet text COLLATE "C" NOT NULL,
    device_pattern text COLLATE "C" NOT NULL,
    CONSTRAINT fleet_device_pkey PRIMARY KEY (fleet, device_pattern),
    CONSTRAINT fleet_device_device_pattern_check CHECK (length(device_pattern) >= 1 AND length(device_pattern) <= 136 AND (device_pattern <> ALL (ARRAY['meter:'::text, 'vehicle:'::text]))),
    CONSTRAINT fleet_device_fleet_check CHECK (length(fleet) >= 1 AND length(fleet) <= 128)
);

CREATE TABLE telemetry.history_device (
    import_id bigint NOT NULL,
    dataset text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    readings bigint NOT NULL DEFAULT 0,
    folded_at timestamptz,
    refused_because text,
    CONSTRAINT history_device_pkey PRIMARY KEY (import_id, dataset, device_id),
    CONSTRAINT history_device_dataset_check CHECK (dataset = ANY (ARRAY['meter_reading'::text, 'vehicle_reading'::text])),
    CONSTRAINT history_device_import_id_fkey FOREIGN KEY (import_id) REFERENCES telemetry.history_import(import_id)
) WITH (fillfactor=70);
CREATE INDEX history_device_id ON telemetry.history_device USING btree (dataset, device_id);
CREATE INDEX history_device_staged ON telemetry.history_device USING btree (import_id, dataset, device_id) WHERE ((folded_at IS NULL) AND (refused_because IS NULL));

CREATE TABLE telemetry.history_import (
    import_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    label text NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT now(),
    begun_by text NOT NULL DEFAULT SESSION_USER,
    held_until timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT history_import_pkey PRIMARY KEY (import_id),
    CONSTRAINT history_import_label_check CHECK (length(label) >= 1 AND length(label) <= 200)
);
CREATE UNIQUE INDEX history_import_open ON telemetry.history_import USING btree (label) WHERE (ended_at IS NULL);

VIEW telemetry.horizon (
    raw_since timestamptz,
    hourly_since timestamptz
);

VIEW telemetry.judged_session (
    meter_id text COLLATE "C",
    started_at timestamptz,
    vehicle_id text COLLATE "C",
    ended_at timestamptz,
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
    below_usual integer,
    ac_mwh bigint,
    ac_matched_mwh bigint,
    dc_mwh bigint,
    dc_matched_mwh bigint,
    ac_standing_mwh bigint,
    dc_standing_mwh bigint,
    standby_mwh bigint,
    edge_mwh bigint,
    standby_us bigint,
    active_us bigint,
    matched_us bigint,
    ac_resolution_mwh bigint,
    dc_resolution_mwh bigint,
    peak_w bigint,
    battery_temp_mc integer,
    meter_samples bigint,
    vehicle_samples bigint,
    efficiency double precision,
    coverage double precision,
    uncertainty double precision,
    expected_efficiency double precision,
    verdict text,
    frozen_side text,
    is_judged boolean,
    power_class integer,
    temp_class integer,
    excess_loss_mwh numeric,
    cost numeric,
    standby_cost numeric,
    loss_cost numeric,
    excess_loss_cost numeric,
    currency text COLLATE "C",
    cost_gap text COLLATE "C",
    unusual_loss_mwh numeric,
    unusual_loss_cost numeric
);

CREATE TABLE telemetry.ledger_record (
    record_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    made_by text NOT NULL,
    record text NOT NULL,
    dataset text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    happened_at timestamptz NOT NULL,
    starts_at timestamptz,
    final_mwh bigint,
    initial_mwh bigint,
    energy_mwh bigint,
    reported_kind telemetry.reading_kind,
    reported_mwh bigint,
    value_mwh bigint,
    resolution text,
    cancels bigint,
    reason text NOT NULL,
    CONSTRAINT ledger_record_pkey PRIMARY KEY (record_id),
    CONSTRAINT ledger_record_cancels_key UNIQUE (cancels),
    CONSTRAINT ledger_record_check CHECK (starts_at <= happened_at AND (happened_at - starts_at) <= '366 days'::interval),
    CONSTRAINT ledger_record_check1 CHECK ((record = 'exchange'::text) = (final_mwh IS NOT NULL)),
    CONSTRAINT ledger_record_check2 CHECK ((record = 'exchange'::text) = (initial_mwh IS NOT NULL)),
    CONSTRAINT ledger_record_check3 CHECK ((record = 'correction'::text) = (reported_kind IS NOT NULL)),
    CONSTRAINT ledger_record_check4 CHECK ((record = 'correction'::text) = (reported_mwh IS NOT NULL)),
    CONSTRAINT ledger_record_check5 CHECK (record = 'correction'::text OR value_mwh IS NULL),
    CONSTRAINT ledger_record_check6 CHECK ((record = 'resolution'::text) = (resolution IS NOT NULL)),
    CONSTRAINT ledger_record_check7 CHECK ((record = 'booking'::text OR NOT resolution IS DISTINCT FROM 'book'::text) = (energy_mwh IS NOT NULL)),
    CONSTRAINT ledger_record_check8 CHECK ((energy_mwh IS NOT NULL) = (starts_at IS NOT NULL)),
    CONSTRAINT ledger_record_check9 CHECK ((record = 'cancellation'::text) = (cancels IS NOT NULL)),
    CONSTRAINT ledger_record_dataset_check CHECK (dataset = ANY (ARRAY['meter_reading'::text, 'vehicle_reading'::text])),
    CONSTRAINT ledger_record_device_id_check CHECK (length(device_id) >= 1 AND length(device_id) <= 128),
    CONSTRAINT ledger_record_energy_mwh_check CHECK (energy_mwh::numeric >= '-1000000000000000'::numeric AND energy_mwh::numeric <= '1000000000000000'::numeric),
    CONSTRAINT ledger_record_final_mwh_check CHECK (final_mwh >= 0 AND final_mwh::numeric <= '1000000000000000'::numeric),
    CONSTRAINT ledger_record_initial_mwh_check CHECK (initial_mwh >= 0 AND initial_mwh::numeric <= '1000000000000000'::numeric),
    CONSTRAINT ledger_record_reason_check CHECK (length(reason) >= 1 AND length(reason) <= 1000),
    CONSTRAINT ledger_record_record_check CHECK (record = ANY (ARRAY['exchange'::text, 'correction'::text, 'booking'::text, 'resolution'::text, 'cancellation'::text])),
    CONSTRAINT ledger_record_resolution_check CHECK (resolution = ANY (ARRAY['book'::text, 'dismiss'::text])),
    CONSTRAINT ledger_record_value_mwh_check CHECK (value_mwh >= 0 AND value_mwh::numeric <= '1000000000000000'::numeric)
);
CREATE INDEX ledger_record_device ON telemetry.ledger_record USING btree (device_id, dataset, happened_at);
CREATE TRIGGER alerts_added AFTER INSERT ON telemetry.ledger_record REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION telemetry.queue_alerts_of_events();
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON telemetry.ledger_record FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_change_of_records();
-- the owner has no right to UPDATE, DELETE

CREATE TABLE telemetry.limits (
    dataset text NOT NULL,
    field text NOT NULL,
    minimum double precision NOT NULL,
    maximum double precision NOT NULL,
    when_outside text NOT NULL DEFAULT 'refuse'::text,
    CONSTRAINT limits_pkey PRIMARY KEY (dataset, field),
    CONSTRAINT limits_check CHECK ((field <> ALL (ARRAY['energy_kwh'::text, 'register_kwh'::text])) OR when_outside = 'refuse'::text),
    CONSTRAINT limits_check1 CHECK (minimum <= maximum),
    CONSTRAINT limits_check2 CHECK (
CASE field
    WHEN 'register_kwh'::text THEN minimum >= 0::double precision AND maximum <= '1000000000'::numeric::double precision
    ELSE minimum >= '-2000000'::numeric::double precision AND maximum <= '2000000'::numeric::double precision
END),
    CONSTRAINT limits_dataset_check CHECK (dataset = ANY (ARRAY['meter_reading'::text, 'vehicle_reading'::text])),
    CONSTRAINT limits_when_outside_check CHECK (when_outside = ANY (ARRAY['refuse'::text, 'store_null'::text]))
);

VIEW telemetry.link_span (
    vehicle_id text COLLATE "C",
    meter_id text COLLATE "C",
    since timestamptz,
    until timestamptz
);

CREATE TABLE telemetry.maintenance (
    only_row boolean NOT NULL DEFAULT true,
    last_run_at timestamptz,
    total_runs bigint NOT NULL DEFAULT 0,
    CONSTRAINT maintenance_pkey PRIMARY KEY (only_row),
    CONSTRAINT maintenance_only_row_check CHECK (only_row)
);
CREATE TRIGGER always_there BEFORE DELETE OR TRUNCATE ON telemetry.maintenance FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_removal();

CREATE TABLE telemetry.meter_reading (
    meter_id text COLLATE "C" NOT NULL,
    ts timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    energy_mwh bigint NOT NULL,
    entry integer NOT NULL DEFAULT 0,
    kind telemetry.reading_kind NOT NULL DEFAULT 'difference'::telemetry.reading_kind,
    register_mwh bigint,
    interval_start timestamptz,
    session_no integer,
    reason telemetry.entry_reason,
    source_day date,
    voltage_mv integer,
    CONSTRAINT meter_reading_pkey PRIMARY KEY (meter_id, ts, entry),
    CONSTRAINT meter_reading_correction CHECK (entry = 0 AND reason IS NULL AND source_day IS NULL OR entry > 0 AND (reason IS NULL) = (source_day IS NULL) AND kind = 'difference'::telemetry.reading_kind AND interval_start IS NULL AND session_no IS NULL AND voltage_mv IS NULL),
    CONSTRAINT meter_reading_kind CHECK ((kind = 'difference'::telemetry.reading_kind) = (register_mwh IS NULL) AND (kind = 'difference'::telemetry.reading_kind OR interval_start IS NULL) AND (kind <> 'session_counter'::telemetry.reading_kind OR session_no IS NOT NULL)),
    CONSTRAINT meter_reading_times CHECK (ts >= '0001-01-02 00:00:00+00'::timestamptz AND ts < '9999-12-31 00:00:00+00'::timestamptz AND received_at >= '0001-01-02 00:00:00+00'::timestamptz AND received_at < '9999-12-31 00:00:00+00'::timestamptz AND interval_start >= '0001-01-02 00:00:00+00'::timestamptz AND interval_start <= ts)
);
-- a hypertable by ts, one chunk per 1 day
-- compressed by meter_id, in order of ts
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON telemetry.meter_reading FOR EACH ROW EXECUTE FUNCTION telemetry.refuse_change();
CREATE TRIGGER keep_state AFTER INSERT ON telemetry.meter_reading REFERENCING NEW TABLE AS added FOR EACH STATEMENT WHEN ((current_setting('wattledger.arrival'::text, true) IS DISTINCT FROM 'in order'::text)) EXECUTE FUNCTION telemetry.keep_meter_state();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON telemetry.meter_reading FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_change();
-- the owner has no right to UPDATE, DELETE

CREATE TABLE telemetry.meter_state (
    meter_id text COLLATE "C" NOT NULL,
    ts timestamptz NOT NULL,
    earlier_ts timestamptz,
    energy_mwh bigint NOT NULL,
    voltage_mv integer,
    received_at timestamptz NOT NULL,
    kind telemetry.reading_kind,
    register_mwh bigint,
    session_no integer,
    level_mwh bigint,
    max_power_kw double precision,
    CONSTRAINT meter_state_pkey PRIMARY KEY (meter_id)
) WITH (fillfactor=50);

CREATE TABLE telemetry.open_alert (
    kind text COLLATE "C" NOT NULL,
    meter_id text COLLATE "C" NOT NULL,
    vehicle_id text COLLATE "C" NOT NULL,
    alert_id bigint NOT NULL,
    severity text COLLATE "C" NOT NULL,
    since timestamptz NOT NULL,
    cause text COLLATE "C" NOT NULL,
    CONSTRAINT open_alert_pkey PRIMARY KEY (meter_id, vehicle_id, kind),
    CONSTRAINT open_alert_alert_id_key UNIQUE (alert_id),
    CONSTRAINT open_alert_alert_id_fkey FOREIGN KEY (alert_id) REFERENCES telemetry.alert(alert_id)
);
CREATE INDEX open_alert_vehicle ON telemetry.open_alert USING btree (vehicle_id) WHERE (vehicle_id <> ''::text);

VIEW telemetry.present_policy (
    dataset text,
    work text,
    every interval,
    job_id integer
);

VIEW telemetry.priced_part (
    meter_id text COLLATE "C",
    hour timestamptz,
    since timestamptz,
    until timestamptz,
    vehicle_id text COLLATE "C",
    cost numeric,
    standby_cost numeric,
    ac_matched_cost numeric,
    dc_matched_cost numeric,
    unpriced_mwh numeric,
    price numeric,
    currency text COLLATE "C",
    digits smallint,
    standby_mwh bigint
);

CREATE TABLE telemetry.proven_energy (
    dataset text NOT NULL,
    day timestamptz NOT NULL,
    device_hours bigint NOT NULL,
    samples bigint NOT NULL,
    energy_mwh bigint NOT NULL,
    proven_at timestamptz NOT NULL,
    CONSTRAINT proven_energy_pkey PRIMARY KEY (dataset, day),
    CONSTRAINT proven_energy_dataset_fkey FOREIGN KEY (dataset) REFERENCES telemetry.dataset(dataset)
);
CREATE TRIGGER always_there BEFORE DELETE OR TRUNCATE ON telemetry.proven_energy FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_removal();

CREATE TABLE telemetry.quarantine (
    quarantine_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    received_at timestamptz NOT NULL DEFAULT now(),
    key_id text COLLATE "C",
    reading_index integer,
    reason text NOT NULL,
    detail text NOT NULL,
    content_type text NOT NULL,
    raw bytea NOT NULL,
    dataset text,
    device_id text COLLATE "C",
    read_at timestamptz,
    kind text,
    energy_kwh double precision,
    interval_start timestamptz,
    session_id text,
    voltage_v double precision,
    soc_percent double precision,
    battery_temp_c double precision,
    awaits_time boolean NOT NULL DEFAULT false,
    replayed_at timestamptz,
    source text COLLATE "C",
    CONSTRAINT quarantine_pkey PRIMARY KEY (quarantine_id),
    CONSTRAINT quarantine_check CHECK (NOT awaits_time OR reason = 'future'::text AND dataset IS NOT NULL AND replayed_at IS NULL),
    CONSTRAINT quarantine_dataset_check CHECK (dataset = ANY (ARRAY['meter_reading'::text, 'vehicle_reading'::text]))
);
CREATE INDEX quarantine_awaits_time ON telemetry.quarantine USING btree (read_at, quarantine_id) WHERE awaits_time;
CREATE INDEX quarantine_received_at ON telemetry.quarantine USING btree (received_at);
CREATE INDEX quarantine_removable ON telemetry.quarantine USING btree (COALESCE(key_id, ''::text), quarantine_id) WHERE (NOT awaits_time);
CREATE UNIQUE INDEX quarantine_source ON telemetry.quarantine USING btree (source, COALESCE(reading_index, '-1'::integer), sha256(raw)) WHERE (source IS NOT NULL);
CREATE TRIGGER count_added AFTER INSERT ON telemetry.quarantine REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION telemetry.count_added_quarantine();
CREATE TRIGGER count_changed AFTER UPDATE OF key_id, raw ON telemetry.quarantine FOR EACH ROW EXECUTE FUNCTION telemetry.count_changed_quarantine();
CREATE TRIGGER count_emptied AFTER TRUNCATE ON telemetry.quarantine FOR EACH STATEMENT EXECUTE FUNCTION telemetry.count_emptied_quarantine();
CREATE TRIGGER count_removed AFTER DELETE ON telemetry.quarantine REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION telemetry.count_removed_quarantine();
CREATE TRIGGER lock_bounds BEFORE DELETE OR UPDATE OF key_id, raw ON telemetry.quarantine FOR EACH STATEMENT EXECUTE FUNCTION telemetry.lock_quarantine_bounds();

CREATE TABLE telemetry.quarantine_bounds (
    only_row boolean NOT NULL DEFAULT true,
    keep interval NOT NULL DEFAULT '30 days'::interval,
    max_bytes bigint NOT NULL DEFAULT 1073741824,
    max_bytes_per_key bigint NOT NULL DEFAULT 134217728,
    kept_bytes bigint NOT NULL DEFAULT 0,
    CONSTRAINT quarantine_bounds_pkey PRIMARY KEY (only_row),
    CONSTRAINT quarantine_bounds_keep_check CHECK (keep > '00:00:00'::interval),
    CONSTRAINT quarantine_bounds_max_bytes_check CHECK (max_bytes > 0),
    CONSTRAINT quarantine_bounds_max_bytes_per_key_check CHECK (max_bytes_per_key > 0),
    CONSTRAINT quarantine_bounds_only_row_check CHECK (only_row)
);
CREATE TRIGGER always_there BEFORE DELETE OR TRUNCATE ON telemetry.quarantine_bounds FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_removal();

CREATE TABLE telemetry.quarantine_share (
    key_id text COLLATE "C" NOT NULL,
    kept_bytes bigint NOT NULL,
    CONSTRAINT quarantine_share_pkey PRIMARY KEY (key_id)
);
CREATE INDEX quarantine_share_kept_bytes ON telemetry.quarantine_share USING btree (kept_bytes);

CREATE TABLE telemetry.register_event (
    dataset text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    happened_at timestamptz NOT NULL,
    event text COLLATE "C" NOT NULL,
    source_day date NOT NULL,
    before_mwh bigint,
    reported_mwh bigint,
    booked_mwh bigint NOT NULL,
    explained_mwh bigint NOT NULL,
    is_final boolean NOT NULL,
    CONSTRAINT register_event_pkey PRIMARY KEY (dataset, device_id, happened_at, event),
    CONSTRAINT register_event_dataset_check CHECK (dataset = ANY (ARRAY['meter_reading'::text, 'vehicle_reading'::text])),
    CONSTRAINT register_event_event_check CHECK (event = ANY (ARRAY['glitch'::text, 'rollover'::text, 'reset'::text, 'jump'::text, 'exchange'::text, 'kind'::text, 'undecided'::text, 'too_short'::text]))
);
CREATE TRIGGER alerts_added AFTER INSERT ON telemetry.register_event REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION telemetry.queue_alerts_of_events();
CREATE TRIGGER alerts_removed AFTER DELETE ON telemetry.register_event REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION telemetry.queue_alerts_of_events();

CREATE TABLE telemetry.register_rules (
    dataset text NOT NULL,
    step interval NOT NULL DEFAULT '00:01:00'::interval,
    silence interval NOT NULL DEFAULT '01:30:00'::interval,
    apportioned_above interval NOT NULL DEFAULT '00:02:30'::interval,
    from_within interval NOT NULL DEFAULT '31 days'::interval,
    usual_power_kw double precision NOT NULL DEFAULT 50,
    max_power_kw double precision NOT NULL DEFAULT 500,
    tolerance_kwh double precision NOT NULL DEFAULT 1,
    glitch_within interval NOT NULL DEFAULT '01:00:00'::interval,
    glitch_readings integer NOT NULL DEFAULT 10,
    widths_kwh double precision[] NOT NULL DEFAULT '{100000,1000000,10000000,2147483.648,4294967.296}'::double precision[],
    CONSTRAINT register_rules_pkey PRIMARY KEY (dataset),
    CONSTRAINT register_rules_apportioned_above_check CHECK (apportioned_above >= '00:00:00'::interval),
    CONSTRAINT register_rules_dataset_check CHECK (dataset = ANY (ARRAY['meter_reading'::text, 'vehicle_reading'::text])),
    CONSTRAINT register_rules_from_within_check CHECK (from_within > '00:00:00'::interval AND from_within <= '366 days'::interval),
    CONSTRAINT register_rules_glitch_readings_check CHECK (glitch_readings > 0),
    CONSTRAINT register_rules_glitch_within_check CHECK (glitch_within >= '00:00:00'::interval),
    CONSTRAINT register_rules_max_power_kw_check CHECK (max_power_kw >= 0::double precision AND max_power_kw <= '1000000'::numeric::double precision),
    CONSTRAINT register_rules_silence_check CHECK (silence > '00:00:00'::interval AND silence <= '31 days'::interval),
    CONSTRAINT register_rules_step_check CHECK (step > '00:00:00'::interval AND step <= '31 days'::interval),
    CONSTRAINT register_rules_tolerance_kwh_check CHECK (tolerance_kwh >= 0::double precision AND tolerance_kwh <= '1000000'::numeric::double precision),
    CONSTRAINT register_rules_usual_power_kw_check CHECK (usual_power_kw >= 0::double precision AND usual_power_kw <= '1000000'::numeric::double precision),
    CONSTRAINT register_rules_widths_kwh_check CHECK (array_position(widths_kwh, NULL::double precision) IS NULL AND (0::double precision < ALL (widths_kwh)) AND ('1000000000'::numeric::double precision >= ALL (widths_kwh)))
);
CREATE TRIGGER always_there BEFORE DELETE OR TRUNCATE ON telemetry.register_rules FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_removal();
CREATE TRIGGER rules_changed AFTER UPDATE ON telemetry.register_rules FOR EACH ROW WHEN ((old.* IS DISTINCT FROM new.*)) EXECUTE FUNCTION telemetry.requeue_side();

CREATE TABLE telemetry.rules (
    only_row boolean NOT NULL DEFAULT true,
    clock_skew interval NOT NULL DEFAULT '00:05:00'::interval,
    reading_interval interval NOT NULL DEFAULT '00:01:00'::interval,
    degraded_below double precision NOT NULL DEFAULT 0.85,
    full_kw double precision NOT NULL DEFAULT 4.2,
    slow_degraded_below double precision NOT NULL DEFAULT 0.75,
    slow_kw double precision NOT NULL DEFAULT 2.3,
    cold_below_c double precision NOT NULL DEFAULT 7,
    cold_allowance double precision NOT NULL DEFAULT 0.15,
    cold_heating_kwh double precision NOT NULL DEFAULT 3,
    drifting_below_usual double precision NOT NULL DEFAULT 0.05,
    drifting_after integer NOT NULL DEFAULT 3,
    idle_below_kw double precision NOT NULL DEFAULT 0.1,
    session_ends_after interval NOT NULL DEFAULT '00:30:00'::interval,
    smallest_session_kwh double precision NOT NULL DEFAULT 0.1,
    frozen_above_kwh double precision NOT NULL DEFAULT 1,
    greatest_uncertainty double precision NOT NULL DEFAULT 0.1,
    sufficient_energy_kwh double precision NOT NULL DEFAULT 5,
    sufficient_coverage double precision NOT NULL DEFAULT 0.5,
    alert_after integer NOT NULL DEFAULT 2,
    alert_ends_after integer NOT NULL DEFAULT 3,
    drift_alert_after integer NOT NULL DEFAULT 1,
    critical_below_expected double precision NOT NULL DEFAULT 0.1,
    unlinked_above_kwh double precision NOT NULL DEFAULT 2,
    silent_after interval NOT NULL DEFAULT '26:00:00'::interval,
    standby_above_w double precision NOT NULL DEFAULT 35,
    standby_share_of_peak double precision NOT NULL DEFAULT 0.0025,
    CONSTRAINT rules_pkey PRIMARY KEY (only_row),
    CONSTRAINT rules_alert_after_check CHECK (alert_after > 0),
    CONSTRAINT rules_alert_ends_after_check CHECK (alert_ends_after > 0),
    CONSTRAINT rules_check CHECK (full_kw > slow_kw),
    CONSTRAINT rules_clock_skew_check CHECK (clock_skew >= '00:00:00'::interval),
    CONSTRAINT rules_cold_allowance_check CHECK (cold_allowance >= 0::double precision AND cold_allowance <= 1::double precision),
    CONSTRAINT rules_cold_heating_kwh_check CHECK (cold_heating_kwh >= 0::double precision),
    CONSTRAINT rules_critical_below_expected_check CHECK (critical_below_expected >= 0::double precision AND critical_below_expected <= 1::double precision),
    CONSTRAINT rules_degraded_below_check CHECK (degraded_below >= 0::double precision AND degraded_below <= 1::double precision),
    CONSTRAINT rules_drift_alert_after_check CHECK (drift_alert_after > 0),
    CONSTRAINT rules_drifting_after_check CHECK (drifting_after > 0),
    CONSTRAINT rules_drifting_below_usual_check CHECK (drifting_below_usual >= 0::double precision AND drifting_below_usual <= 1::double precision),
    CONSTRAINT rules_frozen_above_kwh_check CHECK (frozen_above_kwh >= 0::double precision),
    CONSTRAINT rules_greatest_uncertainty_check CHECK (greatest_uncertainty > 0::double precision),
    CONSTRAINT rules_idle_below_kw_check CHECK (idle_below_kw >= 0::double precision),
    CONSTRAINT rules_only_row_check CHECK (only_row),
    CONSTRAINT rules_reading_interval_check CHECK (reading_interval > '00:00:00'::interval),
    CONSTRAINT rules_session_ends_after_check CHECK (session_ends_after > '00:00:00'::interval),
    CONSTRAINT rules_silent_after_check CHECK (silent_after > '00:00:00'::interval),
    CONSTRAINT rules_slow_degraded_below_check CHECK (slow_degraded_below >= 0::double precision AND slow_degraded_below <= 1::double precision),
    CONSTRAINT rules_slow_kw_check CHECK (slow_kw > 0::double precision),
    CONSTRAINT rules_smallest_session_kwh_check CHECK (smallest_session_kwh >= 0::double precision),
    CONSTRAINT rules_standby_above_w_check CHECK (standby_above_w >= 0::double precision),
    CONSTRAINT rules_standby_share_of_peak_check CHECK (standby_share_of_peak >= 0::double precision AND standby_share_of_peak <= 1::double precision),
    CONSTRAINT rules_sufficient_coverage_check CHECK (sufficient_coverage >= 0::double precision AND sufficient_coverage <= 1::double precision),
    CONSTRAINT rules_sufficient_energy_kwh_check CHECK (sufficient_energy_kwh >= 0::double precision),
    CONSTRAINT rules_unlinked_above_kwh_check CHECK (unlinked_above_kwh > 0::double precision)
);
CREATE TRIGGER alerts_changed AFTER UPDATE ON telemetry.rules FOR EACH STATEMENT EXECUTE FUNCTION telemetry.queue_all_alerts();
CREATE TRIGGER always_there BEFORE DELETE OR TRUNCATE ON telemetry.rules FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_removal();
CREATE TRIGGER charging_changed AFTER UPDATE ON telemetry.rules FOR EACH ROW WHEN (((old.reading_interval <> new.reading_interval) OR (old.idle_below_kw <> new.idle_below_kw) OR (old.session_ends_after <> new.session_ends_after))) EXECUTE FUNCTION telemetry.queue_all_charging();

VIEW telemetry.session_evidence (
    side text,
    kind text,
    meter_id text COLLATE "C",
    vehicle_id text COLLATE "C",
    started_at timestamptz,
    is_bad boolean,
    is_critical boolean,
    lost_mwh bigint,
    lost_cost numeric,
    currency text COLLATE "C",
    cost_gap text COLLATE "C"
);

CREATE TABLE telemetry.settle_queue (
    dataset text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    day date NOT NULL,
    due_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    through date NOT NULL DEFAULT '-infinity'::date,
    retry_at timestamptz NOT NULL DEFAULT '-infinity'::timestamptz,
    last_error text,
    CONSTRAINT settle_queue_pkey PRIMARY KEY (dataset, device_id, day),
    CONSTRAINT settle_queue_dataset_check CHECK (dataset = ANY (ARRAY['meter_reading'::text, 'vehicle_reading'::text]))
) WITH (fillfactor=70);
CREATE INDEX settle_queue_day ON telemetry.settle_queue USING btree (dataset, day, due_at);
CREATE INDEX settle_queue_due ON telemetry.settle_queue USING btree (due_at);

CREATE TABLE telemetry.settled_day (
    dataset text COLLATE "C" NOT NULL,
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
    CONSTRAINT settled_day_pkey PRIMARY KEY (dataset, device_id, day),
    CONSTRAINT settled_day_dataset_check CHECK (dataset = ANY (ARRAY['meter_reading'::text, 'vehicle_reading'::text]))
) WITH (fillfactor=70);
CREATE INDEX settled_day_open ON telemetry.settled_day USING btree (dataset, day) WHERE (NOT is_final);

CREATE TABLE telemetry.staged_reading (
    import_id bigint NOT NULL,
    dataset text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    ts timestamptz NOT NULL,
    reported_mwh bigint NOT NULL,
    interval_start timestamptz,
    kind telemetry.reading_kind NOT NULL,
    voltage_mv integer,
    soc_mpct integer,
    battery_temp_mc integer,
    session_id text COLLATE "C",
    CONSTRAINT staged_reading_pkey PRIMARY KEY (import_id, dataset, device_id, ts),
    CONSTRAINT staged_reading_dataset_check CHECK (dataset = ANY (ARRAY['meter_reading'::text, 'vehicle_reading'::text])),
    CONSTRAINT staged_reading_import_id_dataset_device_id_fkey FOREIGN KEY (import_id, dataset, device_id) REFERENCES telemetry.history_device(import_id, dataset, device_id)
);

VIEW telemetry.standby_day (
    meter_id text COLLATE "C",
    started_at timestamptz,
    is_bad boolean,
    lost_mwh bigint
);

VIEW telemetry.standing_record (
    record_id bigint,
    record text,
    dataset text COLLATE "C",
    device_id text COLLATE "C",
    happened_at timestamptz,
    starts_at timestamptz,
    final_mwh bigint,
    initial_mwh bigint,
    energy_mwh bigint,
    reported_kind telemetry.reading_kind,
    value_mwh bigint,
    reason text
);

VIEW telemetry.standing_tariff (
    tariff_id bigint,
    meter_id text COLLATE "C",
    zone text,
    first_day date,
    last_day date,
    since timestamptz,
    until timestamptz,
    currency text COLLATE "C",
    digits smallint,
    prices numeric(13,6)[]
);

CREATE TABLE telemetry.tariff (
    tariff_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    login text NOT NULL DEFAULT SESSION_USER,
    meter_id text COLLATE "C",
    zone text,
    first_day date,
    last_day date,
    during tstzrange,
    currency text COLLATE "C",
    digits smallint,
    prices numeric(13,6)[],
    cancels bigint,
    why text NOT NULL,
    CONSTRAINT tariff_pkey PRIMARY KEY (tariff_id),
    CONSTRAINT tariff_cancels_key UNIQUE (cancels),
    CONSTRAINT tariff_check CHECK (num_nonnulls(meter_id, zone, first_day, during, currency, digits, prices) =
CASE
    WHEN cancels IS NULL THEN 7
    ELSE 0
END),
    CONSTRAINT tariff_check1 CHECK (cancels IS NULL OR last_day IS NULL),
    CONSTRAINT tariff_currency_check CHECK (currency ~ '^[A-Z]{3}$'::text),
    CONSTRAINT tariff_digits_check CHECK (digits >= 0 AND digits <= 4),
    CONSTRAINT tariff_during_check CHECK (NOT isempty(during)),
    CONSTRAINT tariff_meter_id_check CHECK (length(meter_id) <= 128),
    CONSTRAINT tariff_prices_check CHECK (cardinality(prices) = 168 AND array_position(prices, NULL::numeric) IS NULL AND (0::numeric <= ALL (prices))),
    CONSTRAINT tariff_why_check CHECK (length(why) >= 1 AND length(why) <= 1000)
);
CREATE INDEX tariff_meter ON telemetry.tariff USING btree (meter_id, tariff_id) WHERE (cancels IS NULL);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON telemetry.tariff FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_change_of_tariffs();
-- the owner has no right to UPDATE, DELETE

CREATE TABLE telemetry.turn (
    only_row boolean NOT NULL DEFAULT true,
    pid integer,
    server_started_at timestamptz,
    work text,
    taken_at timestamptz,
    CONSTRAINT turn_pkey PRIMARY KEY (only_row),
    CONSTRAINT turn_only_row_check CHECK (only_row)
);
CREATE TRIGGER always_there BEFORE DELETE OR TRUNCATE ON telemetry.turn FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_removal();

CREATE TABLE telemetry.vehicle_reading (
    vehicle_id text COLLATE "C" NOT NULL,
    ts timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    energy_mwh bigint NOT NULL,
    entry integer NOT NULL DEFAULT 0,
    kind telemetry.reading_kind NOT NULL DEFAULT 'difference'::telemetry.reading_kind,
    register_mwh bigint,
    interval_start timestamptz,
    session_no integer,
    reason telemetry.entry_reason,
    source_day date,
    soc_mpct integer,
    battery_temp_mc integer,
    CONSTRAINT vehicle_reading_pkey PRIMARY KEY (vehicle_id, ts, entry),
    CONSTRAINT vehicle_reading_correction CHECK (entry = 0 AND reason IS NULL AND source_day IS NULL OR entry > 0 AND (reason IS NULL) = (source_day IS NULL) AND kind = 'difference'::telemetry.reading_kind AND interval_start IS NULL AND session_no IS NULL AND soc_mpct IS NULL AND battery_temp_mc IS NULL),
    CONSTRAINT vehicle_reading_kind CHECK ((kind = 'difference'::telemetry.reading_kind) = (register_mwh IS NULL) AND (kind = 'difference'::telemetry.reading_kind OR interval_start IS NULL) AND (kind <> 'session_counter'::telemetry.reading_kind OR session_no IS NOT NULL)),
    CONSTRAINT vehicle_reading_times CHECK (ts >= '0001-01-02 00:00:00+00'::timestamptz AND ts < '9999-12-31 00:00:00+00'::timestamptz AND received_at >= '0001-01-02 00:00:00+00'::timestamptz AND received_at < '9999-12-31 00:00:00+00'::timestamptz AND interval_start >= '0001-01-02 00:00:00+00'::timestamptz AND interval_start <= ts)
);
-- a hypertable by ts, one chunk per 1 day
-- compressed by vehicle_id, in order of ts
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON telemetry.vehicle_reading FOR EACH ROW EXECUTE FUNCTION telemetry.refuse_change();
CREATE TRIGGER keep_state AFTER INSERT ON telemetry.vehicle_reading REFERENCING NEW TABLE AS added FOR EACH STATEMENT WHEN ((current_setting('wattledger.arrival'::text, true) IS DISTINCT FROM 'in order'::text)) EXECUTE FUNCTION telemetry.keep_vehicle_state();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON telemetry.vehicle_reading FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_change();
-- the owner has no right to UPDATE, DELETE

CREATE TABLE telemetry.vehicle_state (
    vehicle_id text COLLATE "C" NOT NULL,
    ts timestamptz NOT NULL,
    earlier_ts timestamptz,
    energy_mwh bigint NOT NULL,
    soc_mpct integer,
    battery_temp_mc integer,
    received_at timestamptz NOT NULL,
    kind telemetry.reading_kind,
    register_mwh bigint,
    session_no integer,
    level_mwh bigint,
    max_power_kw double precision,
    CONSTRAINT vehicle_state_pkey PRIMARY KEY (vehicle_id)
) WITH (fillfactor=50);

VIEW telemetry.wanted_policy (
    dataset text,
    work text,
    every interval
);

CREATE TABLE telemetry.webhook (
    webhook_id text COLLATE "C" NOT NULL,
    url text NOT NULL,
    secret bytea NOT NULL,
    former_secret bytea,
    former_secret_until timestamptz,
    kinds text[],
    severities text[],
    changes text[],
    enabled boolean NOT NULL DEFAULT true,
    disabled_because text,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL DEFAULT SESSION_USER,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text NOT NULL DEFAULT SESSION_USER,
    CONSTRAINT webhook_pkey PRIMARY KEY (webhook_id),
    CONSTRAINT webhook_changes_check CHECK (cardinality(changes) > 0 AND changes <@ ARRAY['opened'::text, 'worsened'::text, 'revised'::text, 'acknowledged'::text, 'closed'::text]),
    CONSTRAINT webhook_check CHECK ((former_secret IS NULL) = (former_secret_until IS NULL)),
    CONSTRAINT webhook_check1 CHECK (NOT enabled OR disabled_because IS NULL),
    CONSTRAINT webhook_former_secret_check CHECK (length(former_secret) >= 24 AND length(former_secret) <= 64),
    CONSTRAINT webhook_kinds_check CHECK (cardinality(kinds) > 0 AND kinds <@ ARRAY['degraded'::text, 'drifting'::text, 'impossible'::text, 'frozen'::text, 'silent'::text, 'register'::text, 'unlinked'::text, 'standby'::text]),
    CONSTRAINT webhook_name CHECK (webhook_id ~ '^[a-z0-9][a-z0-9_-]{0,62}$'::text),
    CONSTRAINT webhook_secret_check CHECK (length(secret) >= 24 AND length(secret) <= 64),
    CONSTRAINT webhook_severities_check CHECK (cardinality(severities) > 0 AND severities <@ ARRAY['warning'::text, 'critical'::text]),
    CONSTRAINT webhook_url CHECK (length(url) <= 2000 AND url ~ ('^https?://([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])'::text || '(:[0-9]{1,5})?([/?][!-"$-~]*)?$'::text))
);

CREATE TABLE telemetry.webhook_delivery (
    webhook_id text COLLATE "C" NOT NULL,
    change_id bigint NOT NULL,
    alert_id bigint,
    payload jsonb NOT NULL,
    state text NOT NULL DEFAULT 'pending'::text,
    attempts integer NOT NULL DEFAULT 0,
    queued_at timestamptz NOT NULL DEFAULT now(),
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    leased_until timestamptz,
    attempted_at timestamptz,
    ended_at timestamptz,
    last_status integer,
    last_error text,
    CONSTRAINT webhook_delivery_pkey PRIMARY KEY (webhook_id, change_id),
    CONSTRAINT webhook_delivery_attempts_check CHECK (attempts >= 0),
    CONSTRAINT webhook_delivery_check CHECK ((state = 'pending'::text) = (ended_at IS NULL)),
    CONSTRAINT webhook_delivery_check1 CHECK (state = 'pending'::text OR leased_until IS NULL),
    CONSTRAINT webhook_delivery_last_error_check CHECK (length(last_error) <= 400),
    CONSTRAINT webhook_delivery_state_check CHECK (state = ANY (ARRAY['pending'::text, 'delivered'::text, 'dead'::text]))
);
CREATE INDEX webhook_delivery_dead ON telemetry.webhook_delivery USING btree (webhook_id, change_id) WHERE (state = 'dead'::text);
CREATE INDEX webhook_delivery_due ON telemetry.webhook_delivery USING btree (webhook_id, next_attempt_at, change_id) WHERE (state = 'pending'::text);
CREATE INDEX webhook_delivery_ended_at ON telemetry.webhook_delivery USING btree (ended_at) WHERE (state <> 'pending'::text);
CREATE INDEX webhook_delivery_in_order ON telemetry.webhook_delivery USING btree (webhook_id, alert_id, change_id) WHERE (state = 'pending'::text);

CREATE TABLE telemetry.work_done (
    dataset text NOT NULL,
    work text NOT NULL,
    last_started_at timestamptz NOT NULL,
    last_finished_at timestamptz,
    last_complete_at timestamptz,
    CONSTRAINT work_done_pkey PRIMARY KEY (dataset, work),
    CONSTRAINT work_done_work_check CHECK (work = ANY (ARRAY['refresh'::text, 'compress'::text, 'retain'::text, 'settle'::text])),
    CONSTRAINT work_done_dataset_fkey FOREIGN KEY (dataset) REFERENCES telemetry.dataset(dataset)
);

FUNCTION telemetry.acceptance(dataset text)
    RETURNS telemetry.accepted
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.alert_cause(kind text, meter_id text, vehicle_id text, since timestamptz, until timestamptz)
    RETURNS text
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.alert_detail(kind text, meter_id text, vehicle_id text, since timestamptz, until timestamptz)
    RETURNS jsonb
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.alerts_are_late()
    RETURNS boolean
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.alerts_due(meter_ids text[], vehicle_ids text[])
    RETURNS TABLE(kind text, meter_id text, vehicle_id text, since timestamptz, severity text, bad bigint)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.answerable(moment timestamptz, raw_since timestamptz, hourly_since timestamptz)
    RETURNS timestamptz
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION telemetry.answerable(timestamptz,timestamptz,timestamptz) TO wattledger_bi;
GRANT EXECUTE ON FUNCTION telemetry.answerable(timestamptz,timestamptz,timestamptz) TO wattledger_dba;

FUNCTION telemetry.apply_policies()
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.asked_hours(since timestamptz, until timestamptz)
    RETURNS tstzrange
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.asked_window(INOUT since timestamptz, INOUT until timestamptz)
    RETURNS record
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.await_writers(dataset text, patience interval)
    RETURNS boolean
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.bad_runs(side text, device_ids text[])
    RETURNS TABLE(device_id text, kind text, since timestamptz, bad bigint, critical bigint, others bigint, other_id text)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.battery_at(vehicle_id text, since timestamptz, until timestamptz)
    RETURNS TABLE(soc_start_mpct integer, soc_end_mpct integer, temp_start_mc integer, temp_end_mc integer, register_start_mwh bigint, register_end_mwh bigint)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.begin_record(dataset text, device_id text, since timestamptz, until timestamptz, reason text)
    RETURNS telemetry.accepted
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.book_energy(dataset text, device_id text, during tstzrange, energy_kwh numeric, reason text, made_by text)
    RETURNS bigint
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.bound_quarantine(key_id text, added integer, awaiting boolean)
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.bounds_of(kind text, energy telemetry.limits, register telemetry.limits)
    RETURNS telemetry.limits
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

FUNCTION telemetry.cancel_record(record_id bigint, reason text, made_by text)
    RETURNS bigint
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.ceiling_day(moment timestamptz)
    RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION telemetry.ceiling_day(timestamptz) TO wattledger_bi;
GRANT EXECUTE ON FUNCTION telemetry.ceiling_day(timestamptz) TO wattledger_dba;

FUNCTION telemetry.ceiling_hour(moment timestamptz)
    RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION telemetry.ceiling_hour(timestamptz) TO wattledger_bi;
GRANT EXECUTE ON FUNCTION telemetry.ceiling_hour(timestamptz) TO wattledger_dba;

FUNCTION telemetry.chargers_charging(since timestamptz, until timestamptz)
    RETURNS TABLE(meter_id text, vehicles bigint, may_drift boolean, unlinked_mwh double precision, ac_mwh double precision, ac_matched_mwh double precision, dc_mwh double precision, dc_matched_mwh double precision, ac_standing_mwh double precision, dc_standing_mwh double precision, standby_mwh double precision, edge_mwh double precision, standby_us double precision, matched_us double precision, ac_resolution_mwh bigint, dc_resolution_mwh bigint, battery_temp_mc integer)
    LANGUAGE sql STABLE PARALLEL SAFE;

FUNCTION telemetry.chargers_costs(meter_ids text[], since timestamptz, until timestamptz)
    RETURNS TABLE(meter_id text, cost numeric, standby_cost numeric, ac_matched_cost numeric, dc_matched_cost numeric, currency text, digits smallint, cost_gap text)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.charging_due(queued_before timestamptz, kept_before timestamptz, idle_before timestamptz, most integer)
    RETURNS TABLE(dataset text, device_id text)
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET max_parallel_workers_per_gather TO '0';

FUNCTION telemetry.charging_kept_since()
    RETURNS timestamptz
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.charging_now(meter_id text, since timestamptz, until timestamptz)
    RETURNS SETOF telemetry.charging_part
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.charging_parts(meter_id text, since timestamptz, until timestamptz)
    RETURNS SETOF telemetry.charging_part
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.charging_slices(meter_id text, since timestamptz, until timestamptz)
    RETURNS TABLE(slice_since timestamptz, slice_until timestamptz, vehicle_id text, link_since timestamptz, transaction_no integer, is_ac boolean, is_ac_idle boolean, is_dc boolean, is_dc_idle boolean, is_edge boolean, is_blurred boolean, ac_mwh bigint, dc_mwh bigint, dc_step_mwh bigint, ac_kw double precision, battery_temp_mc integer, meter_step interval, vehicle_step interval, ac_resolution_mwh bigint, dc_resolution_mwh bigint, meter_samples bigint, vehicle_samples bigint)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.check_accounted(sent integer, stored integer, reported integer)
    RETURNS void
    LANGUAGE plpgsql IMMUTABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.check_can_compress(dataset text)
    RETURNS void
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

FUNCTION telemetry.check_can_refresh(dataset text)
    RETURNS void
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

FUNCTION telemetry.check_complete(dataset text, oldest timestamptz)
    RETURNS void
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.check_days(first_day date, last_day date)
    RETURNS void
    LANGUAGE plpgsql IMMUTABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.check_history_open(import_id bigint)
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.check_isolation()
    RETURNS void
    LANGUAGE plpgsql STABLE;

FUNCTION telemetry.check_link_change(acting_key text, vehicle_id text, meter_id text)
    RETURNS void
    LANGUAGE plpgsql STABLE;

FUNCTION telemetry.check_whole_hours(zone text, first_day date, last_day date)
    RETURNS void
    LANGUAGE plpgsql IMMUTABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.check_zone(zone text)
    RETURNS void
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.chunk_spans(dataset text, read_at timestamptz[])
    RETURNS TABLE(first timestamptz, last timestamptz)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.chunks_before(dataset text, cutoff timestamptz)
    RETURNS TABLE(chunk text, chunk_start timestamptz, chunk_end timestamptz, bytes bigint)
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.chunks_to_compress(dataset text)
    RETURNS TABLE(chunk text, again boolean)
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.claim_chunks(dataset text, read_at timestamptz[], oldest timestamptz, newest timestamptz)
    RETURNS timestamptz[]
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.clear_links(vehicle_id text, meter_id text, during tstzrange, acting_key text)
    RETURNS void
    LANGUAGE plpgsql;

FUNCTION telemetry.coming_chunk(dataset text, moment timestamptz)
    RETURNS TABLE(since timestamptz, until timestamptz)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.commit_durably()
    RETURNS void
    LANGUAGE plpgsql;

PROCEDURE telemetry.compress_due(IN dataset text, INOUT problem text DEFAULT NULL::text, IN patience interval DEFAULT '00:01:00'::interval)
    LANGUAGE plpgsql;

FUNCTION telemetry.compressed_after(dataset text)
    RETURNS interval
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.correct_reading(dataset text, device_id text, ts timestamptz, value_kwh numeric, reason text, made_by text)
    RETURNS bigint
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.corrected(item telemetry.fold_item, corrections telemetry.corrected_reading[])
    RETURNS telemetry.fold_item
    LANGUAGE plpgsql IMMUTABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.corrections_of(dataset text, device_id text)
    RETURNS telemetry.corrected_reading[]
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.cost(millionths numeric, cost_gap text)
    RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (cost_gap IS NULL) THEN telemetry.kwh(millionths) ELSE NULL::numeric END
;
GRANT EXECUTE ON FUNCTION telemetry.cost(numeric,text) TO wattledger_bi;

FUNCTION telemetry.cost_gap(priced bigint, unpriced_mwh numeric, first_currency text, last_currency text)
    RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN ((priced = 0) OR (unpriced_mwh > (0)::numeric)) THEN 'no_tariff'::text WHEN (first_currency <> last_currency) THEN 'currencies'::text ELSE NULL::text END
;
GRANT EXECUTE ON FUNCTION telemetry.cost_gap(bigint,numeric,text,text) TO wattledger_bi;

FUNCTION telemetry.cost_gap_of_all(last_gap text, first_currency text, last_currency text)
    RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN COALESCE(last_gap, CASE WHEN (first_currency <> last_currency) THEN 'currencies'::text ELSE NULL::text END)
;

FUNCTION telemetry.count_added_quarantine()
    RETURNS trigger
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.count_changed_quarantine()
    RETURNS trigger
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.count_discarded(bounds telemetry.limits, stored_ids text[], stored_at timestamptz[], device_ids text[], read_at timestamptz[], measured double precision[])
    RETURNS void
    LANGUAGE sql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.count_emptied_quarantine()
    RETURNS trigger
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.count_quarantine(key_ids text[], bytes bigint[])
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.count_removed_quarantine()
    RETURNS trigger
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.counts_on(kind telemetry.reading_kind, register_mwh bigint, session_no integer, read_at timestamptz, earlier_kind telemetry.reading_kind, level_mwh bigint, earlier_session_no integer, earlier_at timestamptz, max_power_kw double precision)
    RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

FUNCTION telemetry.coverage(samples bigint, window_length interval, reading_interval interval)
    RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION telemetry.coverage(bigint,interval,interval) TO wattledger_bi;

FUNCTION telemetry.current_quarantine_bounds()
    RETURNS telemetry.quarantine_bounds
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.dataset_hypertable()
    RETURNS TABLE(dataset text, relation regclass, hypertable_id integer, hypertable_schema text, hypertable_name text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION telemetry.dataset_hypertable() TO wattledger_dba;

FUNCTION telemetry.day_start(day date)
    RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION telemetry.day_start(date) TO wattledger_bi;
GRANT EXECUTE ON FUNCTION telemetry.day_start(date) TO wattledger_dba;

FUNCTION telemetry.device_days(of_vehicle_id text, of_meter_id text, since timestamptz, until timestamptz, zone text)
    RETURNS TABLE(day date, ac_mwh numeric, dc_mwh numeric, standby_mwh numeric, cost numeric, standby_cost numeric, currency text, cost_gap text)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.difference_since(read_at timestamptz, energy_mwh bigint, reported_since timestamptz, previous_at timestamptz, rules telemetry.register_rules)
    RETURNS timestamptz
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path TO 'pg_catalog', 'pg_temp';

PROCEDURE telemetry.do_work(IN dataset text, IN work text, IN since timestamptz, INOUT problem text)
    LANGUAGE plpgsql;

FUNCTION telemetry.drop_after(keep interval)
    RETURNS interval
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION telemetry.drop_after(interval) TO wattledger_dba;

FUNCTION telemetry.drop_before(keep interval, held_until timestamptz)
    RETURNS timestamptz
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

PROCEDURE telemetry.drop_due(IN dataset text, INOUT problem text)
    LANGUAGE plpgsql;

FUNCTION telemetry.drop_next(dataset text, OUT step text, OUT chunk text, OUT since timestamptz, OUT chunk_end timestamptz, OUT detail text)
    RETURNS record
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.drop_proven(dataset text, chunk regclass, chunk_start timestamptz, chunk_end timestamptz, since timestamptz, OUT step text, OUT detail text)
    RETURNS record
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.due_at(is_due boolean, read_at timestamptz, earlier_at timestamptz)
    RETURNS timestamptz
    LANGUAGE sql;

FUNCTION telemetry.earliest()
    RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

FUNCTION telemetry.edges_of_days(since timestamptz, until timestamptz)
    RETURNS TABLE(since timestamptz, until timestamptz)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

FUNCTION telemetry.efficiency(ac_mwh numeric, dc_mwh numeric)
    RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION telemetry.efficiency(numeric,numeric) TO wattledger_bi;

FUNCTION telemetry.elapsed(since timestamptz, until timestamptz)
    RETURNS interval
    LANGUAGE sql STABLE PARALLEL SAFE;

FUNCTION telemetry.end_alert(alert_id bigint, why text, until timestamptz)
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.end_link_change()
    RETURNS void
    LANGUAGE sql;

FUNCTION telemetry.end_turn()
    RETURNS void
    LANGUAGE sql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.entries_due(folded telemetry.folded[])
    RETURNS SETOF telemetry.due_entry
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.entries_missing(folded telemetry.folded[])
    RETURNS SETOF telemetry.due_entry
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.entries_posted(folded telemetry.folded[])
    RETURNS SETOF telemetry.due_entry
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.entry_sentence(reason text, source_day date)
    RETURNS text
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.erase_label(dataset text, device_id text)
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.event_sentence(event text, before_kwh numeric, reported_kwh numeric, booked_kwh numeric, explained_kwh numeric, state text)
    RETURNS text
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.evidence(side text, device_ids text[])
    RETURNS TABLE(device_id text, other_id text, kind text, at timestamptz, is_bad boolean, is_critical boolean)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.evidence_since(side text, device_id text)
    RETURNS timestamptz
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.excess(ac_matched numeric, dc_matched numeric, expected double precision, verdict text)
    RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN telemetry.is_judged(verdict) THEN GREATEST((ac_matched - (dc_matched / NULLIF((expected)::numeric(26,6), (0)::numeric))), (0)::numeric) ELSE NULL::numeric END
;
GRANT EXECUTE ON FUNCTION telemetry.excess(numeric,numeric,double precision,text) TO wattledger_bi;

FUNCTION telemetry.exchange_meter(dataset text, device_id text, at timestamptz, final_kwh numeric, initial_kwh numeric, reason text, made_by text)
    RETURNS bigint
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.expected_efficiency(ac_mwh double precision, mean_kw double precision, battery_temp_c double precision, rules telemetry.rules)
    RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (CASE WHEN (mean_kw >= (rules).full_kw) THEN (rules).degraded_below WHEN (mean_kw <= (rules).slow_kw) THEN (rules).slow_degraded_below ELSE ((rules).slow_degraded_below + ((((rules).degraded_below - (rules).slow_degraded_below) * (mean_kw - (rules).slow_kw)) / ((rules).full_kw - (rules).slow_kw))) END - COALESCE((GREATEST((rules).cold_allowance, ((telemetry.mwh((rules).cold_heating_kwh))::double precision / NULLIF(ac_mwh, (0)::double precision))) * LEAST((1)::double precision, GREATEST((0)::double precision, (((rules).cold_below_c - battery_temp_c) / (10)::double precision)))), (0)::double precision))
;
GRANT EXECUTE ON FUNCTION telemetry.expected_efficiency(double precision,double precision,double precision,telemetry.rules) TO wattledger_bi;

FUNCTION telemetry.explained(dataset text, device_id text, since timestamptz, until timestamptz)
    RETURNS TABLE(span_since timestamptz, ts timestamptz, energy_mwh bigint, is_idle boolean, is_edge boolean, is_blurred boolean, session_no integer, battery_temp_mc integer, step interval, resolution_mwh bigint)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.explained_since(ts timestamptz, energy_mwh bigint, kind telemetry.reading_kind, interval_start timestamptz, session_no integer, earlier_ts timestamptz, earlier_session_no integer, step interval, rules telemetry.register_rules)
    RETURNS timestamptz
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.fault_outcome(fault text)
    RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

FUNCTION telemetry.fell_at_once(meter_id text, since timestamptz, until timestamptz)
    RETURNS boolean
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.first_chunk_start(dataset text)
    RETURNS timestamptz
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.first_moment(day date, zone text)
    RETURNS timestamptz
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.fits(ac_mwh numeric, dc_mwh numeric)
    RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.fits_one_step(energy_mwh bigint, rules telemetry.register_rules)
    RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

FUNCTION telemetry.fleet_charging(since timestamptz, until timestamptz)
    RETURNS TABLE(vehicle_id text, may_drift boolean, ac_mwh double precision, ac_matched_mwh double precision, dc_mwh double precision, dc_matched_mwh double precision, ac_standing_mwh double precision, dc_standing_mwh double precision, standby_mwh double precision, edge_mwh double precision, matched_us double precision, ac_resolution_mwh bigint, dc_resolution_mwh bigint, battery_temp_mc integer, meter_samples double precision, vehicle_samples double precision)
    LANGUAGE sql STABLE PARALLEL SAFE;

FUNCTION telemetry.fleet_costs(since timestamptz, until timestamptz)
    RETURNS TABLE(vehicle_id text, cost numeric, standby_cost numeric, ac_matched_cost numeric, dc_matched_cost numeric, currency text, digits smallint, cost_gap text)
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan' SET work_mem TO '64MB';

FUNCTION telemetry.floor_day(moment timestamptz)
    RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION telemetry.floor_day(timestamptz) TO wattledger_bi;
GRANT EXECUTE ON FUNCTION telemetry.floor_day(timestamptz) TO wattledger_dba;

FUNCTION telemetry.floor_hour(moment timestamptz)
    RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION telemetry.floor_hour(timestamptz) TO wattledger_bi;
GRANT EXECUTE ON FUNCTION telemetry.floor_hour(timestamptz) TO wattledger_dba;

FUNCTION telemetry.fold(dataset text, device_id text, day date, through date DEFAULT NULL::date, all_steps boolean DEFAULT false, unsettled_since timestamptz DEFAULT '-infinity'::timestamptz)
    RETURNS telemetry.folded
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

PROCEDURE telemetry.fold_all_history(IN import_id bigint)
    LANGUAGE plpgsql;

FUNCTION telemetry.fold_history_of(import_id bigint, dataset text, device_ids text[], sinces timestamptz[], until timestamptz)
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.fold_history_piece(import_id bigint, most bigint DEFAULT 20000, OUT devices integer, OUT readings bigint)
    RETURNS record
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.fold_items(dataset text, device_id text, since timestamptz, until timestamptz, is_last boolean)
    RETURNS SETOF telemetry.fold_item
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.from_us(us bigint)
    RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION telemetry.from_us(bigint) TO wattledger_dba;

FUNCTION telemetry.goes_elsewhere(item telemetry.fold_item, state telemetry.settled_day, change_mwh bigint, gap interval, rules telemetry.register_rules)
    RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.has_changed(dataset text, device_id text, day date)
    RETURNS boolean
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.has_chunk(dataset text, since timestamptz, until timestamptz)
    RETURNS boolean
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.has_expired(dataset text)
    RETURNS boolean
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.has_hours(dataset text, since timestamptz, until timestamptz)
    RETURNS boolean
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.has_policies()
    RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION telemetry.has_policies() TO wattledger_dba;

FUNCTION telemetry.has_rollups(dataset text, since timestamptz, until timestamptz)
    RETURNS boolean
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.history_bound(dataset text)
    RETURNS timestamptz
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.history_piece(import_id bigint, most bigint, OUT meters text[], OUT vehicles text[], OUT readings bigint)
    RETURNS record
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.history_since(import_id bigint, dataset text, device_id text, bound timestamptz, OUT since timestamptz, OUT refused_because text)
    RETURNS record
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.hmac_sha256(message bytea, secret bytea)
    RETURNS bytea
    LANGUAGE plpgsql IMMUTABLE STRICT SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.hours(us numeric)
    RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION telemetry.hours(numeric) TO wattledger_bi;

FUNCTION telemetry.hours_without_chunk(dataset text, read_at timestamptz[], oldest timestamptz, newest timestamptz)
    RETURNS timestamptz[]
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.implausible_readings(dataset text, places integer[], device_ids text[], read_at timestamptz[], differences_mwh bigint[], states_at timestamptz[], max_powers_kw double precision[], tolerances_mwh bigint[], OUT refused integer[], OUT details text[])
    RETURNS record
    LANGUAGE plpgsql IMMUTABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.is_all_kept(dataset text, device_id text, since timestamptz, until timestamptz)
    RETURNS boolean
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.is_apportioned(energy_mwh bigint, since timestamptz, until timestamptz, rules telemetry.register_rules)
    RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

FUNCTION telemetry.is_at_work(pid integer)
    RETURNS boolean
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.is_decided(run telemetry.fold_item[], rules telemetry.register_rules)
    RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

FUNCTION telemetry.is_drifting(vehicle_id text, meter_id text, since timestamptz, until timestamptz)
    RETURNS boolean
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.is_glitch_over(run telemetry.fold_item[], rules telemetry.register_rules)
    RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

FUNCTION telemetry.is_in_one_chunk(dataset text, first timestamptz, last timestamptz)
    RETURNS boolean
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.is_in_range(value double precision, bounds telemetry.limits)
    RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

FUNCTION telemetry.is_jitter(step_mwh bigint, rules telemetry.register_rules)
    RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

FUNCTION telemetry.is_judged(verdict text)
    RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (verdict = ANY (ARRAY['healthy'::text, 'drifting'::text, 'degraded'::text]))
;
GRANT EXECUTE ON FUNCTION telemetry.is_judged(text) TO wattledger_bi;

FUNCTION telemetry.is_materialized(dataset text, since timestamptz, until timestamptz)
    RETURNS boolean
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.is_newer(read_at timestamptz, latest timestamptz)
    RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

FUNCTION telemetry.is_of_cold(meter_id text, since timestamptz, until timestamptz)
    RETURNS boolean
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.is_pattern(device_pattern text)
    RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.is_quiet(day date, due_at timestamptz, changed_at timestamptz, queued_for interval)
    RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE;

FUNCTION telemetry.is_refreshed(dataset text, since timestamptz, until timestamptz)
    RETURNS boolean
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.is_retired(dataset text, device_id text)
    RETURNS boolean
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.is_settled_for_good(is_final boolean, day_end timestamptz, kept_since timestamptz)
    RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION telemetry.is_settled_for_good(boolean,timestamptz,timestamptz) TO wattledger_bi;
GRANT EXECUTE ON FUNCTION telemetry.is_settled_for_good(boolean,timestamptz,timestamptz) TO wattledger_dba;

FUNCTION telemetry.is_step(step_mwh bigint, gap interval, rules telemetry.register_rules)
    RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

FUNCTION telemetry.is_storable(value double precision, bounds telemetry.limits)
    RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

FUNCTION telemetry.judge(item telemetry.fold_item, following telemetry.fold_item, before telemetry.settled_day, change_mwh bigint, gap interval, is_final boolean, rules telemetry.register_rules)
    RETURNS telemetry.judgement
    LANGUAGE plpgsql IMMUTABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.judge_alerts(meter_ids text[], vehicle_ids text[])
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.judge_alerts_of(side text, device_id text)
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.judge_silence()
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.judged(ac_mwh double precision, ac_matched_mwh double precision, dc_mwh double precision, dc_matched_mwh double precision, ac_standing_mwh double precision, dc_standing_mwh double precision, standby_mwh double precision, edge_mwh double precision, ac_resolution_mwh double precision, dc_resolution_mwh double precision, matched_us double precision, battery_temp_mc double precision, is_drifting boolean, rules telemetry.rules)
    RETURNS TABLE(efficiency double precision, coverage double precision, uncertainty double precision, expected_efficiency double precision, verdict text, frozen_side text)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC SELECT m.efficiency,     m.coverage,     m.uncertainty,     m.expected,         CASE             WHEN (m.frozen_side IS NOT NULL) THEN 'frozen'::text             WHEN ((m.ac = (0)::double precision) AND (m.dc < m.frozen_above)) THEN 'idle'::text             WHEN ((m.dc_standing >= m.frozen_above) AND (m.dc_standing >= (m.dc / (50)::double precision))) THEN 'impossible'::text             WHEN (((GREATEST(m.ac_matched, m.dc_matched) >= m.sufficient) AND (m.coverage >= (m.rules).sufficient_coverage) AND (m.uncertainty <= (m.rules).greatest_uncertainty) AND (m.expected IS NOT NULL)) IS NOT TRUE) THEN 'insufficient'::text             WHEN ((m.efficiency - m.uncertainty) > (1)::double precision) THEN 'impossible'::text             WHEN ((m.efficiency + m.uncertainty) < m.expected) THEN 'degraded'::text             WHEN m.is_drifting THEN 'drifting'::text             ELSE 'healthy'::text         END AS verdict,     m.frozen_side    FROM ( SELECT u.ac,             u.ac_matched,             u.dc,             u.dc_matched,             u.ac_standing,             u.dc_standing,             u.standby,             u.edge,             u.ac_step,             u.dc_step,             u.efficiency,             u.coverage,             u.mean_kw,             u.temp_c,             u.frozen_above,             u.sufficient,             u.is_drifting,             u.rules,             (((u.dc_step + (u.efficiency * u.ac_step)) + (u.edge / (2)::double precision)) / NULLIF(u.ac_matched, (0)::double precision)) AS uncertainty,             telemetry.expected_efficiency(u.ac_matched, u.mean_kw, u.temp_c, u.rules) AS expected,                 CASE                     WHEN ((u.ac_standing >= u.frozen_above) AND ((u.ac_standing * (2)::double precision) >= u.ac_matched)) THEN 'vehicle'::text                     WHEN ((u.dc_standing >= u.frozen_above) AND (u.ac = (0)::double precision) AND (u.standby = (0)::double precision)) THEN 'meter'::text                     ELSE NULL::text                 END AS frozen_side            FROM ( SELECT j.ac_mwh AS ac,                     j.ac_matched_mwh AS ac_matched,                     j.dc_mwh AS dc,                     j.dc_matched_mwh AS dc_matched,                     j.ac_standing_mwh AS ac_standing,                     j.dc_standing_mwh AS dc_standing,                     j.standby_mwh AS standby,                     j.edge_mwh AS edge,                     COALESCE(j.ac_resolution_mwh, (0)::double precision) AS ac_step,                     COALESCE(j.dc_resolution_mwh, (0)::double precision) AS dc_step,                     (j.dc_matched_mwh / NULLIF(j.ac_matched_mwh, (0)::double precision)) AS efficiency,                     (j.ac_matched_mwh / NULLIF(j.ac_mwh, (0)::double precision)) AS coverage,                     ((j.ac_matched_mwh * (3600)::double precision) / NULLIF(j.matched_us, (0)::double precision)) AS mean_kw,                     (j.battery_temp_mc * (0.001)::double precision) AS temp_c,                     (telemetry.mwh((j.rules).frozen_above_kwh))::double precision AS frozen_above,                     (telemetry.mwh((j.rules).sufficient_energy_kwh))::double precision AS sufficient,                     j.is_drifting,                     j.rules                    FROM ( SELECT judged.ac_mwh AS ac_mwh,                             judged.ac_matched_mwh AS ac_matched_mwh,                             judged.dc_mwh AS dc_mwh,                             judged.dc_matched_mwh AS dc_matched_mwh,                             judged.ac_standing_mwh AS ac_standing_mwh,                             judged.dc_standing_mwh AS dc_standing_mwh,                             judged.standby_mwh AS standby_mwh,                             judged.edge_mwh AS edge_mwh,                             judged.ac_resolution_mwh AS ac_resolution_mwh,                             judged.dc_resolution_mwh AS dc_resolution_mwh,                             judged.matched_us AS matched_us,                             judged.battery_temp_mc AS battery_temp_mc,                             judged.is_drifting AS is_drifting,                             judged.rules AS rules) j) u) m;
END
;
GRANT EXECUTE ON FUNCTION telemetry.judged(double precision,double precision,double precision,double precision,double precision,double precision,double precision,double precision,double precision,double precision,double precision,double precision,boolean,telemetry.rules) TO wattledger_bi;

FUNCTION telemetry.judged_readings(dataset text, device_id text, since timestamptz, until timestamptz)
    RETURNS TABLE(ts timestamptz, energy_mwh bigint, kind telemetry.reading_kind, interval_start timestamptz, session_no integer, battery_temp_mc integer)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.keep_charging(meter_id text, since timestamptz, until timestamptz)
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.keep_charging_before(until timestamptz, OUT step text, OUT detail text)
    RETURNS record
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.keep_charging_days(meter_id text, first_day date, last_day date)
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.keep_device(dataset text, device_id text)
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.keep_folded(folded telemetry.folded[])
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.keep_history_charging(meters text[], vehicles text[], since timestamptz, bound timestamptz)
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.keep_history_rollup(rollup text, device_ids text[], since timestamptz, until timestamptz)
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp' SET "TimeZone" TO 'UTC' SET "DateStyle" TO 'ISO';

FUNCTION telemetry.keep_history_rollups(dataset text, device_ids text[], since timestamptz, until timestamptz)
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp' SET "TimeZone" TO 'UTC' SET "DateStyle" TO 'ISO';

FUNCTION telemetry.keep_label(dataset text, device_id text, name text, site text, groups text[], plate text, address text, note text, retired_at timestamptz)
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.keep_meter_state()
    RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.keep_record(new_record telemetry.ledger_record)
    RETURNS bigint
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.keep_rollup()
    RETURNS trigger
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.keep_sessions(meter_id text, since timestamptz, until timestamptz)
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.keep_usual(meter_id text, since timestamptz)
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.keep_vehicle_state()
    RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.kept_window(INOUT since timestamptz, INOUT until timestamptz, OUT kept_until timestamptz)
    RETURNS record
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.key_covers(patterns text[], fleet text, side text, device_id text)
    RETURNS boolean
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.key_covers_link(key_id text, vehicle_id text, meter_id text)
    RETURNS boolean
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.key_name(key_id text)
    RETURNS text
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.kind_named(kind text)
    RETURNS telemetry.reading_kind
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

FUNCTION telemetry.known_dataset(name text)
    RETURNS text
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.known_sessions(dataset text, device_ids text[], session_ids text[])
    RETURNS integer[]
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.known_text(known_until timestamptz)
    RETURNS text
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.known_until(dataset text, device_id text, before timestamptz)
    RETURNS timestamptz
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.kwh(mwh numeric)
    RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION telemetry.kwh(numeric) TO wattledger_bi;
GRANT EXECUTE ON FUNCTION telemetry.kwh(numeric) TO wattledger_dba;

FUNCTION telemetry.labelled(dataset text, site text, of_group text)
    RETURNS TABLE(device_id text)
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.last_named(dataset text, device_id text, session_no integer, since timestamptz, until timestamptz)
    RETURNS timestamptz
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.lend_history(import_id bigint, dataset text, device_ids text[], until timestamptz)
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.linked_time(during tstzrange, since timestamptz, until timestamptz)
    RETURNS interval
    LANGUAGE sql STABLE PARALLEL SAFE;

FUNCTION telemetry.local_day(zone text, first_day date, last_day date)
    RETURNS TABLE(day date, since timestamptz, until timestamptz, first_hour timestamptz, end_hour timestamptz)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.local_hour_of(said jsonb, otherwise integer)
    RETURNS integer
    LANGUAGE plpgsql IMMUTABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.lock_chunk(chunk regclass)
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.lock_quarantine_bounds()
    RETURNS trigger
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.lock_rollups(dataset text)
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.lock_state(dataset text, device_id text, wait boolean)
    RETURNS boolean
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.look_at_retired(dataset text, device_id text)
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

PROCEDURE telemetry.maintain_by_hand(INOUT problem text)
    LANGUAGE plpgsql;

FUNCTION telemetry.matches_pattern(device_id text, pattern text)
    RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.mean_kw(mwh double precision, span interval)
    RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (((mwh / (1000000)::double precision) * (3600)::double precision) / NULLIF(date_part('epoch'::text, span), (0)::double precision))
;
GRANT EXECUTE ON FUNCTION telemetry.mean_kw(double precision,interval) TO wattledger_bi;
GRANT EXECUTE ON FUNCTION telemetry.mean_kw(double precision,interval) TO wattledger_dba;

FUNCTION telemetry.meaning_of_rule(rule_name text)
    RETURNS text
    LANGUAGE sql STABLE
RETURN (SELECT col_description(a.attrelid, (a.attnum)::integer) AS col_description FROM (((pg_attribute a JOIN (SELECT meaning_of_rule.rule_name AS called) r ON ((a.attname = r.called))) JOIN pg_class c ON (((c.oid = a.attrelid) AND (c.relname = 'rules'::name)))) JOIN pg_namespace n ON (((n.oid = c.relnamespace) AND (n.nspname = 'telemetry'::name)))))
;
GRANT EXECUTE ON FUNCTION telemetry.meaning_of_rule(text) TO wattledger_bi;

FUNCTION telemetry.meter_energy(meter_id text, since timestamptz, until timestamptz, hourly_since timestamptz)
    RETURNS TABLE(energy_mwh numeric, samples bigint, provisional_mwh numeric, settled_until timestamptz)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.meter_energy_of_parts(meter_ids text[], sinces timestamptz[], untils timestamptz[])
    RETURNS TABLE(part bigint, energy_mwh numeric, samples bigint)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.meter_hours(meter_id text, since timestamptz, until timestamptz)
    RETURNS TABLE(bucket timestamptz, energy_mwh numeric, samples bigint)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.mirrored_meter(meter_id text, since timestamptz, until timestamptz)
    RETURNS TABLE(other_id text, both_ways boolean)
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.mwh(kwh double precision)
    RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION telemetry.mwh(double precision) TO wattledger_bi;

FUNCTION telemetry.mwh(kwh numeric)
    RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION telemetry.mwh(numeric) TO wattledger_bi;

FUNCTION telemetry.named_device(device text, OUT dataset text, OUT device_id text)
    RETURNS record
    LANGUAGE plpgsql IMMUTABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.named_until(meter_id text, vehicle_id text, transaction_no integer, started_at timestamptz, ended_at timestamptz, since timestamptz)
    RETURNS timestamptz
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.new_record(record text, dataset text, device_id text, happened_at timestamptz, reason text, made_by text)
    RETURNS telemetry.ledger_record
    LANGUAGE plpgsql IMMUTABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.newest_charge_ended_at(side text, device_id text)
    RETURNS timestamptz
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.newest_item(dataset text, device_id text)
    RETURNS timestamptz
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.newest_reading(dataset text, device_id text)
    RETURNS timestamptz
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.next_due(only_dataset text, before timestamptz, queued_for interval)
    RETURNS telemetry.settle_queue
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.note_alert(alert_id bigint, change text, detail jsonb)
    RETURNS void
    LANGUAGE sql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.note_dropped()
    RETURNS void
    LANGUAGE sql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.note_link_change()
    RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.note_proven(dataset text, since timestamptz, until timestamptz)
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.number_sessions(dataset text, device_ids text[], session_ids text[])
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.oldest_charging(dataset text, device_id text)
    RETURNS timestamptz
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.oldest_item(dataset text, device_id text, since timestamptz)
    RETURNS timestamptz
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.open_events(side text, device_ids text[])
    RETURNS TABLE(device_id text, since timestamptz, events bigint, event text)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.part_before(moment timestamptz, energy_mwh bigint, since timestamptz, until timestamptz)
    RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION telemetry.part_before(timestamptz,bigint,timestamptz,timestamptz) TO wattledger_bi;
GRANT EXECUTE ON FUNCTION telemetry.part_before(timestamptz,bigint,timestamptz,timestamptz) TO wattledger_dba;

FUNCTION telemetry.part_sentence(part text, kind text, reported_kwh numeric, corrected_kwh numeric, interval_start timestamptz, verdict text, energy_kwh numeric, source_day date, record_id bigint)
    RETURNS text
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.pattern_of_ids(device_pattern text, side text)
    RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.pending_change()
    RETURNS TABLE(dataset text, since_us bigint, until_us bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION telemetry.pending_change() TO wattledger_dba;

FUNCTION telemetry.place(ordering text, sorted_by jsonb)
    RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.plausible_mwh(max_power_kw double precision, gap interval)
    RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

FUNCTION telemetry.plausible_mwh(gap interval, rules telemetry.register_rules)
    RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

FUNCTION telemetry.post_entries(dataset text, missing telemetry.due_entry[])
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.postpone(dataset text, device_ids text[], error text)
    RETURNS void
    LANGUAGE sql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.postpone_charging(dataset text, device_id text, error text)
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.price_at(meter_id text, hour timestamptz)
    RETURNS TABLE(price numeric, currency text, digits smallint)
    LANGUAGE sql STABLE PARALLEL SAFE;

FUNCTION telemetry.price_of(prices numeric[], local_time timestamp without time zone)
    RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (prices)[(mod(((floor((date_part('epoch'::text, local_time) / (3600)::double precision)))::integer - 96), 168) + 1)]
;
GRANT EXECUTE ON FUNCTION telemetry.price_of(numeric[],timestamp without time zone) TO wattledger_bi;

FUNCTION telemetry.prove_history(dataset text, device_ids text[], since timestamptz, until timestamptz)
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.provisional_entries(dataset text, device_id text, since timestamptz, until timestamptz)
    RETURNS SETOF telemetry.due_entry
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.provisional_mwh(dataset text, device_id text, since timestamptz, until timestamptz)
    RETURNS numeric
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.queue_alerts(side text, device_ids text[], due_at timestamptz)
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.queue_alerts_of_days()
    RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.queue_alerts_of_events()
    RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.queue_alerts_of_sessions()
    RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.queue_all_alerts()
    RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.queue_all_charging()
    RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.queue_charging(dataset text, device_ids text[], first_days date[], last_days date[], are_certain boolean[])
    RETURNS void
    LANGUAGE sql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.queue_link_change()
    RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.queue_to_settle(dataset text, device_ids text[], days date[], due timestamptz[])
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.queue_unsettled(dataset text, since timestamptz, chunk_end timestamptz, until timestamptz)
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.queue_webhook_deliveries()
    RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.queue_whole(dataset text, device_ids text[], within interval)
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.raise_no_webhook(webhook text)
    RETURNS void
    LANGUAGE plpgsql IMMUTABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.raise_problem(problem text)
    RETURNS void
    LANGUAGE plpgsql IMMUTABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.range_fault(label text, value double precision, bounds telemetry.limits)
    RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

FUNCTION telemetry.reading_before(dataset text, device_id text, moment timestamptz)
    RETURNS timestamptz
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.reading_fault(device_id text, read_at timestamptz, kind text, energy_kwh double precision, interval_start timestamptz, session_id text, oldest timestamptz, newest timestamptz, dropped_hours timestamptz[])
    RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

FUNCTION telemetry.reading_fault_detail(fault text, read_at timestamptz, oldest timestamptz, newest timestamptz)
    RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE;

FUNCTION telemetry.reading_from(dataset text, device_id text, moment timestamptz)
    RETURNS timestamptz
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.reading_sentence(kind text, reported_kwh numeric, corrected_kwh numeric, interval_start timestamptz, verdict text, energy_kwh numeric)
    RETURNS text
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.record_sentence(record_id bigint)
    RETURNS text
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.recorded_mwh(kwh numeric)
    RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE SET search_path TO 'pg_catalog', 'pg_temp';

PROCEDURE telemetry.refresh_above(IN dataset text, IN since timestamptz, IN until timestamptz)
    LANGUAGE plpgsql;

PROCEDURE telemetry.refresh_by_hand(IN since timestamptz, IN until timestamptz, IN force boolean)
    LANGUAGE plpgsql;

FUNCTION telemetry.refresh_pieces(dataset text, since timestamptz, until timestamptz, force boolean)
    RETURNS TABLE(piece_start timestamptz, piece_end timestamptz)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

PROCEDURE telemetry.refresh_rollup(IN dataset text, IN since timestamptz, IN until timestamptz, IN force boolean)
    LANGUAGE plpgsql;

FUNCTION telemetry.refresh_since(dataset text)
    RETURNS timestamptz
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.refresh_wholly()
    RETURNS void
    LANGUAGE sql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.refresh_window(INOUT since timestamptz, INOUT until timestamptz)
    RETURNS record
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.refuse_change()
    RETURNS trigger
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.refuse_change_of_alerts()
    RETURNS trigger
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.refuse_change_of_link_history()
    RETURNS trigger
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.refuse_change_of_records()
    RETURNS trigger
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.refuse_change_of_tariffs()
    RETURNS trigger
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.refuse_removal()
    RETURNS trigger
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.register_at(meter_id text, since timestamptz, until timestamptz)
    RETURNS TABLE(register_start_mwh bigint, register_end_mwh bigint)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.register_changes(dataset text, device_id text, since timestamptz, until timestamptz)
    RETURNS TABLE(explained_mwh numeric, corrected_mwh numeric)
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.register_level(dataset text, device_id text, moment timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.remove_oldest(key_id text, excess_bytes bigint, most integer)
    RETURNS bigint
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

PROCEDURE telemetry.replay_all_due()
    LANGUAGE plpgsql;

FUNCTION telemetry.replay_due(most integer)
    RETURNS TABLE(accepted integer, duplicates integer, refused integer)
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.replay_piece(reason text, since timestamptz, until timestamptz, after bigint, most integer)
    RETURNS TABLE(quarantine_id bigint, outcome text, detail text)
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.replay_readings(quarantine_ids bigint[])
    RETURNS TABLE(quarantine_id bigint, outcome text, detail text)
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.reported_text(kind telemetry.reading_kind, reported_mwh bigint, interval_start timestamptz, session_id text)
    RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE;

FUNCTION telemetry.requeue_side()
    RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.reset_mwh(register_mwh bigint, rules telemetry.register_rules)
    RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

FUNCTION telemetry.resolve_register_event(dataset text, device_id text, happened_at timestamptz, resolution text, energy_kwh numeric, reason text, made_by text)
    RETURNS bigint
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.rollover_mwh(level_mwh bigint, register_mwh bigint, next_mwh bigint, gap interval, rules telemetry.register_rules)
    RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

FUNCTION telemetry.rollups_until(dataset text, before timestamptz)
    RETURNS timestamptz
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.rules_of(dataset text, device_id text)
    RETURNS telemetry.register_rules
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

PROCEDURE telemetry.run_policy(IN job_id integer, IN config jsonb)
    LANGUAGE plpgsql;

FUNCTION telemetry.run_soon(dataset text, work text)
    RETURNS void
    LANGUAGE sql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.said_at(moment timestamptz)
    RETURNS text
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.said_kwh(kwh numeric)
    RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.send_again(quarantine_ids bigint[])
    RETURNS TABLE(quarantine_id bigint, outcome text, detail text)
    LANGUAGE sql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.set_history_bound()
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.settle_alerts(most integer, OUT judged integer, OUT waiting integer)
    RETURNS record
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

PROCEDURE telemetry.settle_all_charging()
    LANGUAGE plpgsql;

PROCEDURE telemetry.settle_all_due(IN only_dataset text)
    LANGUAGE plpgsql;

FUNCTION telemetry.settle_before(dataset text, since timestamptz, chunk_end timestamptz, until timestamptz, OUT step text, OUT detail text)
    RETURNS record
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.settle_charging(most integer, queued_before timestamptz, kept_before timestamptz, idle_before timestamptz, patience interval, OUT kept integer, OUT waiting integer)
    RETURNS record
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.settle_claimed(dataset text, device_ids text[], wait boolean, until timestamptz, OUT settled text[], OUT left_over text[], OUT entries integer)
    RETURNS record
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.settle_devices(dataset text, device_ids text[], wait boolean, until timestamptz, claimed timestamptz[], OUT settled text[], OUT left_over text[], OUT entries integer)
    RETURNS record
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.settle_due(only_dataset text, most integer, before timestamptz, wait boolean, queued_for interval DEFAULT '00:00:00'::interval)
    RETURNS TABLE(settled integer, entries integer)
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.settle_history(dataset text, device_id text)
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.settle_or_postpone(dataset text, device_ids text[], wait boolean, may_claim boolean, until timestamptz, OUT settled integer, OUT entries integer)
    RETURNS record
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.settle_written(dataset text, device_ids text[], days date[])
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.settled_after(dataset text)
    RETURNS interval
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.settled_before(dataset text, device_id text, day date)
    RETURNS telemetry.settled_day
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.settled_until(dataset text, device_id text)
    RETURNS timestamptz
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

PROCEDURE telemetry.show_all_history()
    LANGUAGE plpgsql;

FUNCTION telemetry.show_correction(dataset text, device_id text, ts timestamptz)
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

PROCEDURE telemetry.show_history(IN dataset text, IN since timestamptz, IN until timestamptz)
    LANGUAGE plpgsql;

FUNCTION telemetry.silent_meters()
    RETURNS TABLE(meter_id text, since timestamptz)
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET max_parallel_workers_per_gather TO '0';

FUNCTION telemetry.sorted_by(place text, ordering text, types text[])
    RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE PARALLEL RESTRICTED SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.sound_meters(vehicle_id text, kind text, since timestamptz)
    RETURNS bigint
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.source_of(dataset text)
    RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION telemetry.source_of(text) TO wattledger_dba;

FUNCTION telemetry.span(us numeric)
    RETURNS interval
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION telemetry.span(numeric) TO wattledger_bi;

FUNCTION telemetry.staged_faults(import_id bigint, dataset text, device_ids text[], read_at timestamptz[], kinds text[], energies_kwh double precision[], interval_starts timestamptz[], session_ids text[], voltages_v double precision[], socs_percent double precision[], battery_temps_c double precision[])
    RETURNS TABLE(place bigint, outcome text, detail text)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.stale_charging(dataset text, device_id text, compared boolean)
    RETURNS TABLE(since timestamptz, until timestamptz)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.stands_alike(a telemetry.settled_day, b telemetry.settled_day)
    RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

FUNCTION telemetry.start_alert(kind text, meter_id text, vehicle_id text, since timestamptz, severity text)
    RETURNS void
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.start_link_change(acting_key text)
    RETURNS void
    LANGUAGE plpgsql;

FUNCTION telemetry.store_meter_readings(places integer[], meter_ids text[], read_at timestamptz[], kinds telemetry.reading_kind[], reported_mwh bigint[], interval_starts timestamptz[], session_ids text[], voltages_mv integer[], rules telemetry.register_rules, OUT stored_ids text[], OUT stored_at timestamptz[], OUT refused integer[], OUT details text[])
    RETURNS record
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_generic_plan';

FUNCTION telemetry.store_meter_readings_in_order(meter_ids text[], read_at timestamptz[], kinds text[], energies_kwh double precision[], interval_starts timestamptz[], session_ids text[], voltages_v double precision[], accepted telemetry.accepted, newest timestamptz)
    RETURNS boolean
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_generic_plan' SET enable_seqscan TO 'off' SET enable_bitmapscan TO 'off' SET enable_hashjoin TO 'off' SET enable_mergejoin TO 'off';

FUNCTION telemetry.store_vehicle_readings(places integer[], vehicle_ids text[], read_at timestamptz[], kinds telemetry.reading_kind[], reported_mwh bigint[], interval_starts timestamptz[], session_ids text[], socs_mpct integer[], battery_temps_mc integer[], rules telemetry.register_rules, OUT stored_ids text[], OUT stored_at timestamptz[], OUT refused integer[], OUT details text[])
    RETURNS record
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_generic_plan';

FUNCTION telemetry.store_vehicle_readings_in_order(vehicle_ids text[], read_at timestamptz[], kinds text[], energies_kwh double precision[], interval_starts timestamptz[], session_ids text[], socs_percent double precision[], battery_temps_c double precision[], accepted telemetry.accepted, newest timestamptz)
    RETURNS boolean
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_generic_plan' SET enable_seqscan TO 'off' SET enable_bitmapscan TO 'off' SET enable_hashjoin TO 'off' SET enable_mergejoin TO 'off';

FUNCTION telemetry.stored_meter_readings(meter_ids text[], read_at timestamptz[])
    RETURNS TABLE(meter_id text, ts timestamptz, kind telemetry.reading_kind, reported_mwh bigint, interval_start timestamptz, session_id text, voltage_mv integer)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.stored_vehicle_readings(vehicle_ids text[], read_at timestamptz[])
    RETURNS TABLE(vehicle_id text, ts timestamptz, kind telemetry.reading_kind, reported_mwh bigint, interval_start timestamptz, session_id text, soc_mpct integer, battery_temp_mc integer)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.stray_reading(dataset text, since timestamptz, until timestamptz)
    RETURNS text
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

PROCEDURE telemetry.take_turn(IN work text, IN patience interval DEFAULT '00:30:00'::interval)
    LANGUAGE plpgsql;

FUNCTION telemetry.take_upkeep_step()
    RETURNS TABLE(dataset text, step text, chunk text)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

FUNCTION telemetry.thousandths(value double precision, bounds telemetry.limits)
    RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

FUNCTION telemetry.time_dimension(dataset text)
    RETURNS TABLE(dimension_id integer, interval_us bigint)
    LANGUAGE sql STABLE;

FUNCTION telemetry.timescaledb_job()
    RETURNS TABLE(job_id integer, dataset text, application_name text, work text, proc_name text, every interval, running boolean, next_run_at timestamptz, last_run_at timestamptz, last_success_at timestamptz, last_run_status text, total_runs bigint, total_failures bigint, last_error text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION telemetry.timescaledb_job() TO wattledger_dba;

FUNCTION telemetry.total(a bigint, b bigint)
    RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION telemetry.total(bigint,bigint) TO wattledger_bi;

FUNCTION telemetry.try_again(only_dataset text, before timestamptz)
    RETURNS void
    LANGUAGE sql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.try_turn(work text)
    RETURNS boolean
    LANGUAGE plpgsql SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.unkept_hours(vehicle_id text)
    RETURNS TABLE(since timestamptz, until timestamptz)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.unproven(dataset text, since timestamptz, until timestamptz)
    RETURNS text
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.unproven_days(side text, since timestamptz, until timestamptz)
    RETURNS text
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.unproven_meter_hours(since timestamptz, until timestamptz)
    RETURNS text
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.unproven_vehicle_hours(since timestamptz, until timestamptz)
    RETURNS text
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.unsettled_since(dataset text, device_id text, day date)
    RETURNS timestamptz
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.us(span interval)
    RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

FUNCTION telemetry.utc_day(moment timestamptz)
    RETURNS date
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION telemetry.utc_day(timestamptz) TO wattledger_bi;
GRANT EXECUTE ON FUNCTION telemetry.utc_day(timestamptz) TO wattledger_dba;

FUNCTION telemetry.utc_minus(moment timestamptz, span interval)
    RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION telemetry.utc_minus(timestamptz,interval) TO wattledger_bi;
GRANT EXECUTE ON FUNCTION telemetry.utc_minus(timestamptz,interval) TO wattledger_dba;

FUNCTION telemetry.utc_text(moment timestamptz)
    RETURNS text
    LANGUAGE sql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.vehicle_charging(vehicle_id text, since timestamptz, until timestamptz)
    RETURNS SETOF telemetry.charging_part
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.vehicle_energy(vehicle_id text, since timestamptz, until timestamptz, hourly_since timestamptz)
    RETURNS TABLE(energy_mwh numeric, samples bigint, battery_temp_mc_sum numeric, battery_temp_samples bigint, provisional_mwh numeric, settled_until timestamptz)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.vehicle_energy_of_parts(vehicle_ids text[], sinces timestamptz[], untils timestamptz[])
    RETURNS TABLE(part bigint, energy_mwh numeric, samples bigint)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.vehicle_hours(vehicle_id text, since timestamptz, until timestamptz)
    RETURNS TABLE(bucket timestamptz, energy_mwh numeric, samples bigint)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.verify_device(dataset text, device_id text, since timestamptz, until timestamptz)
    RETURNS TABLE(bucket timestamptz, stored text, computed text, verdict text)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.verify_kept(since timestamptz, until timestamptz)
    RETURNS TABLE(dataset text, bucket timestamptz, stored text, computed text, verdict text)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan' SET "TimeZone" TO 'UTC' SET "DateStyle" TO 'ISO';

FUNCTION telemetry.verify_ledger(since timestamptz, until timestamptz)
    RETURNS TABLE(dataset text, device_id text, bucket timestamptz, stored text, computed text, verdict text)
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';

FUNCTION telemetry.watermark()
    RETURNS TABLE(dataset text, watermark timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION telemetry.watermark() TO wattledger_dba;

FUNCTION telemetry.webhook_is_blocked(webhook_id text, alert_id bigint, change_id bigint)
    RETURNS boolean
    LANGUAGE sql STABLE;

FUNCTION telemetry.webhook_pause(attempts integer)
    RETURNS interval
    LANGUAGE sql IMMUTABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.webhook_signatures(message_id text, signed_at bigint, body text, secret bytea, former_secret bytea)
    RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.week_prices(prices jsonb)
    RETURNS numeric[]
    LANGUAGE plpgsql IMMUTABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.wire_time(moment timestamptz)
    RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.with_verdict(items telemetry.fold_item[], first_verdict text, other_verdict text)
    RETURNS telemetry.fold_item[]
    LANGUAGE plpgsql IMMUTABLE SET search_path TO 'pg_catalog', 'pg_temp';

FUNCTION telemetry.withdrawn_at(dataset text, device_id text)
    RETURNS timestamptz[]
    LANGUAGE plpgsql STABLE SET search_path TO 'pg_catalog', 'pg_temp';

PROCEDURE telemetry.yield_turn()
    LANGUAGE plpgsql;

CREATE SCHEMA api;
GRANT USAGE ON SCHEMA api TO wattledger_service;

FUNCTION api.acknowledge_alert(of_alert_id bigint, acting_key text DEFAULT NULL::text)
    RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.acknowledge_alert(bigint,text) TO wattledger_service;

FUNCTION api.alert_changes(of_alert_id bigint)
    RETURNS TABLE(change_id bigint, change text, changed_at timestamptz, changed_by text, detail text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.alert_changes(bigint) TO wattledger_service;

FUNCTION api.alert_charges(of_alert_id bigint, page_size integer DEFAULT 1000)
    RETURNS TABLE(meter_id text, vehicle_id text, started_at timestamptz, lost_kwh numeric, lost_cost numeric, currency text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.alert_charges(bigint,integer) TO wattledger_service;

FUNCTION api.alerts(of_state text DEFAULT 'open'::text, of_kind text DEFAULT NULL::text, of_severity text DEFAULT NULL::text, of_meter_id text DEFAULT NULL::text, of_vehicle_id text DEFAULT NULL::text, opened_since timestamptz DEFAULT NULL::timestamptz, of_alert_id bigint DEFAULT NULL::bigint, after text DEFAULT NULL::text, page_size integer DEFAULT 100, acting_key text DEFAULT NULL::text)
    RETURNS TABLE(alert_id bigint, kind text, state text, severity text, meter_id text, vehicle_id text, since timestamptz, until timestamptz, cause text, charges bigint, lost_kwh numeric, lost_cost numeric, currency text, cost_gap text, opened_at timestamptz, closed_at timestamptz, closed_because text, acknowledged_at timestamptz, acknowledged_by text, place text, name text, site text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';
GRANT EXECUTE ON FUNCTION api.alerts(text,text,text,text,text,timestamptz,bigint,text,integer,text) TO wattledger_service;

FUNCTION api.authenticate(key_ids text[], secrets_sha256 bytea[])
    RETURNS TABLE(place integer, refusal text, scopes text[], every_device boolean, meters text[], vehicles text[], expires_in_seconds double precision, readings_per_second double precision, burst_readings double precision)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.authenticate(text[],bytea[]) TO wattledger_service;

FUNCTION api.cancel_record(of_record_id bigint, reason text, acting_key text DEFAULT NULL::text)
    RETURNS TABLE(record_id bigint, is_new boolean)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.cancel_record(bigint,text,text) TO wattledger_service;

FUNCTION api.changes_since(since timestamptz DEFAULT NULL::timestamptz, after_change_id bigint DEFAULT NULL::bigint, most integer DEFAULT 1000, with_charging boolean DEFAULT false)
    RETURNS TABLE(as_of timestamptz, last_change_id bigint, meters_newest_at timestamptz, meter_ids text[], meters_received_at timestamptz[], vehicles_newest_at timestamptz, vehicle_ids text[], vehicles_received_at timestamptz[], alerts jsonb, charging_kept_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.changes_since(timestamptz,bigint,integer,boolean) TO wattledger_service;

FUNCTION api.charging_links(of_vehicle_id text, of_meter_id text, after text, after_since timestamptz, page_size integer, acting_key text DEFAULT NULL::text)
    RETURNS TABLE(vehicle_id text, meter_id text, since timestamptz, until timestamptz, place text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan' SET enable_sort TO 'off' SET enable_bitmapscan TO 'off';
GRANT EXECUTE ON FUNCTION api.charging_links(text,text,text,timestamptz,integer,text) TO wattledger_service;

FUNCTION api.charging_sessions(of_vehicle_id text DEFAULT NULL::text, of_meter_id text DEFAULT NULL::text, since timestamptz DEFAULT NULL::timestamptz, until timestamptz DEFAULT NULL::timestamptz, after text DEFAULT NULL::text, page_size integer DEFAULT 100, acting_key text DEFAULT NULL::text)
    RETURNS TABLE(meter_id text, vehicle_id text, started_at timestamptz, ended_at timestamptz, unplugged_at timestamptz, session_id text, ac_kwh numeric, dc_kwh numeric, ac_matched_kwh numeric, dc_matched_kwh numeric, loss_kwh numeric, ac_active_kwh numeric, standby_kwh numeric, efficiency numeric, uncertainty numeric, coverage numeric, expected_efficiency numeric, usual_efficiency numeric, status text, frozen_side text, peak_kw numeric, mean_kw numeric, soc_start_percent numeric, soc_end_percent numeric, battery_temp_start_c numeric, battery_temp_end_c numeric, ac_register_start_kwh numeric, ac_register_end_kwh numeric, dc_register_start_kwh numeric, dc_register_end_kwh numeric, place text, excess_loss_kwh numeric, cost numeric, standby_cost numeric, loss_cost numeric, excess_loss_cost numeric, currency text, cost_gap text, meter_name text, vehicle_name text, site text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';
GRANT EXECUTE ON FUNCTION api.charging_sessions(text,text,timestamptz,timestamptz,text,integer,text) TO wattledger_service;

FUNCTION api.claim_webhook_deliveries(base_url text DEFAULT ''::text, per_webhook integer DEFAULT 4, lease interval DEFAULT '00:01:00'::interval)
    RETURNS TABLE(webhook_id text, change_id bigint, attempt integer, url text, message_id text, signed_at bigint, signatures text, body text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.claim_webhook_deliveries(text,integer,interval) TO wattledger_service;

FUNCTION api.cookie_secret()
    RETURNS bytea
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.cookie_secret() TO wattledger_service;

FUNCTION api.data_health(since timestamptz DEFAULT NULL::timestamptz, until timestamptz DEFAULT NULL::timestamptz, most integer DEFAULT 100)
    RETURNS TABLE(window_start timestamptz, window_end timestamptz, devices jsonb, silent jsonb, late jsonb, refused jsonb, discarded jsonb, register_events jsonb, open_register_events bigint, waiting jsonb)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';
GRANT EXECUTE ON FUNCTION api.data_health(timestamptz,timestamptz,integer) TO wattledger_service;

FUNCTION api.device_file(side text, device_id text)
    RETURNS TABLE(device_id text, name text, site text, groups text[], plate text, address text, note text, retired_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.device_file(text,text) TO wattledger_service;

FUNCTION api.end_charging_link(vehicle_id text, ended_at timestamptz, remove boolean DEFAULT false, acting_key text DEFAULT NULL::text)
    RETURNS TABLE(meter_id text, since timestamptz, until timestamptz, removed boolean)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.end_charging_link(text,timestamptz,boolean,text) TO wattledger_service;

FUNCTION api.erase_device(side text, device_id text)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.erase_device(text,text) TO wattledger_service;

FUNCTION api.explain_hour(side text, device_id text, hour timestamptz)
    RETURNS TABLE(part text, happened_at timestamptz, kind text, reported_kwh numeric, corrected_kwh numeric, interval_start timestamptz, verdict text, energy_kwh numeric, entry integer, source_day date, record_id bigint, sentence text, provisional_kwh numeric, is_provisional boolean, known_by text, before_kwh numeric, booked_kwh numeric, explained_kwh numeric, state text, made_by text, recorded_at timestamptz, reason text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';
GRANT EXECUTE ON FUNCTION api.explain_hour(text,text,timestamptz) TO wattledger_service;

FUNCTION api.fleet(since timestamptz DEFAULT NULL::timestamptz, until timestamptz DEFAULT NULL::timestamptz, ordering text DEFAULT 'efficiency'::text, after text DEFAULT NULL::text, page_size integer DEFAULT 100, of_site text DEFAULT NULL::text, of_group text DEFAULT NULL::text)
    RETURNS TABLE(vehicle_id text, place text, window_start timestamptz, window_end timestamptz, vehicles bigint, ac_kwh numeric, dc_kwh numeric, loss_kwh numeric, efficiency numeric, meter_coverage numeric, vehicle_coverage numeric, status text, ac_matched_kwh numeric, dc_matched_kwh numeric, ac_active_kwh numeric, standby_kwh numeric, coverage numeric, uncertainty numeric, expected_efficiency numeric, frozen_side text, judged_vehicles bigint, judged_ac_kwh numeric, judged_dc_kwh numeric, other_vehicles bigint, other_ac_kwh numeric, other_dc_kwh numeric, healthy bigint, drifting bigint, degraded bigint, impossible bigint, frozen bigint, insufficient bigint, idle bigint, excess_loss_kwh numeric, cost numeric, standby_cost numeric, loss_cost numeric, excess_loss_cost numeric, currency text, cost_gap text, name text, site text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan' SET work_mem TO '64MB';
GRANT EXECUTE ON FUNCTION api.fleet(timestamptz,timestamptz,text,text,integer,text,text) TO wattledger_service;

FUNCTION api.fleet_meters(since timestamptz DEFAULT NULL::timestamptz, until timestamptz DEFAULT NULL::timestamptz, ordering text DEFAULT 'efficiency'::text, after text DEFAULT NULL::text, page_size integer DEFAULT 100)
    RETURNS TABLE(meter_id text, place text, window_start timestamptz, window_end timestamptz, meters bigint, vehicles bigint, ac_kwh numeric, ac_active_kwh numeric, ac_unlinked_kwh numeric, standby_kwh numeric, standby_w numeric, ac_matched_kwh numeric, dc_matched_kwh numeric, loss_kwh numeric, efficiency numeric, uncertainty numeric, coverage numeric, expected_efficiency numeric, frozen_side text, status text, excess_loss_kwh numeric, cost numeric, standby_cost numeric, loss_cost numeric, excess_loss_cost numeric, currency text, cost_gap text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan' SET work_mem TO '64MB';
GRANT EXECUTE ON FUNCTION api.fleet_meters(timestamptz,timestamptz,text,text,integer) TO wattledger_service;

FUNCTION api.forget_webhook_deliveries(at_most integer DEFAULT 10000)
    RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.forget_webhook_deliveries(integer) TO wattledger_service;

FUNCTION api.ingest_meter_readings(meter_ids text[], read_at timestamptz[], kinds text[], energies_kwh double precision[], interval_starts timestamptz[], session_ids text[], voltages_v double precision[])
    RETURNS TABLE(reading_index integer, outcome text, detail text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.ingest_meter_readings(text[],timestamptz[],text[],double precision[],timestamptz[],text[],double precision[]) TO wattledger_service;

FUNCTION api.ingest_vehicle_readings(vehicle_ids text[], read_at timestamptz[], kinds text[], energies_kwh double precision[], interval_starts timestamptz[], session_ids text[], socs_percent double precision[], battery_temps_c double precision[])
    RETURNS TABLE(reading_index integer, outcome text, detail text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.ingest_vehicle_readings(text[],timestamptz[],text[],double precision[],timestamptz[],text[],double precision[],double precision[]) TO wattledger_service;

FUNCTION api.installed_version()
    RETURNS TABLE(last_migration text, definitions_sha256 text, earlier_definitions_sha256 text[], contract integer, oldest_contract integer, edition text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.installed_version() TO wattledger_service;

FUNCTION api.ledger_records(of_meter_id text DEFAULT NULL::text, of_vehicle_id text DEFAULT NULL::text, since timestamptz DEFAULT NULL::timestamptz, until timestamptz DEFAULT NULL::timestamptz, of_record_id bigint DEFAULT NULL::bigint, after text DEFAULT NULL::text, page_size integer DEFAULT 100, acting_key text DEFAULT NULL::text)
    RETURNS TABLE(record_id bigint, record text, meter_id text, vehicle_id text, happened_at timestamptz, starts_at timestamptz, reported_kind text, reported_kwh numeric, value_kwh numeric, final_kwh numeric, initial_kwh numeric, energy_kwh numeric, resolution text, reason text, made_by text, recorded_at timestamptz, state text, cancels bigint, cancelled_by bigint, sentence text, place text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';
GRANT EXECUTE ON FUNCTION api.ledger_records(text,text,timestamptz,timestamptz,bigint,text,integer,text) TO wattledger_service;

FUNCTION api.maintain()
    RETURNS TABLE(dataset text, step text, chunk text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.maintain() TO wattledger_service;

FUNCTION api.make_record(record text, side text, device_id text, happened_at timestamptz, reason text, starts_at timestamptz DEFAULT NULL::timestamptz, final_kwh numeric DEFAULT NULL::numeric, initial_kwh numeric DEFAULT NULL::numeric, value_kwh numeric DEFAULT NULL::numeric, withdraw boolean DEFAULT NULL::boolean, energy_kwh numeric DEFAULT NULL::numeric, resolution text DEFAULT NULL::text, acting_key text DEFAULT NULL::text)
    RETURNS TABLE(record_id bigint, is_new boolean)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.make_record(text,text,text,timestamptz,text,timestamptz,numeric,numeric,numeric,boolean,numeric,text,text) TO wattledger_service;

FUNCTION api.meter_hours(meter_id text, since timestamptz DEFAULT NULL::timestamptz, until timestamptz DEFAULT NULL::timestamptz)
    RETURNS TABLE(hour_start timestamptz, energy_kwh numeric, voltage_v numeric, samples bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';
GRANT EXECUTE ON FUNCTION api.meter_hours(text,timestamptz,timestamptz) TO wattledger_service;

FUNCTION api.meter_performance(meter_id text, since timestamptz DEFAULT NULL::timestamptz, until timestamptz DEFAULT NULL::timestamptz, acting_key text DEFAULT NULL::text)
    RETURNS TABLE(vehicle_id text, window_start timestamptz, window_end timestamptz, rounded_to text, ac_kwh numeric, ac_active_kwh numeric, ac_unlinked_kwh numeric, standby_kwh numeric, standby_w numeric, ac_matched_kwh numeric, dc_matched_kwh numeric, loss_kwh numeric, efficiency numeric, uncertainty numeric, coverage numeric, expected_efficiency numeric, frozen_side text, status text, meter_samples bigint, provisional_kwh_ac numeric, settled_until timestamptz, excess_loss_kwh numeric, cost numeric, standby_cost numeric, loss_cost numeric, excess_loss_cost numeric, currency text, cost_gap text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.meter_performance(text,timestamptz,timestamptz,text) TO wattledger_service;

FUNCTION api.meter_state(meter_id text)
    RETURNS TABLE(meter_id text, read_at timestamptz, kind text, energy_kwh numeric, register_kwh numeric, session_id text, voltage_v numeric, received_at timestamptz, open_events integer, name text, site text, groups text[], retired_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.meter_state(text) TO wattledger_service;

FUNCTION api.meter_states(after text, page_size integer, of_site text DEFAULT NULL::text, of_group text DEFAULT NULL::text)
    RETURNS TABLE(meter_id text, read_at timestamptz, kind text, energy_kwh numeric, register_kwh numeric, session_id text, voltage_v numeric, received_at timestamptz, open_events integer, name text, site text, groups text[], retired_at timestamptz)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan' SET enable_mergejoin TO 'off' SET enable_hashjoin TO 'off';
GRANT EXECUTE ON FUNCTION api.meter_states(text,integer,text,text) TO wattledger_service;

FUNCTION api.metrics()
    RETURNS TABLE(name text, about text, value double precision, label text, label_value text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp' SET max_parallel_workers_per_gather TO '0';
GRANT EXECUTE ON FUNCTION api.metrics() TO wattledger_service;

FUNCTION api.month_report(of_vehicle_id text DEFAULT NULL::text, of_meter_id text DEFAULT NULL::text, month text DEFAULT NULL::text, zone text DEFAULT NULL::text, acting_key text DEFAULT NULL::text)
    RETURNS TABLE(part text, window_start timestamptz, window_end timestamptz, day date, meter_id text, vehicle_id text, session_id text, status text, sessions bigint, ac_kwh numeric, dc_kwh numeric, standby_kwh numeric, ac_matched_kwh numeric, dc_matched_kwh numeric, loss_kwh numeric, excess_loss_kwh numeric, ac_register_start_kwh numeric, ac_register_end_kwh numeric, dc_register_start_kwh numeric, dc_register_end_kwh numeric, explained_kwh numeric, corrected_kwh numeric, cost numeric, standby_cost numeric, loss_cost numeric, excess_loss_cost numeric, currency text, cost_gap text, is_settled boolean, settled_until timestamptz, provisional_kwh numeric, zone_name text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.month_report(text,text,text,text,text) TO wattledger_service;

FUNCTION api.note_webhook_delivery(webhook_id text, change_id bigint, attempt integer, status integer, error text, retry_after_seconds double precision DEFAULT NULL::double precision)
    RETURNS TABLE(state text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.note_webhook_delivery(text,bigint,integer,integer,text,double precision) TO wattledger_service;

FUNCTION api.performance(vehicle_id text, since timestamptz DEFAULT NULL::timestamptz, until timestamptz DEFAULT NULL::timestamptz)
    RETURNS TABLE(window_start timestamptz, window_end timestamptz, ac_kwh numeric, dc_kwh numeric, dc_unlinked_kwh numeric, loss_kwh numeric, efficiency numeric, avg_battery_temp_c numeric, meter_samples bigint, vehicle_samples bigint, meter_coverage numeric, vehicle_coverage numeric, status text, rounded_to text, provisional_kwh_ac numeric, provisional_kwh_dc numeric, settled_until timestamptz, ac_matched_kwh numeric, dc_matched_kwh numeric, ac_active_kwh numeric, standby_kwh numeric, coverage numeric, uncertainty numeric, expected_efficiency numeric, frozen_side text, excess_loss_kwh numeric, cost numeric, standby_cost numeric, loss_cost numeric, excess_loss_cost numeric, currency text, cost_gap text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_generic_plan';
GRANT EXECUTE ON FUNCTION api.performance(text,timestamptz,timestamptz) TO wattledger_service;

FUNCTION api.performance_hourly(vehicle_id text, since timestamptz DEFAULT NULL::timestamptz, until timestamptz DEFAULT NULL::timestamptz)
    RETURNS TABLE(hour_start timestamptz, ac_kwh numeric, dc_kwh numeric, loss_kwh numeric, efficiency numeric, meter_samples bigint, vehicle_samples bigint, meter_coverage numeric, vehicle_coverage numeric, status text, provisional_kwh_ac numeric, provisional_kwh_dc numeric, settled_until timestamptz, ac_matched_kwh numeric, dc_matched_kwh numeric, ac_active_kwh numeric, standby_kwh numeric, coverage numeric, uncertainty numeric, expected_efficiency numeric, frozen_side text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.performance_hourly(text,timestamptz,timestamptz) TO wattledger_service;

FUNCTION api.permitted_devices(key_id text, meter_ids text[], vehicle_ids text[])
    RETURNS TABLE(side text, device_id text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.permitted_devices(text,text[],text[]) TO wattledger_service;

FUNCTION api.put_charging_link(vehicle_id text, meter_id text, since timestamptz, until timestamptz, replace boolean DEFAULT false, acting_key text DEFAULT NULL::text)
    RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.put_charging_link(text,text,timestamptz,timestamptz,boolean,text) TO wattledger_service;

FUNCTION api.put_device_file(side text, device_id text, name text DEFAULT NULL::text, site text DEFAULT NULL::text, groups text[] DEFAULT '{}'::text[], plate text DEFAULT NULL::text, address text DEFAULT NULL::text, note text DEFAULT NULL::text, retired_at timestamptz DEFAULT NULL::timestamptz)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.put_device_file(text,text,text,text,text[],text,text,text,timestamptz) TO wattledger_service;

FUNCTION api.put_session_links(vehicle_ids text[], meter_ids text[], since timestamptz[], until timestamptz[])
    RETURNS TABLE(link_index integer, outcome text, detail text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.put_session_links(text[],text[],timestamptz[],timestamptz[]) TO wattledger_service;

FUNCTION api.quarantine_readings(reading_indexes integer[], reasons text[], details text[], content_types text[], raws bytea[], datasets text[], device_ids text[], read_at timestamptz[], energies_kwh double precision[], voltages_v double precision[], socs_percent double precision[], battery_temps_c double precision[], key_id text DEFAULT NULL::text, kinds text[] DEFAULT NULL::text[], interval_starts timestamptz[] DEFAULT NULL::timestamptz[], session_ids text[] DEFAULT NULL::text[], sources text[] DEFAULT NULL::text[])
    RETURNS TABLE(place integer, detail text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.quarantine_readings(integer[],text[],text[],text[],bytea[],text[],text[],timestamptz[],double precision[],double precision[],double precision[],double precision[],text,text[],timestamptz[],text[],text[]) TO wattledger_service;

FUNCTION api.register_events(of_meter_id text DEFAULT NULL::text, of_vehicle_id text DEFAULT NULL::text, of_state text DEFAULT NULL::text, after text DEFAULT NULL::text, page_size integer DEFAULT 100, acting_key text DEFAULT NULL::text)
    RETURNS TABLE(meter_id text, vehicle_id text, happened_at timestamptz, event text, before_kwh numeric, reported_kwh numeric, booked_kwh numeric, explained_kwh numeric, state text, sentence text, place text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';
GRANT EXECUTE ON FUNCTION api.register_events(text,text,text,text,integer,text) TO wattledger_service;

FUNCTION api.replay_due(most integer DEFAULT 1000)
    RETURNS TABLE(accepted integer, duplicates integer, refused integer)
    LANGUAGE sql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.replay_due(integer) TO wattledger_service;

FUNCTION api.settle(most integer DEFAULT 200, queued_for interval DEFAULT '00:00:00'::interval)
    RETURNS TABLE(settled integer, entries integer, waiting integer)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.settle(integer,interval) TO wattledger_service;

FUNCTION api.settle_charging(most integer DEFAULT 1000, kept_for interval DEFAULT '00:04:00'::interval, patience interval DEFAULT '00:00:00.25'::interval)
    RETURNS TABLE(kept integer, waiting integer)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.settle_charging(integer,interval,interval) TO wattledger_service;

FUNCTION api.signed_in(of_key_id text DEFAULT NULL::text)
    RETURNS TABLE(note text, devices text[], fleet text, expires_at timestamptz, zone text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.signed_in(text) TO wattledger_service;

FUNCTION api.sparklines(meter_ids text[], vehicle_ids text[], hours integer DEFAULT 24)
    RETURNS TABLE(side text, device_id text, first_hour timestamptz, ac_kwh numeric[], dc_kwh numeric[])
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.sparklines(text[],text[],integer) TO wattledger_service;

FUNCTION api.vehicle_hours(vehicle_id text, since timestamptz DEFAULT NULL::timestamptz, until timestamptz DEFAULT NULL::timestamptz)
    RETURNS TABLE(hour_start timestamptz, energy_kwh numeric, soc_percent numeric, battery_temp_c numeric, samples bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';
GRANT EXECUTE ON FUNCTION api.vehicle_hours(text,timestamptz,timestamptz) TO wattledger_service;

FUNCTION api.vehicle_state(vehicle_id text)
    RETURNS TABLE(vehicle_id text, read_at timestamptz, kind text, energy_kwh numeric, register_kwh numeric, session_id text, soc_percent numeric, battery_temp_c numeric, received_at timestamptz, open_events integer, name text, site text, groups text[], retired_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION api.vehicle_state(text) TO wattledger_service;

FUNCTION api.vehicle_states(after text, page_size integer, of_site text DEFAULT NULL::text, of_group text DEFAULT NULL::text)
    RETURNS TABLE(vehicle_id text, read_at timestamptz, kind text, energy_kwh numeric, register_kwh numeric, session_id text, soc_percent numeric, battery_temp_c numeric, received_at timestamptz, open_events integer, name text, site text, groups text[], retired_at timestamptz)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan' SET enable_mergejoin TO 'off' SET enable_hashjoin TO 'off';
GRANT EXECUTE ON FUNCTION api.vehicle_states(text,integer,text,text) TO wattledger_service;

CREATE SCHEMA bi;
GRANT USAGE ON SCHEMA bi TO wattledger_bi;
GRANT USAGE ON SCHEMA bi TO wattledger_dba;

VIEW bi.alert (
    alert_id bigint,
    kind text COLLATE "C",
    state text,
    severity text COLLATE "C",
    meter_id text COLLATE "C",
    vehicle_id text COLLATE "C",
    since timestamptz,
    until timestamptz,
    cause text COLLATE "C",
    charges bigint,
    lost_kwh numeric(20,6),
    lost_cost numeric(26,4),
    currency text COLLATE "C",
    cost_gap text COLLATE "C",
    opened_at timestamptz,
    closed_at timestamptz,
    closed_because text,
    acknowledged_at timestamptz,
    acknowledged_by text COLLATE "C",
    opening_since timestamptz,
    opening_cause text COLLATE "C",
    name text,
    site text COLLATE "C"
);
GRANT SELECT ON bi.alert TO wattledger_bi;

VIEW bi.alert_change (
    change_id bigint,
    alert_id bigint,
    change text COLLATE "C",
    changed_at timestamptz,
    changed_by text COLLATE "C",
    detail jsonb
);
GRANT SELECT ON bi.alert_change TO wattledger_bi;

VIEW bi.alert_session (
    alert_id bigint,
    meter_id text COLLATE "C",
    started_at timestamptz,
    vehicle_id text COLLATE "C",
    lost_kwh numeric(20,6),
    lost_cost numeric(26,4),
    currency text COLLATE "C",
    cost_gap text COLLATE "C"
);
GRANT SELECT ON bi.alert_session TO wattledger_bi;

VIEW bi.charging_efficiency_daily (
    bucket timestamptz,
    day date,
    vehicle_id text COLLATE "C",
    meter_id text COLLATE "C",
    ac_kwh numeric(20,6),
    dc_kwh numeric(20,6),
    loss_kwh numeric(20,6),
    efficiency numeric(26,6),
    coverage numeric(5,4),
    uncertainty numeric(5,4),
    expected_efficiency numeric(26,6),
    verdict text,
    frozen_side text,
    ac_active_kwh numeric(20,6),
    ac_matched_kwh numeric(20,6),
    dc_matched_kwh numeric(20,6),
    standby_kwh numeric(20,6),
    charging_hours numeric(12,6),
    mean_kw numeric(26,3),
    peak_kw numeric(26,3),
    meter_samples bigint,
    vehicle_samples bigint,
    excess_loss_kwh numeric(20,6),
    cost numeric(38,12),
    standby_cost numeric(38,12),
    loss_cost numeric(38,12),
    excess_loss_cost numeric(38,12),
    currency text COLLATE "C",
    cost_gap text COLLATE "C"
);
GRANT SELECT ON bi.charging_efficiency_daily TO wattledger_bi;

VIEW bi.charging_efficiency_hourly (
    bucket timestamptz,
    vehicle_id text COLLATE "C",
    meter_id text COLLATE "C",
    ac_kwh numeric(20,6),
    dc_kwh numeric(20,6),
    loss_kwh numeric(20,6),
    efficiency numeric(26,6),
    coverage numeric(5,4),
    uncertainty numeric(5,4),
    expected_efficiency numeric(26,6),
    verdict text,
    frozen_side text,
    ac_active_kwh numeric(20,6),
    ac_matched_kwh numeric(20,6),
    dc_matched_kwh numeric(20,6),
    standby_kwh numeric(20,6),
    charging_hours numeric(12,6),
    mean_kw numeric(26,3),
    peak_kw numeric(26,3),
    meter_samples bigint,
    vehicle_samples bigint,
    excess_loss_kwh numeric(20,6),
    cost numeric(38,12),
    standby_cost numeric(38,12),
    loss_cost numeric(38,12),
    excess_loss_cost numeric(38,12),
    currency text COLLATE "C",
    cost_gap text
);
GRANT SELECT ON bi.charging_efficiency_hourly TO wattledger_bi;

VIEW bi.charging_efficiency_monthly (
    bucket timestamptz,
    month date,
    vehicle_id text COLLATE "C",
    meter_id text COLLATE "C",
    ac_kwh numeric(20,6),
    dc_kwh numeric(20,6),
    loss_kwh numeric(20,6),
    efficiency numeric(26,6),
    coverage numeric(5,4),
    uncertainty numeric(5,4),
    expected_efficiency numeric(26,6),
    verdict text,
    frozen_side text,
    ac_active_kwh numeric(20,6),
    ac_matched_kwh numeric(20,6),
    dc_matched_kwh numeric(20,6),
    standby_kwh numeric(20,6),
    charging_hours numeric(12,6),
    mean_kw numeric(26,3),
    peak_kw numeric(26,3),
    meter_samples bigint,
    vehicle_samples bigint,
    excess_loss_kwh numeric(20,6),
    cost numeric(38,12),
    standby_cost numeric(38,12),
    loss_cost numeric(38,12),
    excess_loss_cost numeric(38,12),
    currency text COLLATE "C",
    cost_gap text COLLATE "C"
);
GRANT SELECT ON bi.charging_efficiency_monthly TO wattledger_bi;

VIEW bi.charging_link (
    vehicle_id text COLLATE "C",
    meter_id text COLLATE "C",
    linked_since timestamptz,
    linked_until timestamptz,
    is_present boolean
);
GRANT SELECT ON bi.charging_link TO wattledger_bi;

VIEW bi.charging_session (
    meter_id text COLLATE "C",
    started_at timestamptz,
    vehicle_id text COLLATE "C",
    ended_at timestamptz,
    unplugged_at timestamptz,
    session_id text COLLATE "C",
    ac_kwh numeric(20,6),
    dc_kwh numeric(20,6),
    loss_kwh numeric(20,6),
    efficiency numeric(26,6),
    coverage numeric(5,4),
    uncertainty numeric(5,4),
    expected_efficiency numeric(26,6),
    usual_efficiency numeric(26,6),
    verdict text,
    frozen_side text,
    ac_active_kwh numeric(20,6),
    ac_matched_kwh numeric(20,6),
    dc_matched_kwh numeric(20,6),
    standby_kwh numeric(20,6),
    charging_hours numeric(12,6),
    mean_kw numeric(26,3),
    peak_kw numeric(26,3),
    soc_start_percent numeric(10,3),
    soc_end_percent numeric(10,3),
    battery_temp_start_c numeric(10,3),
    battery_temp_end_c numeric(10,3),
    battery_temp_min_c numeric(10,3),
    ac_register_start_kwh numeric(20,6),
    ac_register_end_kwh numeric(20,6),
    dc_register_start_kwh numeric(20,6),
    dc_register_end_kwh numeric(20,6),
    meter_samples bigint,
    vehicle_samples bigint,
    excess_loss_kwh numeric(20,6),
    cost numeric(26,4),
    standby_cost numeric(26,4),
    loss_cost numeric(26,4),
    excess_loss_cost numeric(26,4),
    currency text COLLATE "C",
    cost_gap text COLLATE "C",
    meter_name text,
    vehicle_name text,
    site text COLLATE "C"
);
GRANT SELECT ON bi.charging_session TO wattledger_bi;

VIEW bi.fleet_efficiency_daily (
    bucket timestamptz,
    day date,
    vehicles bigint,
    judged_vehicles bigint,
    ac_kwh numeric(20,6),
    dc_kwh numeric(20,6),
    judged_ac_kwh numeric(20,6),
    judged_dc_kwh numeric(20,6),
    unjudged_ac_kwh numeric(20,6),
    unjudged_dc_kwh numeric(20,6),
    loss_kwh numeric(20,6),
    efficiency numeric(26,6),
    coverage numeric(5,4),
    uncertainty numeric(5,4),
    expected_efficiency numeric(26,6),
    verdict text,
    ac_matched_kwh numeric(20,6),
    dc_matched_kwh numeric(20,6),
    standby_kwh numeric(20,6),
    healthy_vehicles bigint,
    degraded_vehicles bigint,
    drifting_vehicles bigint,
    impossible_vehicles bigint,
    frozen_vehicles bigint,
    insufficient_vehicles bigint,
    idle_vehicles bigint
);
GRANT SELECT ON bi.fleet_efficiency_daily TO wattledger_bi;

VIEW bi.ledger_entry (
    side text,
    device_id text COLLATE "C",
    ts timestamptz,
    bucket timestamptz,
    entry integer,
    reason text,
    energy_kwh numeric(20,6),
    energy_mwh bigint,
    source_day date,
    record_id bigint
);
GRANT SELECT ON bi.ledger_entry TO wattledger_bi;

VIEW bi.ledger_record (
    record_id bigint,
    recorded_at timestamptz,
    made_by text,
    record text,
    side text COLLATE "C",
    device_id text COLLATE "C",
    happened_at timestamptz,
    starts_at timestamptz,
    reported_kind text,
    reported_kwh numeric(20,6),
    value_kwh numeric(20,6),
    final_kwh numeric(20,6),
    initial_kwh numeric(20,6),
    energy_kwh numeric(20,6),
    resolution text,
    reason text,
    state text,
    cancels bigint,
    cancelled_by bigint
);
GRANT SELECT ON bi.ledger_record TO wattledger_bi;

VIEW bi.meter (
    meter_id text COLLATE "C",
    linked_vehicle_id text COLLATE "C",
    linked_since timestamptz,
    last_reading_at timestamptz,
    last_received_at timestamptz,
    settled_until timestamptz,
    kind text,
    register_kwh numeric(20,6),
    session_id text COLLATE "C",
    voltage_v numeric(10,3),
    name text,
    site text COLLATE "C",
    groups text[] COLLATE "C",
    plate text,
    address text,
    note text,
    retired_at timestamptz
);
GRANT SELECT ON bi.meter TO wattledger_bi;

VIEW bi.meter_efficiency_daily (
    bucket timestamptz,
    day date,
    meter_id text COLLATE "C",
    vehicles bigint,
    ac_kwh numeric(20,6),
    dc_kwh numeric(20,6),
    loss_kwh numeric(20,6),
    efficiency numeric(26,6),
    coverage numeric(5,4),
    uncertainty numeric(5,4),
    expected_efficiency numeric(26,6),
    verdict text,
    frozen_side text,
    ac_active_kwh numeric(20,6),
    unlinked_ac_kwh numeric(20,6),
    ac_matched_kwh numeric(20,6),
    dc_matched_kwh numeric(20,6),
    standby_kwh numeric(20,6),
    standby_w numeric(26,3),
    standby_hours numeric(12,6),
    charging_hours numeric(12,6),
    mean_kw numeric(26,3),
    peak_kw numeric(26,3),
    meter_samples bigint,
    vehicle_samples bigint,
    excess_loss_kwh numeric(20,6),
    cost numeric(38,12),
    standby_cost numeric(38,12),
    loss_cost numeric(38,12),
    excess_loss_cost numeric(38,12),
    currency text COLLATE "C",
    cost_gap text COLLATE "C"
);
GRANT SELECT ON bi.meter_efficiency_daily TO wattledger_bi;

VIEW bi.meter_energy_daily (
    bucket timestamptz,
    day date,
    meter_id text COLLATE "C",
    energy_kwh numeric(20,6),
    apportioned_kwh numeric(20,6),
    energy_mwh bigint,
    apportioned_mwh bigint,
    samples bigint,
    first_reading_at timestamptz,
    last_reading_at timestamptz,
    last_received_at timestamptz,
    voltage_v_min numeric(10,3),
    voltage_v_avg numeric(10,3),
    voltage_v_max numeric(10,3),
    voltage_samples bigint,
    voltage_mv_sum bigint
);
-- a continuous aggregate, real-time
-- a hypertable by bucket, one chunk per 10 days
-- compressed by meter_id, in order of bucket
GRANT SELECT ON bi.meter_energy_daily TO wattledger_bi;

VIEW bi.meter_energy_hourly (
    bucket timestamptz,
    meter_id text COLLATE "C",
    energy_kwh numeric(20,6),
    apportioned_kwh numeric(20,6),
    energy_mwh bigint,
    apportioned_mwh bigint,
    samples bigint,
    first_reading_at timestamptz,
    last_reading_at timestamptz,
    last_received_at timestamptz,
    voltage_v_min numeric(10,3),
    voltage_v_avg numeric(10,3),
    voltage_v_max numeric(10,3),
    voltage_samples bigint,
    voltage_mv_sum bigint
);
-- a continuous aggregate, real-time
-- a hypertable by bucket, one chunk per 10 days
-- compressed by meter_id, in order of bucket
GRANT SELECT ON bi.meter_energy_hourly TO wattledger_bi;

VIEW bi.meter_energy_monthly (
    bucket timestamptz,
    month date,
    meter_id text COLLATE "C",
    energy_kwh numeric(20,6),
    apportioned_kwh numeric(20,6),
    energy_mwh bigint,
    apportioned_mwh bigint,
    samples bigint,
    first_reading_at timestamptz,
    last_reading_at timestamptz,
    last_received_at timestamptz,
    voltage_v_min numeric(10,3),
    voltage_v_avg numeric(10,3),
    voltage_v_max numeric(10,3),
    voltage_samples bigint,
    voltage_mv_sum bigint
);
GRANT SELECT ON bi.meter_energy_monthly TO wattledger_bi;

VIEW bi.meter_register_daily (
    bucket timestamptz,
    day date,
    meter_id text COLLATE "C",
    register_start_kwh numeric(20,6),
    register_end_kwh numeric(20,6),
    start_interpolated boolean,
    end_interpolated boolean,
    energy_kwh numeric(20,6),
    explained_kwh numeric(20,6),
    corrected_kwh numeric(20,6),
    energy_mwh bigint,
    jitters integer,
    state text
);
GRANT SELECT ON bi.meter_register_daily TO wattledger_bi;

VIEW bi.quarantine_daily (
    bucket timestamptz,
    day date,
    side text,
    device_id text COLLATE "C",
    reason text,
    readings bigint,
    last_received_at timestamptz
);
GRANT SELECT ON bi.quarantine_daily TO wattledger_bi;

VIEW bi.register_event (
    side text,
    device_id text COLLATE "C",
    happened_at timestamptz,
    event text COLLATE "C",
    before_kwh numeric(20,6),
    reported_kwh numeric(20,6),
    booked_kwh numeric(20,6),
    explained_kwh numeric(20,6),
    state text
);
GRANT SELECT ON bi.register_event TO wattledger_bi;

VIEW bi.rule (
    name text,
    value numeric(20,6),
    unit text,
    meaning text
);
GRANT SELECT ON bi.rule TO wattledger_bi;

VIEW bi.tariff (
    tariff_id bigint,
    meter_id text COLLATE "C",
    currency text COLLATE "C",
    zone text,
    first_day date,
    last_day date,
    since timestamptz,
    until timestamptz,
    weekday integer,
    from_hour integer,
    until_hour integer,
    price numeric(20,6)
);
GRANT SELECT ON bi.tariff TO wattledger_bi;

VIEW bi.unlinked_energy_daily (
    bucket timestamptz,
    day date,
    meter_id text COLLATE "C",
    ac_kwh numeric(20,6),
    ac_active_kwh numeric(20,6),
    standby_kwh numeric(20,6),
    charging_hours numeric(12,6),
    mean_kw numeric(26,3),
    peak_kw numeric(26,3),
    meter_samples bigint,
    cost numeric(38,12),
    standby_cost numeric(38,12),
    currency text COLLATE "C",
    cost_gap text COLLATE "C"
);
GRANT SELECT ON bi.unlinked_energy_daily TO wattledger_bi;

VIEW bi.vehicle (
    vehicle_id text COLLATE "C",
    linked_meter_id text COLLATE "C",
    linked_since timestamptz,
    last_reading_at timestamptz,
    last_received_at timestamptz,
    settled_until timestamptz,
    kind text,
    register_kwh numeric(20,6),
    session_id text COLLATE "C",
    soc_percent numeric(10,3),
    battery_temp_c numeric(10,3),
    name text,
    site text COLLATE "C",
    groups text[] COLLATE "C",
    plate text,
    address text,
    note text,
    retired_at timestamptz
);
GRANT SELECT ON bi.vehicle TO wattledger_bi;

VIEW bi.vehicle_energy_daily (
    bucket timestamptz,
    day date,
    vehicle_id text COLLATE "C",
    energy_kwh numeric(20,6),
    apportioned_kwh numeric(20,6),
    energy_mwh bigint,
    apportioned_mwh bigint,
    samples bigint,
    first_reading_at timestamptz,
    last_reading_at timestamptz,
    last_received_at timestamptz,
    soc_percent_min numeric(10,3),
    soc_percent_avg numeric(10,3),
    soc_percent_max numeric(10,3),
    soc_samples bigint,
    soc_mpct_sum bigint,
    battery_temp_c_min numeric(10,3),
    battery_temp_c_avg numeric(10,3),
    battery_temp_c_max numeric(10,3),
    battery_temp_samples bigint,
    battery_temp_mc_sum bigint
);
-- a continuous aggregate, real-time
-- a hypertable by bucket, one chunk per 10 days
-- compressed by vehicle_id, in order of bucket
GRANT SELECT ON bi.vehicle_energy_daily TO wattledger_bi;

VIEW bi.vehicle_energy_hourly (
    bucket timestamptz,
    vehicle_id text COLLATE "C",
    energy_kwh numeric(20,6),
    apportioned_kwh numeric(20,6),
    energy_mwh bigint,
    apportioned_mwh bigint,
    samples bigint,
    first_reading_at timestamptz,
    last_reading_at timestamptz,
    last_received_at timestamptz,
    soc_percent_min numeric(10,3),
    soc_percent_avg numeric(10,3),
    soc_percent_max numeric(10,3),
    soc_samples bigint,
    soc_mpct_sum bigint,
    battery_temp_c_min numeric(10,3),
    battery_temp_c_avg numeric(10,3),
    battery_temp_c_max numeric(10,3),
    battery_temp_samples bigint,
    battery_temp_mc_sum bigint
);
-- a continuous aggregate, real-time
-- a hypertable by bucket, one chunk per 10 days
-- compressed by vehicle_id, in order of bucket
GRANT SELECT ON bi.vehicle_energy_hourly TO wattledger_bi;

VIEW bi.vehicle_energy_monthly (
    bucket timestamptz,
    month date,
    vehicle_id text COLLATE "C",
    energy_kwh numeric(20,6),
    apportioned_kwh numeric(20,6),
    energy_mwh bigint,
    apportioned_mwh bigint,
    samples bigint,
    first_reading_at timestamptz,
    last_reading_at timestamptz,
    last_received_at timestamptz,
    soc_percent_min numeric(10,3),
    soc_percent_avg numeric(10,3),
    soc_percent_max numeric(10,3),
    soc_samples bigint,
    soc_mpct_sum bigint,
    battery_temp_c_min numeric(10,3),
    battery_temp_c_avg numeric(10,3),
    battery_temp_c_max numeric(10,3),
    battery_temp_samples bigint,
    battery_temp_mc_sum bigint
);
GRANT SELECT ON bi.vehicle_energy_monthly TO wattledger_bi;

VIEW bi.vehicle_register_daily (
    bucket timestamptz,
    day date,
    vehicle_id text COLLATE "C",
    register_start_kwh numeric(20,6),
    register_end_kwh numeric(20,6),
    start_interpolated boolean,
    end_interpolated boolean,
    energy_kwh numeric(20,6),
    explained_kwh numeric(20,6),
    corrected_kwh numeric(20,6),
    energy_mwh bigint,
    jitters integer,
    state text
);
GRANT SELECT ON bi.vehicle_register_daily TO wattledger_bi;

VIEW bi.webhook_dead_letter (
    webhook text COLLATE "C",
    change_id bigint,
    alert_id bigint,
    kind text,
    change text,
    attempts integer,
    queued_at timestamptz,
    attempted_at timestamptz,
    ended_at timestamptz,
    last_status integer,
    last_error text
);
GRANT SELECT ON bi.webhook_dead_letter TO wattledger_bi;

VIEW bi.webhook_delivery (
    webhook text COLLATE "C",
    change_id bigint,
    alert_id bigint,
    kind text,
    change text,
    state text,
    attempts integer,
    queued_at timestamptz,
    attempted_at timestamptz,
    next_attempt_at timestamptz,
    ended_at timestamptz,
    last_status integer,
    last_error text
);
GRANT SELECT ON bi.webhook_delivery TO wattledger_bi;

FUNCTION bi.charging_efficiency_local_daily(zone text, first_day date, last_day date)
    RETURNS TABLE(day date, vehicle_id text, meter_id text, ac_kwh numeric, dc_kwh numeric, loss_kwh numeric, efficiency numeric, coverage numeric, uncertainty numeric, expected_efficiency numeric, verdict text, frozen_side text, ac_active_kwh numeric, ac_matched_kwh numeric, dc_matched_kwh numeric, standby_kwh numeric, charging_hours numeric, mean_kw numeric, peak_kw numeric, meter_samples bigint, vehicle_samples bigint, excess_loss_kwh numeric, cost numeric, standby_cost numeric, loss_cost numeric, excess_loss_cost numeric, currency text, cost_gap text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';
GRANT EXECUTE ON FUNCTION bi.charging_efficiency_local_daily(text,date,date) TO wattledger_bi;

FUNCTION bi.meter_energy_local_daily(zone text, first_day date, last_day date)
    RETURNS TABLE(day date, meter_id text, energy_kwh numeric, energy_mwh bigint, samples bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';
GRANT EXECUTE ON FUNCTION bi.meter_energy_local_daily(text,date,date) TO wattledger_bi;

FUNCTION bi.vehicle_energy_local_daily(zone text, first_day date, last_day date)
    RETURNS TABLE(day date, vehicle_id text, energy_kwh numeric, energy_mwh bigint, samples bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';
GRANT EXECUTE ON FUNCTION bi.vehicle_energy_local_daily(text,date,date) TO wattledger_bi;

CREATE SCHEMA ops;
GRANT USAGE ON SCHEMA ops TO wattledger_dba;

VIEW ops.device_rules (
    device text COLLATE "C",
    step interval,
    usual_power_kw double precision,
    max_power_kw double precision,
    tolerance_kwh double precision,
    width_kwh double precision
);
GRANT SELECT ON ops.device_rules TO wattledger_dba;

VIEW ops.discarded_measurements (
    dataset text COLLATE "C",
    field text COLLATE "C",
    device_id text COLLATE "C",
    discarded bigint,
    last_value double precision,
    last_read_at timestamptz,
    last_received_at timestamptz
);
GRANT SELECT ON ops.discarded_measurements TO wattledger_dba;

VIEW ops.failing_charging (
    device text COLLATE "C",
    queued_at timestamptz,
    retry_at timestamptz,
    last_error text
);
GRANT SELECT ON ops.failing_charging TO wattledger_dba;

VIEW ops.failing_devices (
    device text COLLATE "C",
    failing_from date,
    settled_through date,
    due_at timestamptz,
    retry_at timestamptz,
    last_error text
);
GRANT SELECT ON ops.failing_devices TO wattledger_dba;

VIEW ops.fleets (
    fleet text COLLATE "C",
    devices text[] COLLATE "C"
);
GRANT SELECT ON ops.fleets TO wattledger_dba;

VIEW ops.freshness (
    dataset text,
    watermark timestamptz,
    lag interval,
    late_changes bigint,
    late_since timestamptz,
    last_refresh_at timestamptz
);
GRANT SELECT ON ops.freshness TO wattledger_dba;

VIEW ops.history_devices (
    import_id bigint,
    device text COLLATE "C",
    readings bigint,
    folded_at timestamptz,
    refused_because text
);
GRANT SELECT ON ops.history_devices TO wattledger_dba;

VIEW ops.history_imports (
    import_id bigint,
    label text,
    begun_at timestamptz,
    begun_by text,
    held_until timestamptz,
    ended_at timestamptz,
    devices bigint,
    folded_devices bigint,
    refused_devices bigint,
    readings bigint,
    folded_readings bigint
);
GRANT SELECT ON ops.history_imports TO wattledger_dba;

VIEW ops.jobs (
    job_id integer,
    job text,
    dataset text,
    last_run_at timestamptz,
    last_run_status text,
    next_run_at timestamptz,
    total_runs bigint,
    total_failures bigint,
    last_error text,
    needs_attention boolean
);
GRANT SELECT ON ops.jobs TO wattledger_dba;

VIEW ops.keys (
    key_id text COLLATE "C",
    status text,
    scopes text[],
    devices text[],
    fleet text COLLATE "C",
    readings_per_second double precision,
    burst_readings double precision,
    note text,
    created_at timestamptz,
    created_by text,
    expires_at timestamptz,
    revoked_at timestamptz,
    rotated_from text COLLATE "C",
    last_used_at timestamptz
);
GRANT SELECT ON ops.keys TO wattledger_dba;

VIEW ops.limits (
    dataset text,
    field text,
    minimum double precision,
    maximum double precision,
    when_outside text
);
GRANT SELECT ON ops.limits TO wattledger_dba;

VIEW ops.link_history (
    change_id bigint,
    changed_at timestamptz,
    login text,
    key_id text COLLATE "C",
    vehicle_id text COLLATE "C",
    meter_id text COLLATE "C",
    change text,
    before tstzrange,
    after tstzrange
);
GRANT SELECT ON ops.link_history TO wattledger_dba;

VIEW ops.meter_readings (
    meter_id text COLLATE "C",
    read_at timestamptz,
    received_at timestamptz,
    interval_start timestamptz,
    session_id text COLLATE "C",
    energy_kwh numeric(20,6),
    total_kwh numeric(20,6),
    session_kwh numeric(20,6),
    voltage_v numeric(10,3)
);
GRANT SELECT ON ops.meter_readings TO wattledger_dba;

VIEW ops.policies (
    dataset text,
    keep interval,
    drop_after interval,
    compress_after interval,
    refresh_every interval,
    refresh_lag interval,
    kept_by text,
    retention_job integer,
    compression_job integer,
    refresh_job integer
);
GRANT SELECT ON ops.policies TO wattledger_dba;

VIEW ops.quarantine (
    quarantine_id bigint,
    received_at timestamptz,
    key_id text COLLATE "C",
    reading_index integer,
    reason text,
    detail text,
    dataset text,
    device_id text COLLATE "C",
    read_at timestamptz,
    kind text,
    energy_kwh double precision,
    interval_start timestamptz,
    session_id text,
    voltage_v double precision,
    soc_percent double precision,
    battery_temp_c double precision,
    content_type text,
    raw_bytes integer,
    raw text,
    awaits_time boolean,
    replayed_at timestamptz,
    source text COLLATE "C"
);
GRANT SELECT ON ops.quarantine TO wattledger_dba;

VIEW ops.settling (
    dataset text,
    due bigint,
    due_later bigint,
    oldest_due_at timestamptz,
    failing bigint,
    last_error text
);
GRANT SELECT ON ops.settling TO wattledger_dba;

VIEW ops.settling_charging (
    dataset text,
    queued bigint,
    oldest_queued_at timestamptz,
    behind bigint,
    charging_kept_at timestamptz,
    failing bigint,
    last_error text
);
GRANT SELECT ON ops.settling_charging TO wattledger_dba;

VIEW ops.storage (
    dataset text,
    approximate_rows bigint,
    chunks bigint,
    compressed_chunks bigint,
    first_chunk_start timestamptz,
    last_chunk_end timestamptz,
    total_bytes bigint,
    bytes_before_compression bigint,
    bytes_after_compression bigint,
    compression_ratio numeric,
    bytes_per_row numeric,
    bytes_per_day bigint
);
GRANT SELECT ON ops.storage TO wattledger_dba;

VIEW ops.tariffs (
    tariff_id bigint,
    recorded_at timestamptz,
    login text,
    meter_id text COLLATE "C",
    currency text COLLATE "C",
    zone text,
    first_day date,
    last_day date,
    prices numeric(13,6)[],
    why text,
    cancels bigint,
    cancelled_by bigint
);
GRANT SELECT ON ops.tariffs TO wattledger_dba;

VIEW ops.vehicle_readings (
    vehicle_id text COLLATE "C",
    read_at timestamptz,
    received_at timestamptz,
    interval_start timestamptz,
    session_id text COLLATE "C",
    energy_kwh numeric(20,6),
    total_kwh numeric(20,6),
    session_kwh numeric(20,6),
    soc_percent numeric(10,3),
    battery_temp_c numeric(10,3)
);
GRANT SELECT ON ops.vehicle_readings TO wattledger_dba;

VIEW ops.webhooks (
    webhook text COLLATE "C",
    url text,
    kinds text[],
    severities text[],
    changes text[],
    enabled boolean,
    disabled_because text,
    waiting bigint,
    dead bigint,
    delivered_at timestamptz,
    former_secret_until timestamptz,
    created_at timestamptz,
    created_by text,
    changed_at timestamptz,
    changed_by text
);
GRANT SELECT ON ops.webhooks TO wattledger_dba;

FUNCTION ops.begin_history(label text, hold interval DEFAULT '24:00:00'::interval)
    RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.begin_history(text,interval) TO wattledger_dba;

FUNCTION ops.book_energy(device text, during tstzrange, energy_kwh numeric, reason text)
    RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.book_energy(text,tstzrange,numeric,text) TO wattledger_dba;

FUNCTION ops.cancel_record(record_id bigint, reason text)
    RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.cancel_record(bigint,text) TO wattledger_dba;

FUNCTION ops.cancel_tariff(tariff_id bigint, why text)
    RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.cancel_tariff(bigint,text) TO wattledger_dba;

FUNCTION ops.correct_reading(device text, ts timestamptz, value_kwh numeric, reason text)
    RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.correct_reading(text,timestamptz,numeric,text) TO wattledger_dba;

FUNCTION ops.create_key(scopes text[], devices text[] DEFAULT NULL::text[], fleet text DEFAULT NULL::text, expires_at timestamptz DEFAULT NULL::timestamptz, readings_per_second double precision DEFAULT NULL::double precision, burst_readings double precision DEFAULT NULL::double precision, note text DEFAULT ''::text, OUT key_id text, OUT key text)
    RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.create_key(text[],text[],text,timestamptz,double precision,double precision,text) TO wattledger_dba;

FUNCTION ops.dataset_storage()
    RETURNS TABLE(dataset text, approximate_rows bigint, chunks bigint, compressed_chunks bigint, first_chunk_start timestamptz, last_chunk_end timestamptz, total_bytes bigint, bytes_before_compression bigint, bytes_after_compression bigint)
    LANGUAGE sql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.dataset_storage() TO wattledger_dba;

FUNCTION ops.end_history(import_id bigint)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.end_history(bigint) TO wattledger_dba;

FUNCTION ops.erase_device(device text)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.erase_device(text) TO wattledger_dba;

FUNCTION ops.exchange_meter(device text, at timestamptz, final_kwh numeric, initial_kwh numeric, reason text)
    RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.exchange_meter(text,timestamptz,numeric,numeric,text) TO wattledger_dba;

FUNCTION ops.explain_hour(device text, hour timestamptz)
    RETURNS TABLE(part text, happened_at timestamptz, kind text, reported_kwh numeric, corrected_kwh numeric, interval_start timestamptz, verdict text, energy_kwh numeric, entry integer, source_day date, record_id bigint, sentence text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp' SET plan_cache_mode TO 'force_custom_plan';
GRANT EXECUTE ON FUNCTION ops.explain_hour(text,timestamptz) TO wattledger_dba;

FUNCTION ops.export_windows(subject text, since timestamptz DEFAULT NULL::timestamptz, until timestamptz DEFAULT NULL::timestamptz)
    RETURNS TABLE(window_start timestamptz, window_end timestamptz, estimated_rows bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.export_windows(text,timestamptz,timestamptz) TO wattledger_dba;

PROCEDURE ops.fold_history(IN import_id bigint)
    LANGUAGE plpgsql;
GRANT EXECUTE ON PROCEDURE ops.fold_history(bigint) TO wattledger_dba;

FUNCTION ops.history_bound(dataset text)
    RETURNS timestamptz
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.history_bound(text) TO wattledger_dba;

FUNCTION ops.local_moment(moment text, zone text DEFAULT 'UTC'::text)
    RETURNS timestamptz
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp' SET "TimeZone" TO 'UTC' SET "DateStyle" TO 'ISO, YMD';
GRANT EXECUTE ON FUNCTION ops.local_moment(text,text) TO wattledger_dba;

PROCEDURE ops.maintain()
    LANGUAGE plpgsql;
GRANT EXECUTE ON PROCEDURE ops.maintain() TO wattledger_dba;

FUNCTION ops.readable(raw bytea)
    RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.readable(bytea) TO wattledger_dba;

PROCEDURE ops.refresh(IN since timestamptz, IN until timestamptz, IN force boolean DEFAULT false)
    LANGUAGE plpgsql;
GRANT EXECUTE ON PROCEDURE ops.refresh(timestamptz,timestamptz,boolean) TO wattledger_dba;

FUNCTION ops.remove_webhook(webhook text)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.remove_webhook(text) TO wattledger_dba;

FUNCTION ops.replay_quarantine(reason text DEFAULT NULL::text, since timestamptz DEFAULT '-infinity'::timestamptz, until timestamptz DEFAULT 'infinity'::timestamptz, after bigint DEFAULT 0, most integer DEFAULT 10000)
    RETURNS TABLE(quarantine_id bigint, outcome text, detail text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.replay_quarantine(text,timestamptz,timestamptz,bigint,integer) TO wattledger_dba;

PROCEDURE ops.replay_quarantine_in_pieces(IN reason text DEFAULT NULL::text, IN since timestamptz DEFAULT '-infinity'::timestamptz, IN until timestamptz DEFAULT 'infinity'::timestamptz, IN piece integer DEFAULT 1000)
    LANGUAGE plpgsql;
GRANT EXECUTE ON PROCEDURE ops.replay_quarantine_in_pieces(text,timestamptz,timestamptz,integer) TO wattledger_dba;

FUNCTION ops.resolve_register_event(device text, happened_at timestamptz, resolution text, reason text, energy_kwh numeric DEFAULT NULL::numeric)
    RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.resolve_register_event(text,timestamptz,text,text,numeric) TO wattledger_dba;

FUNCTION ops.retry_webhook_delivery(webhook text, change_id bigint DEFAULT NULL::bigint)
    RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.retry_webhook_delivery(text,bigint) TO wattledger_dba;

FUNCTION ops.revoke_key(key_id text)
    RETURNS timestamptz
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.revoke_key(text) TO wattledger_dba;

FUNCTION ops.rotate_key(key_id text, overlap interval DEFAULT '1 day'::interval, OUT new_key_id text, OUT new_key text, OUT old_expires_at timestamptz)
    RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.rotate_key(text,interval) TO wattledger_dba;

FUNCTION ops.set_chunk_interval(dataset text, every interval)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.set_chunk_interval(text,interval) TO wattledger_dba;

FUNCTION ops.set_compression(dataset text, after interval)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.set_compression(text,interval) TO wattledger_dba;

FUNCTION ops.set_device(device text, name text DEFAULT NULL::text, site text DEFAULT NULL::text, groups text[] DEFAULT '{}'::text[], plate text DEFAULT NULL::text, address text DEFAULT NULL::text, note text DEFAULT NULL::text, retired_at timestamptz DEFAULT NULL::timestamptz)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.set_device(text,text,text,text[],text,text,text,timestamptz) TO wattledger_dba;

FUNCTION ops.set_device_rules(device text, step interval DEFAULT NULL::interval, usual_power_kw double precision DEFAULT NULL::double precision, max_power_kw double precision DEFAULT NULL::double precision, tolerance_kwh double precision DEFAULT NULL::double precision, width_kwh double precision DEFAULT NULL::double precision)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.set_device_rules(text,interval,double precision,double precision,double precision,double precision) TO wattledger_dba;

FUNCTION ops.set_fleet(fleet text, devices text[])
    RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.set_fleet(text,text[]) TO wattledger_dba;

FUNCTION ops.set_limit(dataset text, field text, minimum double precision DEFAULT NULL::double precision, maximum double precision DEFAULT NULL::double precision, when_outside text DEFAULT NULL::text)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.set_limit(text,text,double precision,double precision,text) TO wattledger_dba;

FUNCTION ops.set_refresh(dataset text, every interval, lag interval DEFAULT NULL::interval)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.set_refresh(text,interval,interval) TO wattledger_dba;

FUNCTION ops.set_retention(dataset text, keep interval, confirm boolean DEFAULT false)
    RETURNS TABLE(chunk text, chunk_start timestamptz, chunk_end timestamptz, bytes bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.set_retention(text,interval,boolean) TO wattledger_dba;

FUNCTION ops.set_tariff(currency text, zone text, first_day date, prices jsonb, why text, last_day date DEFAULT NULL::date, meter_id text DEFAULT NULL::text)
    RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.set_tariff(text,text,date,jsonb,text,date,text) TO wattledger_dba;

FUNCTION ops.set_webhook(webhook text, url text, kinds text[] DEFAULT NULL::text[], severities text[] DEFAULT NULL::text[], changes text[] DEFAULT NULL::text[], enabled boolean DEFAULT true, new_secret boolean DEFAULT false, overlap interval DEFAULT NULL::interval)
    RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.set_webhook(text,text,text[],text[],text[],boolean,boolean,interval) TO wattledger_dba;

FUNCTION ops.stage_history(import_id bigint, dataset text, device_ids text[], read_at timestamptz[], kinds text[], energies_kwh double precision[], interval_starts timestamptz[] DEFAULT NULL::timestamptz[], session_ids text[] DEFAULT NULL::text[], voltages_v double precision[] DEFAULT NULL::double precision[], socs_percent double precision[] DEFAULT NULL::double precision[], battery_temps_c double precision[] DEFAULT NULL::double precision[])
    RETURNS TABLE(reading_index integer, outcome text, detail text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.stage_history(bigint,text,text[],timestamptz[],text[],double precision[],timestamptz[],text[],double precision[],double precision[],double precision[]) TO wattledger_dba;

FUNCTION ops.test_webhook(webhook text)
    RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp';
GRANT EXECUTE ON FUNCTION ops.test_webhook(text) TO wattledger_dba;

FUNCTION ops.verify(since timestamptz DEFAULT (now() - '24:00:00'::interval), until timestamptz DEFAULT 'infinity'::timestamptz)
    RETURNS TABLE(dataset text, device_id text, bucket timestamptz, stored text, computed text, verdict text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp' SET "TimeZone" TO 'UTC' SET "DateStyle" TO 'ISO';
GRANT EXECUTE ON FUNCTION ops.verify(timestamptz,timestamptz) TO wattledger_dba;
