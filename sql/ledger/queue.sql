-- Queue of what is to be settled: devices whose rules changed, and what one device still waits for.

CREATE OR REPLACE FUNCTION telemetry.queue_whole(dataset text, device_ids text[], within interval)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO telemetry.settle_queue AS q (dataset, device_id, day, due_at, through)
    SELECT
        d.dataset,
        i.device_id,
        telemetry.utc_day(greatest(telemetry.ceiling_day(d.complete_since), telemetry.earliest())),
        now() + random() * queue_whole.within,
        'infinity'
    FROM telemetry.dataset AS d
    CROSS JOIN unnest(queue_whole.device_ids) AS i (device_id)
    WHERE d.dataset = queue_whole.dataset
    ORDER BY i.device_id COLLATE "C"
    ON CONFLICT ON CONSTRAINT settle_queue_pkey DO UPDATE SET
        due_at = least(q.due_at, excluded.due_at),
        through = 'infinity';
END;
$$;

COMMENT ON FUNCTION telemetry.queue_whole(text, text[], interval) IS
'Takes meter_reading or vehicle_reading, devices, and the time over which to spread the work. Queues all days of them that raw history keeps. Returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.requeue_side()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM telemetry.queue_whole(
        new.dataset,
        CASE new.dataset
            WHEN 'meter_reading' THEN ARRAY(SELECT s.meter_id FROM telemetry.meter_state AS s)
            ELSE ARRAY(SELECT s.vehicle_id FROM telemetry.vehicle_state AS s)
        END,
        INTERVAL '10 minutes'
    );
    RETURN NULL;
END;
$$;

COMMENT ON FUNCTION telemetry.requeue_side() IS
'Trigger: queues all devices of a side whose rules of registers changed.';

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = 'telemetry.register_rules'::regclass AND t.tgname = 'rules_changed'
    ) THEN
        CREATE TRIGGER rules_changed AFTER UPDATE ON telemetry.register_rules
        FOR EACH ROW WHEN (old.* IS DISTINCT FROM new.*) EXECUTE FUNCTION telemetry.requeue_side();
    END IF;
END;
$$;

CREATE OR REPLACE FUNCTION telemetry.settled_until(dataset text, device_id text)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_first date;
BEGIN
    SELECT min(q.day) INTO v_first
    FROM telemetry.settle_queue AS q
    WHERE q.dataset = settled_until.dataset AND q.device_id = settled_until.device_id AND q.due_at <= now();
    IF v_first IS NULL THEN
        RETURN NULL;
    END IF;
    -- an interval that ends on that day may start days before it
    RETURN coalesce(
        (telemetry.settled_before(dataset, device_id, v_first)).read_at,
        telemetry.oldest_item(dataset, device_id, '-infinity')
    );
END;
$$;

COMMENT ON FUNCTION telemetry.settled_until(text, text) IS
'Takes meter_reading or vehicle_reading and a device. Returns the time of a reading before which all its energy is settled; NULL where all of it is.';

CREATE OR REPLACE FUNCTION telemetry.provisional_entries(
    dataset text,
    device_id text,
    since timestamptz,
    until timestamptz
)
RETURNS SETOF telemetry.due_entry
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_first date;
    v_through date;
    v_from timestamptz := timestamptz '-infinity';
BEGIN
    SELECT min(q.day), greatest(max(q.day), max(q.through)) INTO v_first, v_through
    FROM telemetry.settle_queue AS q
    WHERE q.dataset = provisional_entries.dataset
        AND q.device_id = provisional_entries.device_id
        AND q.due_at <= now();
    IF v_first IS NULL THEN
        RETURN;
    END IF;
    IF NOT EXISTS (
        SELECT
        FROM telemetry.settled_day AS d
        WHERE d.dataset = provisional_entries.dataset AND d.device_id = provisional_entries.device_id
    ) THEN
        -- all its history would be folded each time: what came last before the window is what that counts from
        v_from := coalesce(
            telemetry.floor_day(telemetry.reading_before(
                dataset, device_id, telemetry.floor_day(provisional_entries.since)
            )),
            v_from
        );
    END IF;
    RETURN QUERY
    SELECT e.device_id, e.source_day, e.hour, e.reason, e.energy_mwh, e.ts
    FROM telemetry.entries_missing(
        ARRAY[telemetry.fold(dataset, device_id, v_first, v_through, unsettled_since => v_from)]
    ) AS e
    WHERE e.ts >= provisional_entries.since AND e.ts < provisional_entries.until;
END;
$$;

COMMENT ON FUNCTION telemetry.provisional_entries(text, text, timestamptz, timestamptz) IS
'Takes meter_reading or vehicle_reading, a device and a window (since included, until not). Returns what settling will post in it, as far as it is due, as telemetry.entries_due does. A device that was never settled is judged from the day of its last reading before the window''s first day on.';

CREATE OR REPLACE FUNCTION telemetry.provisional_mwh(
    dataset text,
    device_id text,
    since timestamptz,
    until timestamptz
)
RETURNS numeric
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(sum(e.energy_mwh), 0)
    FROM telemetry.provisional_entries(dataset, device_id, since, until) AS e
$$;

COMMENT ON FUNCTION telemetry.provisional_mwh(text, text, timestamptz, timestamptz) IS
'Takes meter_reading or vehicle_reading, a device and a window (since included, until not). Returns the energy in milliwatt-hours by which settling will change that of the window, as far as it is due.';

REVOKE ALL ON FUNCTION
    telemetry.queue_whole(text, text[], interval),
    telemetry.requeue_side(),
    telemetry.settled_until(text, text),
    telemetry.provisional_entries(text, text, timestamptz, timestamptz),
    telemetry.provisional_mwh(text, text, timestamptz, timestamptz)
FROM PUBLIC;
