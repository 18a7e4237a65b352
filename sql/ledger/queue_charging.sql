-- What changes afterwards what is kept of charging: days that were settled, links, and rules.

CREATE OR REPLACE FUNCTION telemetry.queue_charging(
    dataset text,
    device_ids text[],
    first_days date[],
    last_days date[],
    are_certain boolean[]
)
RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH wanted AS MATERIALIZED (
        SELECT d.device_id, d.first_day + n.after AS day, bool_or(d.is_certain) AS is_certain
        FROM unnest(device_ids, first_days, last_days, are_certain) AS d (device_id, first_day, last_day, is_certain)
        CROSS JOIN LATERAL generate_series(0, d.last_day - d.first_day) AS n (after)
        GROUP BY 1, 2
    ),
    -- nobody waits for who keeps charging, and holds a device's rows until that is done
    free AS MATERIALIZED (
        SELECT q.device_id, q.day, q.queued_at, w.is_certain
        FROM telemetry.charging_queue AS q
        INNER JOIN wanted AS w ON w.device_id = q.device_id AND w.day = q.day
        WHERE q.dataset = queue_charging.dataset
        FOR UPDATE OF q SKIP LOCKED
    ),
    changed AS (
        UPDATE telemetry.charging_queue AS q
        SET changed_at = clock_timestamp(), is_certain = q.is_certain OR f.is_certain
        FROM free AS f
        WHERE q.dataset = queue_charging.dataset
            AND q.device_id = f.device_id
            AND q.day = f.day
            AND q.queued_at = f.queued_at
        RETURNING q.device_id, q.day
    )
    INSERT INTO telemetry.charging_queue (dataset, device_id, day, is_certain)
    SELECT queue_charging.dataset, w.device_id, w.day, w.is_certain
    FROM wanted AS w
    WHERE NOT EXISTS (SELECT FROM changed AS c WHERE c.device_id = w.device_id AND c.day = w.day)
    -- another one of just that microsecond
    ON CONFLICT ON CONSTRAINT charging_queue_pkey DO UPDATE SET is_certain = TRUE
$$;

COMMENT ON FUNCTION telemetry.queue_charging(text, text[], date[], date[], boolean[]) IS
'Takes meter_reading or vehicle_reading, and as arrays of the same length devices, their first and last UTC days that may have changed, and whether they have for certain. Queues these days for charging to be kept anew. Returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.queue_link_change()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_kept_since timestamptz := telemetry.charging_kept_since();
    v_change record;
BEGIN
    FOR v_change IN
        SELECT
            c.vehicle_id,
            c.meter_id,
            c.during,
            CASE
                -- days enough to queue all of them: to look for the oldest item costs more than many charges take
                WHEN upper(c.during) - lower(c.during) <= INTERVAL '744 hours' THEN (
                    SELECT greatest(lower(c.during), v_kept_since)
                    WHERE EXISTS (SELECT FROM telemetry.meter_state AS m WHERE m.meter_id = c.meter_id)
                        OR EXISTS (SELECT FROM telemetry.vehicle_state AS v WHERE v.vehicle_id = c.vehicle_id)
                )
                ELSE least(
                    telemetry.oldest_item('meter_reading', c.meter_id, v_kept_since),
                    telemetry.oldest_item('vehicle_reading', c.vehicle_id, v_kept_since)
                )
            END AS oldest
        FROM (
            SELECT new.vehicle_id, new.meter_id, r.part AS during
            FROM unnest(tstzmultirange(new.during) - tstzmultirange(old.during)) AS r (part)
            WHERE TG_OP = 'UPDATE'
                AND (old.vehicle_id, old.meter_id) = (new.vehicle_id, new.meter_id)
                -- its parts are told apart by its start
                AND lower(old.during) IS NOT DISTINCT FROM lower(new.during)
            UNION ALL
            SELECT old.vehicle_id, old.meter_id, r.part
            FROM unnest(tstzmultirange(old.during) - tstzmultirange(new.during)) AS r (part)
            WHERE TG_OP = 'UPDATE'
                AND (old.vehicle_id, old.meter_id) = (new.vehicle_id, new.meter_id)
                AND lower(old.during) IS NOT DISTINCT FROM lower(new.during)
            UNION ALL
            SELECT w.vehicle_id, w.meter_id, w.during
            FROM (VALUES (old.vehicle_id, old.meter_id, old.during), (new.vehicle_id, new.meter_id, new.during))
                AS w (vehicle_id, meter_id, during)
            WHERE w.vehicle_id IS NOT NULL
                AND (
                    TG_OP <> 'UPDATE'
                    OR (old.vehicle_id, old.meter_id) <> (new.vehicle_id, new.meter_id)
                    OR lower(old.during) IS DISTINCT FROM lower(new.during)
                )
        ) AS c
    LOOP
        IF EXISTS (
            SELECT
            FROM telemetry.charging_part AS p
            WHERE (p.meter_id = v_change.meter_id OR p.vehicle_id = v_change.vehicle_id)
                AND p.hour < v_kept_since
                AND v_change.during && tstzrange(p.since, p.until)
        ) THEN
            RAISE EXCEPTION 'charging before % is kept for good, since raw readings of that time are gone',
                telemetry.utc_text(v_kept_since)
                USING ERRCODE = 'WL011',
                    HINT = format(
                        'Send a "from" of %s or later; what was linked before stays as it was.',
                        telemetry.utc_text(v_kept_since)
                    );
        END IF;
        CONTINUE WHEN v_change.oldest IS NULL;
        PERFORM telemetry.queue_charging(
            'meter_reading',
            ARRAY[v_change.meter_id],
            ARRAY[telemetry.utc_day(greatest(lower(v_change.during), v_change.oldest))],
            ARRAY[telemetry.utc_day(least(upper(v_change.during), now()))],
            ARRAY[TRUE]
        );
    END LOOP;
    RETURN NULL;
END;
$$;

COMMENT ON FUNCTION telemetry.queue_link_change() IS
'Trigger: has charging kept anew for the time in which a link was made, moved or removed. Raises WL011 where that reaches below what raw readings are kept of.';

CREATE OR REPLACE FUNCTION telemetry.queue_all_charging()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE telemetry.charging_progress AS p
    SET seen_at = '-infinity', kept_at = '-infinity';
    RETURN NULL;
END;
$$;

COMMENT ON FUNCTION telemetry.queue_all_charging() IS
'Trigger: has charging of all devices kept anew, as far as raw readings go back, after links or rules of charging changed as a whole.';

DO $$
DECLARE
    v_relation regclass;
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = 'telemetry.charging_link'::regclass AND t.tgname = 'queued'
    ) THEN
        CREATE TRIGGER queued AFTER INSERT OR UPDATE OR DELETE ON telemetry.charging_link
        FOR EACH ROW EXECUTE FUNCTION telemetry.queue_link_change();
        CREATE TRIGGER queued_all AFTER TRUNCATE ON telemetry.charging_link
        FOR EACH STATEMENT EXECUTE FUNCTION telemetry.queue_all_charging();
        CREATE TRIGGER charging_changed AFTER UPDATE ON telemetry.rules
        FOR EACH ROW WHEN (
            old.reading_interval <> new.reading_interval
            OR old.idle_below_kw <> new.idle_below_kw
            OR old.session_ends_after <> new.session_ends_after
        ) EXECUTE FUNCTION telemetry.queue_all_charging();
    END IF;
END;
$$;

REVOKE ALL ON FUNCTION
    telemetry.queue_charging(text, text[], date[], date[], boolean[]),
    telemetry.queue_link_change(),
    telemetry.queue_all_charging()
FROM PUBLIC;
