-- What charging cost: kept hours by the tariff that holds, and sessions, each rounded once.

-- unpinned and with the caller's rights, so that the planner can inline it
CREATE OR REPLACE FUNCTION telemetry.price_at(meter_id text, hour timestamptz)
RETURNS TABLE (price numeric, currency text, digits smallint)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT telemetry.price_of(t.prices, price_at.hour AT TIME ZONE t.zone), t.currency, t.digits
    FROM telemetry.standing_tariff AS t
    WHERE t.meter_id IN (price_at.meter_id, '') AND price_at.hour >= t.since AND price_at.hour < t.until
    ORDER BY t.meter_id DESC, t.tariff_id DESC
    LIMIT 1
$$;

COMMENT ON FUNCTION telemetry.price_at(text, timestamptz) IS
'Takes a meter and the start of an hour. Returns a row of the price of a kWh, its currency and how many decimals that has, by the tariff that holds: the meter''s own before those of all meters, of these the last one that was made; no row where none holds.';

CREATE OR REPLACE VIEW telemetry.priced_part AS
SELECT
    p.meter_id,
    p.hour,
    p.since,
    p.until,
    p.vehicle_id,
    (p.ac_mwh::numeric + p.standby_mwh) * t.price AS cost,
    p.standby_mwh * t.price AS standby_cost,
    p.ac_matched_mwh * t.price AS ac_matched_cost,
    p.dc_matched_mwh * t.price AS dc_matched_cost,
    CASE WHEN t.price IS NULL THEN p.ac_mwh::numeric + p.standby_mwh ELSE 0 END AS unpriced_mwh,
    t.price,
    t.currency,
    t.digits,
    p.standby_mwh
FROM telemetry.charging_part AS p
-- as telemetry.price_at has it, which those who ask bi may not look into
LEFT JOIN LATERAL (
    SELECT
        telemetry.price_of(s.prices, p.hour AT TIME ZONE s.zone) AS price,
        s.currency,
        s.digits
    FROM telemetry.standing_tariff AS s
    WHERE s.meter_id IN (p.meter_id, '') AND p.hour >= s.since AND p.hour < s.until
    ORDER BY s.meter_id DESC, s.tariff_id DESC
    LIMIT 1
) AS t ON TRUE
-- without any tariff no hour is looked at
WHERE EXISTS (SELECT FROM telemetry.standing_tariff);

COMMENT ON VIEW telemetry.priced_part IS
'What flowed at a meter by hours, as telemetry.charging_part has it, with the price that holds; empty where there is no tariff at all.';
COMMENT ON COLUMN telemetry.priced_part.meter_id IS 'The meter.';
COMMENT ON COLUMN telemetry.priced_part.hour IS 'Start of the hour, in UTC.';
COMMENT ON COLUMN telemetry.priced_part.since IS 'Start of the part.';
COMMENT ON COLUMN telemetry.priced_part.until IS 'End of the part, not included.';
COMMENT ON COLUMN telemetry.priced_part.vehicle_id IS 'The vehicle that was linked; empty: none.';
COMMENT ON COLUMN telemetry.priced_part.cost IS
'What AC above idle and of idle time cost, in millionths of the currency''s unit; NULL: no tariff holds.';
COMMENT ON COLUMN telemetry.priced_part.standby_cost IS 'What AC of idle time cost, likewise.';
COMMENT ON COLUMN telemetry.priced_part.ac_matched_cost IS 'What matched AC cost, likewise.';
COMMENT ON COLUMN telemetry.priced_part.dc_matched_cost IS 'What as much AC as was matched DC cost, likewise.';
COMMENT ON COLUMN telemetry.priced_part.unpriced_mwh IS
'AC energy without a price, above idle and of idle time, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.priced_part.price IS 'The price of a kWh; NULL: no tariff holds.';
COMMENT ON COLUMN telemetry.priced_part.currency IS 'Its currency''s code of ISO 4217; NULL: no tariff holds.';
COMMENT ON COLUMN telemetry.priced_part.digits IS
'How many decimals the currency''s minor unit has; NULL: no tariff holds.';
COMMENT ON COLUMN telemetry.priced_part.standby_mwh IS 'AC energy of idle time, in milliwatt-hours.';

CREATE OR REPLACE FUNCTION telemetry.cost_gap(
    priced bigint,
    unpriced_mwh numeric,
    first_currency text,
    last_currency text
)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN priced = 0 OR unpriced_mwh > 0 THEN 'no_tariff'
    WHEN first_currency <> last_currency THEN 'currencies'
END;

COMMENT ON FUNCTION telemetry.cost_gap(bigint, numeric, text, text) IS
'Takes how many hours have a price, how much AC energy in milliwatt-hours flowed in those that have none (NULL: none did), and the first and last currency by their codes. Returns why the cost of all cannot be told: no_tariff, or currencies, where there are several, which are never added; NULL where it can.';

CREATE OR REPLACE FUNCTION telemetry.cost_gap_of_all(last_gap text, first_currency text, last_currency text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
-- no_tariff comes after currencies in the alphabet, and goes before it
RETURN coalesce(last_gap, CASE WHEN first_currency <> last_currency THEN 'currencies' END);

COMMENT ON FUNCTION telemetry.cost_gap_of_all(text, text, text) IS
'Takes, of several costs, the last by the alphabet of what telemetry.cost_gap has of each, and their first and last currency by their codes. Returns why their sum cannot be told: no_tariff before currencies; NULL where it can.';

CREATE OR REPLACE FUNCTION telemetry.cost(millionths numeric, cost_gap text)
RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN cost_gap IS NULL THEN telemetry.kwh(millionths) END;

COMMENT ON FUNCTION telemetry.cost(numeric, text) IS
'Takes a cost in millionths of a currency''s unit, which is milliwatt-hours times the price of a kWh, and why it cannot be told. Returns it in the currency''s unit, exactly; NULL where it cannot be told.';

CREATE OR REPLACE FUNCTION telemetry.excess(
    ac_matched numeric,
    dc_matched numeric,
    expected double precision,
    verdict text
)
RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN telemetry.is_judged(verdict)
        THEN greatest(ac_matched - dc_matched / nullif(expected::numeric(26, 6), 0), 0)
END;

COMMENT ON FUNCTION telemetry.excess(numeric, numeric, double precision, text) IS
'Takes matched AC and DC, as energy or as cost, the efficiency that is expected, and the verdict. Returns how much more AC was drawn than a sound charge of the expected efficiency, to six decimals, takes for the same DC: AC - DC / expected, at least 0; NULL unless judged (healthy, drifting or degraded).';

REVOKE ALL ON FUNCTION
    telemetry.price_at(text, timestamptz),
    telemetry.cost_gap(bigint, numeric, text, text),
    telemetry.cost_gap_of_all(text, text, text),
    telemetry.cost(numeric, text),
    telemetry.excess(numeric, numeric, double precision, text)
FROM PUBLIC;
-- views of bi call them with the rights of whoever asks
GRANT EXECUTE ON FUNCTION
    telemetry.cost_gap(bigint, numeric, text, text),
    telemetry.cost(numeric, text),
    telemetry.excess(numeric, numeric, double precision, text)
TO wattledger_bi;
