-- Tariffs: what a DBA says a kilowatt-hour costs, and the list of it.

CREATE OR REPLACE VIEW ops.tariffs AS
SELECT
    t.tariff_id,
    t.recorded_at,
    t.login,
    nullif(t.meter_id, '') AS meter_id,
    t.currency,
    t.zone,
    t.first_day,
    t.last_day,
    t.prices,
    t.why,
    t.cancels,
    c.tariff_id AS cancelled_by
FROM telemetry.tariff AS t
LEFT JOIN telemetry.tariff AS c ON c.cancels = t.tariff_id;

COMMENT ON VIEW ops.tariffs IS 'Tariffs, one row per record. Nothing is ever removed from it.';
COMMENT ON COLUMN ops.tariffs.tariff_id IS 'Which record, in order: of two that hold at a time, the last one counts.';
COMMENT ON COLUMN ops.tariffs.recorded_at IS 'When it was made.';
COMMENT ON COLUMN ops.tariffs.login IS 'The login of the database that made it.';
COMMENT ON COLUMN ops.tariffs.meter_id IS 'The meter whose own tariff it is; NULL: of all meters.';
COMMENT ON COLUMN ops.tariffs.currency IS 'The currency''s code of ISO 4217.';
COMMENT ON COLUMN ops.tariffs.zone IS 'The time zone of its days and hours.';
COMMENT ON COLUMN ops.tariffs.first_day IS 'The first local day on which it holds.';
COMMENT ON COLUMN ops.tariffs.last_day IS 'The last local day on which it holds; NULL: no end.';
COMMENT ON COLUMN ops.tariffs.prices IS
'The price of a kWh in each local hour of the week, from Monday 00:00 on: 168 prices.';
COMMENT ON COLUMN ops.tariffs.why IS 'Why, in the words of who made it.';
COMMENT ON COLUMN ops.tariffs.cancels IS 'The tariff that a cancellation takes back; NULL for others.';
COMMENT ON COLUMN ops.tariffs.cancelled_by IS 'The record that takes this one back; NULL: it stands.';

CREATE OR REPLACE FUNCTION ops.set_tariff(
    currency text,
    zone text,
    first_day date,
    prices jsonb,
    why text,
    last_day date DEFAULT NULL,
    meter_id text DEFAULT NULL
)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_prices numeric[] := telemetry.week_prices(prices);
    v_tariff_id bigint;
BEGIN
    IF (currency ~ '^[A-Z]{3}$') IS NOT TRUE THEN
        RAISE EXCEPTION '"%" is no currency', coalesce(currency, 'null')
            USING ERRCODE = 'WL028', HINT = 'Give the code of ISO 4217: three capital letters, such as EUR.';
    END IF;
    PERFORM telemetry.check_zone(zone);
    IF (
        first_day BETWEEN '2000-01-01' AND '2099-12-31' AND coalesce(last_day, first_day) BETWEEN first_day AND '2099-12-31'
    ) IS NOT TRUE THEN
        RAISE EXCEPTION 'a tariff holds from % until % at no time', coalesce(first_day::text, 'null'), coalesce(last_day::text, 'no end')
            USING ERRCODE = 'WL028', HINT = 'Give its first day and, where it ends, its last day, both included, of the years 2000 to 2099.';
    END IF;
    IF (length(why) BETWEEN 1 AND 1000 AND coalesce(length(meter_id), 1) BETWEEN 1 AND 128) IS NOT TRUE THEN
        RAISE EXCEPTION 'this tariff cannot be kept'
            USING ERRCODE = 'WL028', HINT = 'It needs 1 to 1,000 characters that say why; a meter''s id has 1 to 128.';
    END IF;
    PERFORM telemetry.check_whole_hours(zone, first_day, last_day);
    INSERT INTO telemetry.tariff AS t (meter_id, zone, first_day, last_day, during, currency, digits, prices, why)
    VALUES (
        coalesce(set_tariff.meter_id, ''),
        set_tariff.zone,
        set_tariff.first_day,
        set_tariff.last_day,
        tstzrange(
            telemetry.first_moment(set_tariff.first_day, set_tariff.zone),
            telemetry.first_moment(set_tariff.last_day + 1, set_tariff.zone)
        ),
        set_tariff.currency,
        coalesce((SELECT d.digits FROM telemetry.currency_digits AS d WHERE d.currency = set_tariff.currency), 2),
        v_prices,
        set_tariff.why
    )
    RETURNING t.tariff_id INTO v_tariff_id;
    RETURN v_tariff_id;
END;
$$;

COMMENT ON FUNCTION ops.set_tariff(text, text, date, jsonb, text, date, text) IS
'Sets what a kWh costs; the past is priced by it at once. Takes the currency''s code of ISO 4217, the time zone of the tariff''s days and hours, its first day, prices: a number, or rows such as [{"price": 0.34, "weekdays": [1, 2, 3, 4, 5], "from": "06:00", "until": "22:00"}, …] that give each hour of the week (1: Monday) one price; why, its last day (included; NULL: no end), and the meter whose own tariff it is (NULL: all meters). Where several hold, a meter''s own goes before those of all, and the last one made before those made earlier, which hold again where it does not. Returns the tariff''s id, for ops.cancel_tariff. Raises WL028 where it cannot be kept, WL009 where the zone is an abbreviation or there is none of that name.';

CREATE OR REPLACE FUNCTION ops.cancel_tariff(tariff_id bigint, why text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_cancellation_id bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM telemetry.tariff AS t WHERE t.tariff_id = cancel_tariff.tariff_id AND t.cancels IS NULL) THEN
        RAISE EXCEPTION 'there is no tariff % that could be cancelled', coalesce(cancel_tariff.tariff_id::text, 'null')
            USING ERRCODE = 'WL029', HINT = 'ops.tariffs lists them. Instead of cancelling a cancellation, set the tariff again.';
    END IF;
    INSERT INTO telemetry.tariff AS t (cancels, why) VALUES (cancel_tariff.tariff_id, cancel_tariff.why)
    RETURNING t.tariff_id INTO v_cancellation_id;
    RETURN v_cancellation_id;
EXCEPTION
    WHEN unique_violation THEN
        RAISE EXCEPTION 'tariff % was cancelled already', cancel_tariff.tariff_id
            USING ERRCODE = 'WL028', HINT = 'ops.tariffs has cancelled_by.';
    WHEN check_violation OR not_null_violation THEN
        RAISE EXCEPTION 'this cancellation cannot be kept'
            USING ERRCODE = 'WL028', HINT = 'It needs 1 to 1,000 characters that say why.';
END;
$$;

COMMENT ON FUNCTION ops.cancel_tariff(bigint, text) IS
'Takes a tariff back, as if it had not been set; both stay in ops.tariffs, and what holds without it prices the past at once. Takes the tariff''s id and why. Returns the id of the cancellation. Raises WL029 where there is no such tariff, or it is a cancellation, WL028 where it was cancelled already or nothing says why.';

REVOKE ALL ON ops.tariffs FROM PUBLIC;
GRANT SELECT ON ops.tariffs TO wattledger_dba;
REVOKE ALL ON FUNCTION
    ops.set_tariff(text, text, date, jsonb, text, date, text),
    ops.cancel_tariff(bigint, text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    ops.set_tariff(text, text, date, jsonb, text, date, text),
    ops.cancel_tariff(bigint, text)
TO wattledger_dba;
