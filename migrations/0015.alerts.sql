-- Alerts: what is wrong with a device, since when, and each change of that; nothing here is ever changed but the lists
-- of what is open and of what is to be looked at.

SET LOCAL ROLE wattledger_owner;

CREATE TABLE telemetry.alert (
    alert_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text COLLATE "C" NOT NULL CHECK (
        kind IN ('degraded', 'drifting', 'impossible', 'frozen', 'silent', 'register', 'unlinked', 'standby')
    ),
    meter_id text COLLATE "C",
    vehicle_id text COLLATE "C",
    severity text COLLATE "C" NOT NULL CHECK (severity IN ('warning', 'critical')),
    since timestamptz NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    cause text COLLATE "C" NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    CHECK (num_nonnulls(meter_id, vehicle_id) > 0)
);

CREATE INDEX alert_meter ON telemetry.alert (meter_id, alert_id) WHERE meter_id IS NOT NULL;
CREATE INDEX alert_vehicle ON telemetry.alert (vehicle_id, alert_id) WHERE vehicle_id IS NOT NULL;

COMMENT ON TABLE telemetry.alert IS 'Alerts as they were at their opening, one row per alert; never changed.';
COMMENT ON COLUMN telemetry.alert.alert_id IS 'The alert.';
COMMENT ON COLUMN telemetry.alert.kind IS
'degraded, drifting, impossible, frozen, silent, register, unlinked or standby.';
COMMENT ON COLUMN telemetry.alert.meter_id IS 'The meter that it is about; null: it is about a vehicle wherever that charges.';
COMMENT ON COLUMN telemetry.alert.vehicle_id IS 'The vehicle that it is about; null: it is about a meter whoever charges there.';
COMMENT ON COLUMN telemetry.alert.severity IS 'warning or critical, as it was at the opening.';
COMMENT ON COLUMN telemetry.alert.since IS 'Start of the first bad session or day, as it was known at the opening.';
COMMENT ON COLUMN telemetry.alert.opened_at IS 'When it was opened.';
COMMENT ON COLUMN telemetry.alert.cause IS 'The likely cause, as it was at the opening.';
COMMENT ON COLUMN telemetry.alert.detail IS 'What was known at the opening, such as sessions and the energy that was lost.';

CREATE TABLE telemetry.alert_change (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id bigint NOT NULL REFERENCES telemetry.alert (alert_id),
    change text COLLATE "C" NOT NULL CHECK (change IN ('opened', 'worsened', 'revised', 'acknowledged', 'closed')),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by text COLLATE "C",
    detail jsonb NOT NULL DEFAULT '{}'
);

CREATE INDEX alert_change_alert ON telemetry.alert_change (alert_id, change_id);
-- each of these happens to an alert once, whoever is at it at the same moment
CREATE UNIQUE INDEX alert_change_once ON telemetry.alert_change (alert_id, change)
WHERE change IN ('opened', 'acknowledged', 'closed');

COMMENT ON TABLE telemetry.alert_change IS 'What happened to alerts, one row per change; rows are added, never changed.';
COMMENT ON COLUMN telemetry.alert_change.change_id IS 'The change; a greater one may be seen before a smaller one.';
COMMENT ON COLUMN telemetry.alert_change.alert_id IS 'The alert.';
COMMENT ON COLUMN telemetry.alert_change.change IS
'opened; worsened: it became critical; revised: readings that came late moved its start or its severity; acknowledged: somebody took it on; closed.';
COMMENT ON COLUMN telemetry.alert_change.changed_at IS 'When that was.';
COMMENT ON COLUMN telemetry.alert_change.changed_by IS 'Who did it: the id of a key, or a role of the database; null: the run that keeps charging.';
COMMENT ON COLUMN telemetry.alert_change.detail IS
'What holds from then on: since and severity; of a closed one also until, why, and what was known of it then.';

CREATE FUNCTION telemetry.refuse_change_of_alerts()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION '% on %.% is refused: alerts are append-only', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'WL010', HINT = 'What happens to an alert is another row of telemetry.alert_change.';
END;
$$;

COMMENT ON FUNCTION telemetry.refuse_change_of_alerts() IS
'Trigger: raises WL010 on whatever would change or remove an alert, or what happened to it.';

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON telemetry.alert
FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_change_of_alerts();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON telemetry.alert_change
FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_change_of_alerts();

-- the key is why no two of a kind are ever open about the same
CREATE TABLE telemetry.open_alert (
    kind text COLLATE "C" NOT NULL,
    meter_id text COLLATE "C" NOT NULL,
    vehicle_id text COLLATE "C" NOT NULL,
    alert_id bigint NOT NULL UNIQUE REFERENCES telemetry.alert (alert_id),
    severity text COLLATE "C" NOT NULL,
    since timestamptz NOT NULL,
    cause text COLLATE "C" NOT NULL,
    PRIMARY KEY (meter_id, vehicle_id, kind)
);

CREATE INDEX open_alert_vehicle ON telemetry.open_alert (vehicle_id) WHERE vehicle_id <> '';

COMMENT ON TABLE telemetry.open_alert IS 'Alerts that are open, at most one per kind and subject.';
COMMENT ON COLUMN telemetry.open_alert.kind IS 'As telemetry.alert has it.';
COMMENT ON COLUMN telemetry.open_alert.meter_id IS 'The meter that it is about; empty: none.';
COMMENT ON COLUMN telemetry.open_alert.vehicle_id IS 'The vehicle that it is about; empty: none.';
COMMENT ON COLUMN telemetry.open_alert.alert_id IS 'The alert.';
COMMENT ON COLUMN telemetry.open_alert.severity IS 'warning or critical, as it is now.';
COMMENT ON COLUMN telemetry.open_alert.since IS 'Start of the first bad session or day, as it is known now.';
COMMENT ON COLUMN telemetry.open_alert.cause IS 'The likely cause, as it was when its subject was looked at last.';

CREATE TABLE telemetry.alert_queue (
    side text COLLATE "C" NOT NULL CHECK (side IN ('meter', 'vehicle')),
    device_id text COLLATE "C" NOT NULL,
    due_at timestamptz NOT NULL,
    queued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (side, device_id, queued_at)
) WITH (fillfactor = 70);

CREATE INDEX alert_queue_due ON telemetry.alert_queue (due_at);

COMMENT ON TABLE telemetry.alert_queue IS
'Devices whose alerts are to be looked at, one row per device for now and one for when its charge is over, and others for what came while it was looked at.';
COMMENT ON COLUMN telemetry.alert_queue.side IS 'meter or vehicle.';
COMMENT ON COLUMN telemetry.alert_queue.device_id IS 'The device.';
COMMENT ON COLUMN telemetry.alert_queue.due_at IS 'When: its last charge is over then.';
COMMENT ON COLUMN telemetry.alert_queue.queued_at IS 'When it was queued; an hour later it is looked at in any case.';

CREATE TABLE telemetry.alert_watch (
    only_row boolean PRIMARY KEY DEFAULT TRUE CHECK (only_row),
    looked_at timestamptz NOT NULL DEFAULT '-infinity'
);

INSERT INTO telemetry.alert_watch DEFAULT VALUES;

COMMENT ON TABLE telemetry.alert_watch IS 'When meters were looked through for silent ones: exactly one row.';
COMMENT ON COLUMN telemetry.alert_watch.only_row IS 'Always true: the key that keeps this table at one row.';
COMMENT ON COLUMN telemetry.alert_watch.looked_at IS 'When that was last.';
