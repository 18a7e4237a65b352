-- What a charger did over all of its vehicles in a window of time.

CREATE OR REPLACE FUNCTION api.meter_performance(
    meter_id text,
    since timestamptz DEFAULT NULL,
    until timestamptz DEFAULT NULL,
    acting_key text DEFAULT NULL
)
RETURNS TABLE (
    vehicle_id text,
    window_start timestamptz,
    window_end timestamptz,
    rounded_to text,
    ac_kwh numeric,
    ac_active_kwh numeric,
    ac_unlinked_kwh numeric,
    standby_kwh numeric,
    standby_w numeric,
    ac_matched_kwh numeric,
    dc_matched_kwh numeric,
    loss_kwh numeric,
    efficiency numeric,
    uncertainty numeric,
    coverage numeric,
    expected_efficiency numeric,
    frozen_side text,
    status text,
    meter_samples bigint,
    provisional_kwh_ac numeric,
    settled_until timestamptz,
    excess_loss_kwh numeric,
    cost numeric,
    standby_cost numeric,
    loss_cost numeric,
    excess_loss_cost numeric,
    currency text,
    cost_gap text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_since timestamptz;
    v_until timestamptz;
    v_hourly_since timestamptz;
    v_first timestamptz;
    v_end timestamptz;
BEGIN
    SELECT w.since, w.until INTO v_since, v_until
    FROM telemetry.asked_window(meter_performance.since, meter_performance.until) AS w;
    SELECT
        h.hourly_since,
        telemetry.answerable(v_since, h.raw_since, h.hourly_since),
        telemetry.answerable(v_until, h.raw_since, h.hourly_since)
    INTO v_hourly_since, v_first, v_end
    FROM telemetry.horizon AS h;

    RETURN QUERY
    WITH part AS MATERIALIZED (
        SELECT p.*, t.price, t.currency, t.digits
        FROM telemetry.charging_now(meter_performance.meter_id, v_first, v_end) AS p
        LEFT JOIN LATERAL telemetry.price_at(p.meter_id, p.hour) AS t ON TRUE
    ),
    summed AS (
        -- the charger's is the sum over its vehicles, and comes first
        SELECT
            p.vehicle_id,
            coalesce(sum(p.ac_mwh), 0) AS ac_mwh,
            coalesce(sum(p.ac_matched_mwh), 0) AS ac_matched_mwh,
            coalesce(sum(p.dc_mwh), 0) AS dc_mwh,
            coalesce(sum(p.dc_matched_mwh), 0) AS dc_matched_mwh,
            coalesce(sum(p.ac_standing_mwh), 0) AS ac_standing_mwh,
            coalesce(sum(p.dc_standing_mwh), 0) AS dc_standing_mwh,
            coalesce(sum(p.standby_mwh), 0) AS standby_mwh,
            coalesce(sum(p.edge_mwh), 0) AS edge_mwh,
            coalesce(sum(p.matched_us), 0) AS matched_us,
            min(p.ac_resolution_mwh) AS ac_resolution_mwh,
            min(p.dc_resolution_mwh) AS dc_resolution_mwh,
            min(p.battery_temp_mc) AS battery_temp_mc
        FROM part AS p
        WHERE p.vehicle_id <> ''
        GROUP BY GROUPING SETS ((), (p.vehicle_id))
    ),
    charged AS (
        -- the charger's is all that it drew
        SELECT
            p.vehicle_id,
            sum((p.ac_mwh + p.standby_mwh) * p.price) AS cost,
            sum(p.standby_mwh * p.price) AS standby_cost,
            sum(p.ac_matched_mwh * p.price) AS ac_matched_cost,
            sum(p.dc_matched_mwh * p.price) AS dc_matched_cost,
            min(p.currency) AS currency,
            max(p.digits) AS digits,
            telemetry.cost_gap(
                count(p.price),
                sum(p.ac_mwh + p.standby_mwh) FILTER (WHERE p.price IS NULL),
                min(p.currency),
                max(p.currency)
            ) AS cost_gap
        FROM part AS p
        GROUP BY GROUPING SETS ((), (p.vehicle_id))
    ),
    whole AS (
        SELECT
            coalesce(e.energy_mwh, 0) AS energy_mwh,
            coalesce(e.samples, 0) AS samples,
            e.provisional_mwh,
            e.settled_until,
            p.unlinked_mwh,
            p.standby_mwh,
            p.standby_us,
            EXISTS (
                SELECT FROM telemetry.charging_link AS l
                WHERE l.meter_id = meter_performance.meter_id AND l.during && tstzrange(v_first, v_end)
            ) AS is_linked
        FROM telemetry.meter_energy(meter_performance.meter_id, v_first, v_end, v_hourly_since) AS e
        CROSS JOIN (
            SELECT
                coalesce(sum(p.ac_mwh) FILTER (WHERE p.vehicle_id = ''), 0) AS unlinked_mwh,
                coalesce(sum(p.standby_mwh), 0) AS standby_mwh,
                coalesce(sum(p.standby_us), 0) AS standby_us
            FROM part AS p
        ) AS p
    )
    SELECT
        s.vehicle_id,
        v_first,
        v_end,
        CASE
            WHEN (v_first, v_end) = (v_since, v_until) THEN NULL
            WHEN v_since < v_hourly_since THEN 'day'
            ELSE 'hour'
        END,
        trim_scale(telemetry.kwh(w.energy_mwh)),
        trim_scale(telemetry.kwh(s.ac_mwh)),
        trim_scale(telemetry.kwh(w.unlinked_mwh)),
        trim_scale(telemetry.kwh(w.standby_mwh)),
        round((telemetry.mean_kw(w.standby_mwh, telemetry.span(w.standby_us)) * 1000)::numeric, 1),
        trim_scale(telemetry.kwh(s.ac_matched_mwh)),
        trim_scale(telemetry.kwh(s.dc_matched_mwh)),
        trim_scale(telemetry.kwh(s.ac_matched_mwh - s.dc_matched_mwh)),
        telemetry.efficiency(s.ac_matched_mwh, s.dc_matched_mwh),
        round(j.uncertainty::numeric, 4),
        round(j.coverage::numeric, 4),
        round(j.expected_efficiency::numeric, 6),
        j.frozen_side,
        CASE
            WHEN NOT w.is_linked THEN 'unlinked'
            WHEN w.samples = 0 AND s.ac_mwh + s.dc_mwh = 0 THEN 'no_data'
            ELSE j.verdict
        END,
        w.samples,
        trim_scale(telemetry.kwh(w.provisional_mwh)),
        w.settled_until,
        trim_scale(round(
            telemetry.kwh(
                telemetry.excess(s.ac_matched_mwh, s.dc_matched_mwh, j.expected_efficiency, j.verdict)
            ),
            6
        )),
        round(telemetry.cost(c.cost, c.cost_gap), c.digits),
        round(telemetry.cost(c.standby_cost, c.cost_gap), c.digits),
        round(telemetry.cost(c.ac_matched_cost - c.dc_matched_cost, c.cost_gap), c.digits),
        round(
            telemetry.cost(
                telemetry.excess(c.ac_matched_cost, c.dc_matched_cost, j.expected_efficiency, j.verdict),
                c.cost_gap
            ),
            c.digits
        ),
        CASE WHEN c.cost_gap IS NULL THEN c.currency END,
        c.cost_gap
    FROM summed AS s
    LEFT JOIN charged AS c ON c.vehicle_id IS NOT DISTINCT FROM s.vehicle_id
    -- of a vehicle, only what was charged is told
    LEFT JOIN whole AS w ON s.vehicle_id IS NULL
    CROSS JOIN telemetry.rules AS r
    CROSS JOIN LATERAL telemetry.judged(
        s.ac_mwh, s.ac_matched_mwh, s.dc_mwh, s.dc_matched_mwh, s.ac_standing_mwh, s.dc_standing_mwh,
        s.standby_mwh, s.edge_mwh, s.ac_resolution_mwh, s.dc_resolution_mwh, s.matched_us, s.battery_temp_mc,
        telemetry.is_drifting(s.vehicle_id, meter_performance.meter_id, v_first, v_end), r
    ) AS j
    WHERE s.vehicle_id IS NULL
        OR meter_performance.acting_key IS NULL
        OR telemetry.key_covers_link(meter_performance.acting_key, s.vehicle_id, meter_performance.meter_id)
    ORDER BY s.vehicle_id COLLATE "C" NULLS FIRST;
END;
$$;

COMMENT ON FUNCTION api.meter_performance(text, timestamptz, timestamptz, text) IS
'Takes a meter, a window: since (included; NULL: 24 hours before its end) and until (not included; NULL: now), and the id of the key that asks (NULL: none). Returns a row of the meter, in which vehicle_id is NULL, and then one of each vehicle that it charged in the window, of a key only those that it covers: the window as it was answered, NULL where its ends are exact, else hour or day as api.performance has it; of the meter alone the AC energy in kWh; AC above idle while the vehicle was linked (of the meter: any); of the meter alone AC above idle while none was, AC of idle time, linked or not, and its mean power in watts (NULL: none was idle); matched AC and DC in kWh, the loss and the efficiency of that (NULL without), by how much it may be wrong, the share of AC above idle that is matched, the least efficiency that a sound charge has, the side that is frozen (meter or vehicle; NULL: none), a status as telemetry.judged has it, of the meter also unlinked or no_data; and of the meter alone how many readings there are, how much of the AC energy in kWh is not settled yet, and a reading''s time before which all is (NULL: everything is settled); of each row again how much more AC in kWh was drawn in matched time than by a sound charge (NULL unless judged), and what AC above idle and standby (of the meter: linked or not), standby alone, the loss and that excess cost, each hour by the tariff that holds then, each rounded to the currency''s minor unit, with the currency (NULL where costs cannot be told), and why they cannot: no_tariff or currencies (NULL: they can). Raises WL002 where the window is empty.';

REVOKE ALL ON FUNCTION api.meter_performance(text, timestamptz, timestamptz, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.meter_performance(text, timestamptz, timestamptz, text) TO wattledger_service;
