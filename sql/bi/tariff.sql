-- Tariffs that stand, for analysts: one row per price.

CREATE OR REPLACE VIEW bi.tariff AS
SELECT
    b.tariff_id,
    nullif(b.meter_id, '') AS meter_id,
    b.currency,
    b.zone,
    b.first_day,
    b.last_day,
    b.since,
    nullif(b.until, 'infinity') AS until,
    b.weekday,
    min(b.hour) AS from_hour,
    max(b.hour) + 1 AS until_hour,
    b.price::numeric(20, 6) AS price
FROM (
    SELECT
        h.*,
        -- hours of one price that follow one another
        h.hour - row_number() OVER (PARTITION BY h.tariff_id, h.weekday, h.price ORDER BY h.hour) AS band
    FROM (
        SELECT
            t.tariff_id,
            t.meter_id,
            t.currency,
            t.zone,
            t.first_day,
            t.last_day,
            t.since,
            t.until,
            ((p.number - 1) / 24 + 1)::integer AS weekday,
            ((p.number - 1) % 24)::integer AS hour,
            p.price
        FROM telemetry.standing_tariff AS t
        CROSS JOIN LATERAL unnest(t.prices) WITH ORDINALITY AS p (price, number)
    ) AS h
) AS b
GROUP BY
    b.tariff_id, b.meter_id, b.currency, b.zone, b.first_day, b.last_day, b.since, b.until, b.weekday, b.price, b.band;

COMMENT ON VIEW bi.tariff IS
'What a kWh costs, one row per tariff, weekday and hours of one price. Where several tariffs hold, a meter''s own goes before those of all meters, of these the one with the highest tariff_id.';
COMMENT ON COLUMN bi.tariff.tariff_id IS 'Which tariff, in the order in which they were made.';
COMMENT ON COLUMN bi.tariff.meter_id IS 'The meter whose own tariff it is; NULL: of all meters.';
COMMENT ON COLUMN bi.tariff.currency IS 'The currency, as a code of ISO 4217.';
COMMENT ON COLUMN bi.tariff.zone IS 'The time zone of its days and hours.';
COMMENT ON COLUMN bi.tariff.first_day IS 'The first local day on which it holds.';
COMMENT ON COLUMN bi.tariff.last_day IS 'The last local day on which it holds; NULL: no end.';
COMMENT ON COLUMN bi.tariff.since IS 'When it begins to hold.';
COMMENT ON COLUMN bi.tariff.until IS 'When it ends, not included; NULL: no end.';
COMMENT ON COLUMN bi.tariff.weekday IS 'The local weekday: 1, Monday, to 7, Sunday.';
COMMENT ON COLUMN bi.tariff.from_hour IS 'The first local hour of the price, 0 to 23.';
COMMENT ON COLUMN bi.tariff.until_hour IS
'The local hour at which it ends, not included, 1 to 24. An hour that clocks repeat has its price twice.';
COMMENT ON COLUMN bi.tariff.price IS 'The price of a kWh, in the currency''s unit.';

REVOKE ALL ON bi.tariff FROM PUBLIC;
GRANT SELECT ON bi.tariff TO wattledger_bi;
