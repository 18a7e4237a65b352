-- Tariffs: what a kilowatt-hour costs, by hours of the week, as DBAs set it.

SET LOCAL ROLE wattledger_owner;

CREATE TABLE telemetry.currency_digits (
    currency text COLLATE "C" PRIMARY KEY CHECK (currency ~ '^[A-Z]{3}$'),
    digits smallint NOT NULL CHECK (digits BETWEEN 0 AND 4)
);

COMMENT ON TABLE telemetry.currency_digits IS
'Currencies whose minor unit is not a hundredth, one row per currency of ISO 4217.';
COMMENT ON COLUMN telemetry.currency_digits.currency IS 'The currency''s code of ISO 4217.';
COMMENT ON COLUMN telemetry.currency_digits.digits IS 'How many decimals its minor unit has.';

INSERT INTO telemetry.currency_digits (currency, digits)
VALUES
('BIF', 0), ('CLP', 0), ('DJF', 0), ('GNF', 0), ('ISK', 0), ('JPY', 0), ('KMF', 0), ('KRW', 0), ('PYG', 0),
('RWF', 0), ('UGX', 0), ('UYI', 0), ('VND', 0), ('VUV', 0), ('XAF', 0), ('XOF', 0), ('XPF', 0),
('BHD', 3), ('IQD', 3), ('JOD', 3), ('KWD', 3), ('LYD', 3), ('OMR', 3), ('TND', 3),
('CLF', 4), ('UYW', 4);

CREATE TABLE telemetry.tariff (
    tariff_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    login text NOT NULL DEFAULT session_user,
    meter_id text COLLATE "C" CHECK (length(meter_id) <= 128),
    zone text,
    first_day date,
    last_day date,
    during tstzrange CHECK (NOT isempty(during)),
    currency text COLLATE "C" CHECK (currency ~ '^[A-Z]{3}$'),
    digits smallint CHECK (digits BETWEEN 0 AND 4),
    prices numeric(13, 6)[] CHECK (
        cardinality(prices) = 168 AND array_position(prices, NULL) IS NULL AND 0 <= ALL (prices) -- noqa
    ),
    cancels bigint UNIQUE,
    why text NOT NULL CHECK (length(why) BETWEEN 1 AND 1000),
    CHECK (
        num_nonnulls(meter_id, zone, first_day, during, currency, digits, prices)
        = CASE WHEN cancels IS NULL THEN 7 ELSE 0 END
    ),
    CHECK (cancels IS NULL OR last_day IS NULL)
);

-- the order in which they are looked for
CREATE INDEX tariff_meter ON telemetry.tariff (meter_id, tariff_id) WHERE cancels IS NULL;

COMMENT ON TABLE telemetry.tariff IS
'What a kilowatt-hour costs, append-only: the last one that holds goes before those made earlier, a meter''s own before those of all meters. A cancellation takes back another row.';
COMMENT ON COLUMN telemetry.tariff.tariff_id IS 'Which tariff, in order.';
COMMENT ON COLUMN telemetry.tariff.recorded_at IS 'When it was made.';
COMMENT ON COLUMN telemetry.tariff.login IS 'The login of the database that made it.';
COMMENT ON COLUMN telemetry.tariff.meter_id IS 'The meter; empty: all meters.';
COMMENT ON COLUMN telemetry.tariff.zone IS 'The time zone of its days and hours.';
COMMENT ON COLUMN telemetry.tariff.first_day IS 'The first local day on which it holds.';
COMMENT ON COLUMN telemetry.tariff.last_day IS 'The last local day on which it holds; null: no end.';
COMMENT ON COLUMN telemetry.tariff.during IS 'These days, as moments.';
COMMENT ON COLUMN telemetry.tariff.currency IS 'The currency''s code of ISO 4217.';
COMMENT ON COLUMN telemetry.tariff.digits IS 'How many decimals the currency''s minor unit has.';
COMMENT ON COLUMN telemetry.tariff.prices IS
'The price of a kWh in each local hour of the week, from Monday 00:00 on: 168 prices.';
COMMENT ON COLUMN telemetry.tariff.cancels IS 'The tariff that a cancellation takes back.';
COMMENT ON COLUMN telemetry.tariff.why IS 'Why, in the words of who made it.';

CREATE FUNCTION telemetry.refuse_change_of_tariffs()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION '% on %.% is refused: tariffs are append-only', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'WL010', HINT = 'Take a tariff back with ops.cancel_tariff, or set another: the last one goes before.';
END;
$$;

COMMENT ON FUNCTION telemetry.refuse_change_of_tariffs() IS
'Trigger: raises WL010 on whatever would change or remove a tariff.';

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON telemetry.tariff
FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_change_of_tariffs();

REVOKE UPDATE, DELETE, TRUNCATE ON telemetry.tariff FROM wattledger_owner;
