-- Which meter feeds which vehicle, and when; and every change of that.

SET LOCAL ROLE wattledger_owner;

CREATE TABLE telemetry.charging_link (
    vehicle_id text COLLATE "C" NOT NULL CHECK (length(vehicle_id) BETWEEN 1 AND 128),
    meter_id text COLLATE "C" NOT NULL CHECK (length(meter_id) BETWEEN 1 AND 128),
    during tstzrange NOT NULL,
    -- one form for each span of time: an end is open or lies in these years, and none is empty, which has no open end
    CONSTRAINT charging_link_times CHECK (
        (
            lower_inf(during)
            OR (lower_inc(during) AND lower(during) >= '2000-01-01 00:00+00' AND lower(during) < '2100-01-01 00:00+00')
        )
        AND (
            upper_inf(during)
            OR (
                NOT upper_inc(during)
                AND upper(during) > '2000-01-01 00:00+00'
                AND upper(during) <= '2100-01-01 00:00+00'
            )
        )
    ),
    CONSTRAINT vehicle_on_one_meter EXCLUDE USING gist (vehicle_id WITH =, during WITH &&),
    CONSTRAINT meter_on_one_vehicle EXCLUDE USING gist (meter_id WITH =, during WITH &&)
);

-- the order in which links are listed, of all and of one meter: a page is as many entries of one of these
CREATE UNIQUE INDEX charging_link_by_vehicle
ON telemetry.charging_link (vehicle_id, coalesce(lower(during), '-infinity'));
CREATE UNIQUE INDEX charging_link_by_meter
ON telemetry.charging_link (meter_id, vehicle_id, coalesce(lower(during), '-infinity'));

COMMENT ON TABLE telemetry.charging_link IS
'Charging links: at any moment a vehicle hangs on one meter at most, and a meter feeds one vehicle at most.';
COMMENT ON COLUMN telemetry.charging_link.vehicle_id IS 'The vehicle that is charged.';
COMMENT ON COLUMN telemetry.charging_link.meter_id IS 'The meter that feeds it.';
COMMENT ON COLUMN telemetry.charging_link.during IS
'From when (included) until when (not included), of the years 2000 to 2099; an unbounded end means always.';

CREATE TABLE telemetry.charging_link_change (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    changed_at timestamptz NOT NULL DEFAULT now(),
    login text NOT NULL DEFAULT session_user,
    key_id text COLLATE "C",
    vehicle_id text COLLATE "C" NOT NULL,
    meter_id text COLLATE "C" NOT NULL,
    before tstzrange,
    after tstzrange,
    CHECK (before IS DISTINCT FROM after)
);

COMMENT ON TABLE telemetry.charging_link_change IS
'Every change of a charging link, whoever made it, one row per link; append-only.';
COMMENT ON COLUMN telemetry.charging_link_change.change_id IS 'Which change, in order.';
COMMENT ON COLUMN telemetry.charging_link_change.changed_at IS
'When it was made; the same for all that one call changed.';
COMMENT ON COLUMN telemetry.charging_link_change.login IS 'The login of the database that made it.';
COMMENT ON COLUMN telemetry.charging_link_change.key_id IS
'The API key that asked the service for it; null where there was none.';
COMMENT ON COLUMN telemetry.charging_link_change.vehicle_id IS 'The vehicle of the link.';
COMMENT ON COLUMN telemetry.charging_link_change.meter_id IS 'The meter of the link.';
COMMENT ON COLUMN telemetry.charging_link_change.before IS 'When the two were linked before; null: the link is new.';
COMMENT ON COLUMN telemetry.charging_link_change.after IS 'When they are linked since; null: the link was removed.';

CREATE FUNCTION telemetry.refuse_change_of_link_history()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION '% on %.% is refused: the history of charging links is append-only',
        TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'WL010', HINT = 'Change the charging link itself: that is noted here.';
END;
$$;

COMMENT ON FUNCTION telemetry.refuse_change_of_link_history() IS
'Trigger: raises WL010 on whatever would change or remove a row of the history of charging links.';

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON telemetry.charging_link_change
FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_change_of_link_history();

REVOKE UPDATE, DELETE, TRUNCATE ON telemetry.charging_link_change FROM wattledger_owner;

CREATE FUNCTION telemetry.note_link_change()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- what api.put_charging_link and api.end_charging_link say for as long as they run
    v_key_id text := nullif(current_setting('wattledger.acting_key', TRUE), '');
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        INSERT INTO telemetry.charging_link_change (key_id, vehicle_id, meter_id, before)
        SELECT v_key_id, l.vehicle_id, l.meter_id, l.during
        FROM telemetry.charging_link AS l
        ORDER BY l.vehicle_id, l.during;
    ELSIF TG_OP = 'UPDATE' AND (old.vehicle_id, old.meter_id) = (new.vehicle_id, new.meter_id) THEN
        INSERT INTO telemetry.charging_link_change (key_id, vehicle_id, meter_id, before, after)
        SELECT v_key_id, new.vehicle_id, new.meter_id, old.during, new.during
        WHERE old.during <> new.during;
    ELSE
        IF TG_OP <> 'INSERT' THEN
            INSERT INTO telemetry.charging_link_change (key_id, vehicle_id, meter_id, before)
            VALUES (v_key_id, old.vehicle_id, old.meter_id, old.during);
        END IF;
        IF TG_OP <> 'DELETE' THEN
            INSERT INTO telemetry.charging_link_change (key_id, vehicle_id, meter_id, after)
            VALUES (v_key_id, new.vehicle_id, new.meter_id, new.during);
        END IF;
    END IF;
    RETURN NULL;
END;
$$;

COMMENT ON FUNCTION telemetry.note_link_change() IS
'Trigger: notes who changed which charging links and when, and what they were before and are after.';

CREATE TRIGGER noted AFTER INSERT OR UPDATE OR DELETE ON telemetry.charging_link
FOR EACH ROW EXECUTE FUNCTION telemetry.note_link_change();
CREATE TRIGGER noted_all BEFORE TRUNCATE ON telemetry.charging_link
FOR EACH STATEMENT EXECUTE FUNCTION telemetry.note_link_change();
