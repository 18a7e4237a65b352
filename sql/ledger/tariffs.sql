-- Tariffs: prices of the hours of a week, from what DBAs say, and which of them holds.

CREATE OR REPLACE FUNCTION telemetry.local_hour_of(said jsonb, otherwise integer)
RETURNS integer
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_said text := said #>> '{}';
BEGIN
    IF v_said IS NULL THEN
        RETURN otherwise;
    END IF;
    IF v_said ~ '^([01][0-9]|2[0-4]):[0-5][0-9]$' AND v_said !~ ':00$' THEN
        RAISE EXCEPTION 'a price cannot change at %: energy is kept by whole hours', v_said
            USING ERRCODE = 'WL028',
                HINT = 'Prices change on full hours, such as 06:00. Of a tariff by quarter hours, set the mean price of each hour.';
    END IF;
    IF v_said !~ '^([01][0-9]|2[0-4]):00$' THEN
        RAISE EXCEPTION '"%" is no hour of a day', v_said
            USING ERRCODE = 'WL028', HINT = 'Say "from" and "until" as full hours, from 00:00 to 24:00.';
    END IF;
    RETURN left(v_said, 2)::integer;
END;
$$;

COMMENT ON FUNCTION telemetry.local_hour_of(jsonb, integer) IS
'Takes a time of day such as "06:00", and what it is where none is said. Returns the hour, 0 to 24. Raises WL028 where it is not a full hour.';

CREATE OR REPLACE FUNCTION telemetry.week_prices(prices jsonb)
RETURNS numeric[]
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_week numeric[] := array_fill(NULL::numeric, ARRAY[168]);
    v_day_names text[] := ARRAY['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];
    v_row jsonb;
    v_price numeric;
    v_from integer;
    v_until integer;
    v_day jsonb;
    v_slot integer;
BEGIN
    IF jsonb_typeof(prices) = 'number' THEN
        prices := jsonb_build_array(jsonb_build_object('price', prices));
    END IF;
    IF (jsonb_typeof(prices) = 'array' AND jsonb_array_length(prices) BETWEEN 1 AND 168) IS NOT TRUE THEN
        RAISE EXCEPTION 'prices are missing'
            USING ERRCODE = 'WL028',
                HINT = 'Give one price, such as 0.31, or a list such as [{"price": 0.34, "weekdays": [1, 2, 3, 4, 5], "from": "06:00", "until": "22:00"}, …], in which weekdays are 1, Monday, to 7, Sunday.';
    END IF;
    FOR v_row IN SELECT r.value FROM jsonb_array_elements(prices) AS r
    LOOP
        IF jsonb_typeof(v_row) <> 'object' OR v_row - ARRAY['price', 'weekdays', 'from', 'until'] <> '{}' THEN
            RAISE EXCEPTION '% is no row of prices', v_row
                USING ERRCODE = 'WL028', HINT = 'A row has a price, and may have weekdays, from and until.';
        END IF;
        -- so that costs of milliwatt-hours have twelve decimals, and all sums are exact
        v_price := CASE WHEN jsonb_typeof(v_row -> 'price') = 'number' THEN (v_row ->> 'price')::numeric END;
        IF (v_price BETWEEN 0 AND 1000000 AND v_price = round(v_price, 6)) IS NOT TRUE THEN
            RAISE EXCEPTION '% is no price of a kWh', coalesce(v_row ->> 'price', 'null')
                USING ERRCODE = 'WL028',
                    HINT = 'A price is a number from 0 to 1,000,000 in the currency''s unit, such as 0.31 for 31 cents, with at most six decimals.';
        END IF;
        v_from := telemetry.local_hour_of(v_row -> 'from', 0);
        v_until := telemetry.local_hour_of(v_row -> 'until', 24);
        IF v_from >= v_until THEN
            RAISE EXCEPTION 'a price from %:00 until %:00 has no hours', to_char(v_from, 'FM00'), to_char(v_until, 'FM00')
                USING ERRCODE = 'WL028',
                    HINT = 'Over midnight it takes two rows, so that their weekdays are clear: one until 24:00, and one from 00:00.';
        END IF;
        IF jsonb_typeof(coalesce(v_row -> 'weekdays', '[]')) <> 'array' OR v_row -> 'weekdays' = '[]' THEN
            RAISE EXCEPTION '% are no weekdays', v_row ->> 'weekdays'
                USING ERRCODE = 'WL028', HINT = 'Weekdays are a list of 1, Monday, to 7, Sunday; all, where there is none.';
        END IF;
        FOR v_day IN SELECT d.value FROM jsonb_array_elements(coalesce(v_row -> 'weekdays', '[1,2,3,4,5,6,7]')) AS d
        LOOP
            IF v_day::text !~ '^[1-7]$' THEN
                RAISE EXCEPTION '% is no weekday', v_day
                    USING ERRCODE = 'WL028', HINT = 'Weekdays are numbers from 1, Monday, to 7, Sunday.';
            END IF;
            FOR v_hour IN v_from..v_until - 1 LOOP
                v_slot := (v_day::text::integer - 1) * 24 + v_hour + 1;
                IF v_week[v_slot] IS NOT NULL THEN
                    RAISE EXCEPTION '% at %:00 has two prices',
                        v_day_names[v_day::text::integer], to_char(v_hour, 'FM00')
                        USING ERRCODE = 'WL028', HINT = 'Each hour of the week has one price.';
                END IF;
                v_week[v_slot] := v_price;
            END LOOP;
        END LOOP;
    END LOOP;
    v_slot := array_position(v_week, NULL);
    IF v_slot IS NOT NULL THEN
        RAISE EXCEPTION '% at %:00 has no price', v_day_names[(v_slot - 1) / 24 + 1], to_char((v_slot - 1) % 24, 'FM00')
            USING ERRCODE = 'WL028', HINT = 'Each hour of the week has one price.';
    END IF;
    RETURN v_week;
END;
$$;

COMMENT ON FUNCTION telemetry.week_prices(jsonb) IS
'Takes prices per kWh as ops.set_tariff has them: a number, or rows of price, weekdays (1, Monday, to 7; all), from and until (full local hours). Returns the price of each hour of the week, from Monday 00:00 on. Raises WL028 where a row cannot be read, or an hour has two prices or none.';

CREATE OR REPLACE FUNCTION telemetry.first_moment(day date, zone text)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_moment timestamptz := day::timestamp AT TIME ZONE zone;
BEGIN
    -- midnight comes twice where clocks go back to it
    IF ((v_moment - INTERVAL '1 hour') AT TIME ZONE zone)::date = day THEN
        v_moment := v_moment - INTERVAL '1 hour';
    END IF;
    RETURN v_moment;
END;
$$;

COMMENT ON FUNCTION telemetry.first_moment(date, text) IS
'Takes a day and a time zone''s name, whose clocks change by an hour. Returns the first moment of that local date; where the zone left the day out, that of the next one.';

CREATE OR REPLACE FUNCTION telemetry.check_whole_hours(zone text, first_day date, last_day date)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_day date;
BEGIN
    SELECT g.day INTO v_day
    FROM (
        SELECT first_day + g.number AS day
        FROM generate_series(0, coalesce(last_day, greatest(first_day + 3660, '2050-01-01')) - first_day) AS g (number)
    ) AS g
    WHERE date_part('minute', telemetry.day_start(g.day) AT TIME ZONE zone) <> 0
    LIMIT 1;
    IF found THEN
        RAISE EXCEPTION 'hours of % do not begin with those of UTC on %, and energy is kept by hours of UTC', zone, v_day
            USING ERRCODE = 'WL028',
                HINT = 'Only a zone that is whole hours off UTC can divide a day. Where one price holds all week, set it in UTC; else state the hours in UTC, to the nearest full hour.';
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.check_whole_hours(text, date, date) IS
'Takes a time zone''s name and the first and last day of a tariff (NULL: no end). Returns nothing. Raises WL028 where the zone is not whole hours off UTC on one of these days.';

-- unpinned and with the caller's rights, so that the planner can inline it
CREATE OR REPLACE FUNCTION telemetry.price_of(prices numeric[], local_time timestamp)
RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
-- the epoch began 96 hours before a Monday
RETURN prices[mod(floor(date_part('epoch', local_time) / 3600)::integer - 96, 168) + 1];

COMMENT ON FUNCTION telemetry.price_of(numeric[], timestamp) IS
'Takes the prices of the hours of a week, from Monday 00:00 on, and a local time of 1970 or later. Returns the price that holds then; NULL for NULL.';

CREATE OR REPLACE VIEW telemetry.standing_tariff AS
SELECT
    t.tariff_id,
    t.meter_id,
    t.zone,
    t.first_day,
    t.last_day,
    lower(t.during) AS since,
    coalesce(upper(t.during), 'infinity') AS until,
    t.currency,
    t.digits,
    t.prices
FROM telemetry.tariff AS t
WHERE t.cancels IS NULL
    AND NOT EXISTS (
        SELECT FROM telemetry.tariff AS c
        WHERE c.cancels = t.tariff_id
    );

COMMENT ON VIEW telemetry.standing_tariff IS 'The tariffs of telemetry.tariff that were not cancelled, with its columns.';
COMMENT ON COLUMN telemetry.standing_tariff.tariff_id IS 'Which tariff, in order.';
COMMENT ON COLUMN telemetry.standing_tariff.meter_id IS 'The meter; empty: all meters.';
COMMENT ON COLUMN telemetry.standing_tariff.zone IS 'The time zone of its days and hours.';
COMMENT ON COLUMN telemetry.standing_tariff.first_day IS 'The first local day on which it holds.';
COMMENT ON COLUMN telemetry.standing_tariff.last_day IS 'The last local day on which it holds; NULL: no end.';
COMMENT ON COLUMN telemetry.standing_tariff.since IS 'When it begins to hold.';
COMMENT ON COLUMN telemetry.standing_tariff.until IS 'When it ends, not included; infinity: no end.';
COMMENT ON COLUMN telemetry.standing_tariff.currency IS 'The currency''s code of ISO 4217.';
COMMENT ON COLUMN telemetry.standing_tariff.digits IS 'How many decimals the currency''s minor unit has.';
COMMENT ON COLUMN telemetry.standing_tariff.prices IS
'The price of a kWh in each local hour of the week, from Monday 00:00 on: 168 prices.';

REVOKE ALL ON FUNCTION
    telemetry.local_hour_of(jsonb, integer),
    telemetry.week_prices(jsonb),
    telemetry.first_moment(date, text),
    telemetry.check_whole_hours(text, date, date),
    telemetry.price_of(numeric[], timestamp)
FROM PUBLIC;
-- views of bi call it with the rights of whoever asks
GRANT EXECUTE ON FUNCTION telemetry.price_of(numeric[], timestamp) TO wattledger_bi;
