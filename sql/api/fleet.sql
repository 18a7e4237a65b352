-- Losses of the whole fleet's charging, and which vehicles lose most.

CREATE OR REPLACE FUNCTION api.fleet(
    since timestamptz DEFAULT NULL,
    until timestamptz DEFAULT NULL,
    ordering text DEFAULT 'efficiency',
    after text DEFAULT NULL,
    page_size integer DEFAULT 100,
    of_site text DEFAULT NULL,
    of_group text DEFAULT NULL
)
RETURNS TABLE (
    vehicle_id text,
    place text,
    window_start timestamptz,
    window_end timestamptz,
    vehicles bigint,
    ac_kwh numeric,
    dc_kwh numeric,
    loss_kwh numeric,
    efficiency numeric,
    meter_coverage numeric,
    vehicle_coverage numeric,
    status text,
    ac_matched_kwh numeric,
    dc_matched_kwh numeric,
    ac_active_kwh numeric,
    standby_kwh numeric,
    coverage numeric,
    uncertainty numeric,
    expected_efficiency numeric,
    frozen_side text,
    judged_vehicles bigint, judged_ac_kwh numeric, judged_dc_kwh numeric, other_vehicles bigint,
    other_ac_kwh numeric, other_dc_kwh numeric, healthy bigint, drifting bigint, degraded bigint, impossible bigint,
    frozen bigint, insufficient bigint, idle bigint, excess_loss_kwh numeric, cost numeric, standby_cost numeric,
    loss_cost numeric, excess_loss_cost numeric, currency text, cost_gap text, name text, site text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan  -- rules and window are constants to the plan
SET work_mem = '64MB'  -- to group a fleet's hours in memory
AS $$
DECLARE
    v_rules telemetry.rules;
    v_since timestamptz;
    v_until timestamptz;
    v_kept_until timestamptz;
    v_after jsonb;
BEGIN
    IF ordering IN ('efficiency', 'loss', 'vehicle_id') IS NOT TRUE THEN
        RAISE EXCEPTION 'vehicles are ordered by efficiency, loss or vehicle_id' USING ERRCODE = 'WL004';
    END IF;
    v_after := CASE
        -- there an id says all
        WHEN ordering = 'vehicle_id' AND strpos(after, '/') = 0 THEN jsonb_build_array(0, 0, after)
        ELSE telemetry.sorted_by(after, ordering, ARRAY['number', 'number', 'string'])
    END;
    SELECT w.since, w.until, w.kept_until INTO v_since, v_until, v_kept_until
    FROM telemetry.kept_window(fleet.since, fleet.until) AS w;
    SELECT r.* INTO STRICT v_rules FROM telemetry.rules AS r;

    RETURN QUERY
    -- all of the fleet is looked at for its verdict alone: the rest is told of the page
    WITH judged AS MATERIALIZED (
        SELECT
            c.*,
            j.verdict,
            j.expected_efficiency,
            c.ac_matched_mwh * j.expected_efficiency AS expected_mwh
        FROM telemetry.fleet_charging(v_since, v_kept_until) AS c
        CROSS JOIN LATERAL telemetry.judged(
            c.ac_mwh, c.ac_matched_mwh, c.dc_mwh, c.dc_matched_mwh, c.ac_standing_mwh, c.dc_standing_mwh,
            c.standby_mwh, c.edge_mwh, c.ac_resolution_mwh, c.dc_resolution_mwh, c.matched_us, c.battery_temp_mc,
            -- few may, so that the others need not be looked at
            c.may_drift AND telemetry.is_drifting(c.vehicle_id, NULL, v_since, v_until), v_rules
        ) AS j
        WHERE (of_site IS NULL AND of_group IS NULL)
            OR c.vehicle_id IN (SELECT d.device_id FROM telemetry.labelled('vehicle_reading', of_site, of_group) AS d)
    ),
    by_verdict AS (
        SELECT
            j.verdict,
            telemetry.is_judged(j.verdict) AS is_judged,
            count(*) AS vehicles,
            sum(j.ac_mwh::bigint) AS ac_mwh, sum(j.ac_matched_mwh::bigint) AS ac_matched_mwh,
            sum(j.dc_mwh::bigint) AS dc_mwh, sum(j.dc_matched_mwh::bigint) AS dc_matched_mwh,
            sum(j.standby_mwh::bigint) AS standby_mwh, sum(j.edge_mwh) AS edge_mwh,
            sum(j.expected_mwh) AS expected_mwh,
            -- of few vehicles, so that the others need no exact figures
            sum(
                telemetry.excess(j.ac_matched_mwh::bigint, j.dc_matched_mwh::bigint, j.expected_efficiency, j.verdict)
            ) FILTER (WHERE j.dc_matched_mwh * 0.99999 <= j.expected_mwh) AS excess_mwh,
            min(j.ac_resolution_mwh) AS ac_resolution_mwh,
            min(j.dc_resolution_mwh) AS dc_resolution_mwh,
            sum(j.meter_samples) AS meter_samples,
            sum(j.vehicle_samples) AS vehicle_samples
        FROM judged AS j
        GROUP BY j.verdict
    ),
    total AS (
        SELECT
            coalesce(sum(v.vehicles), 0)::bigint AS vehicles,
            coalesce(sum(v.ac_mwh + v.standby_mwh), 0) AS all_ac_mwh,
            coalesce(sum(v.dc_mwh), 0) AS all_dc_mwh,
            coalesce(sum(v.ac_mwh), 0) AS active_mwh,
            coalesce(sum(v.standby_mwh), 0) AS standby_mwh,
            coalesce(sum(v.meter_samples), 0)::bigint AS meter_samples,
            coalesce(sum(v.vehicle_samples), 0)::bigint AS vehicle_samples,
            coalesce(sum(v.vehicles) FILTER (WHERE v.is_judged), 0)::bigint AS judged_vehicles,
            coalesce(sum(v.ac_mwh + v.standby_mwh) FILTER (WHERE v.is_judged), 0) AS judged_ac_mwh,
            coalesce(sum(v.ac_mwh) FILTER (WHERE v.is_judged), 0) AS ac_mwh,
            coalesce(sum(v.ac_matched_mwh) FILTER (WHERE v.is_judged), 0) AS ac_matched_mwh,
            coalesce(sum(v.dc_mwh) FILTER (WHERE v.is_judged), 0) AS dc_mwh,
            coalesce(sum(v.dc_matched_mwh) FILTER (WHERE v.is_judged), 0) AS dc_matched_mwh,
            coalesce(sum(v.edge_mwh) FILTER (WHERE v.is_judged), 0) AS edge_mwh,
            sum(v.expected_mwh) FILTER (WHERE v.is_judged) AS expected_mwh,
            CASE WHEN bool_or(v.is_judged) THEN coalesce(sum(v.excess_mwh), 0) END AS excess_mwh,
            min(v.ac_resolution_mwh) FILTER (WHERE v.is_judged) AS ac_resolution_mwh,
            min(v.dc_resolution_mwh) FILTER (WHERE v.is_judged) AS dc_resolution_mwh,
            '{"healthy": 0, "drifting": 0, "degraded": 0, "impossible": 0, "frozen": 0, "insufficient": 0, "idle": 0}'
            || coalesce(jsonb_object_agg(v.verdict, v.vehicles), '{}') AS statuses
        FROM by_verdict AS v
    ),
    page AS (
        SELECT k.*
        FROM (
            SELECT
                j.*,
                j.vehicle_id COLLATE "C" AS id,
                CASE fleet.ordering
                    WHEN 'vehicle_id' THEN 0
                    -- what cannot be judged comes last, whatever its ratio; of that, what has none
                    ELSE CASE
                        WHEN telemetry.is_judged(j.verdict) THEN 0
                        WHEN j.ac_matched_mwh > 0 THEN 1
                        ELSE 2
                    END
                END AS class,
                CASE fleet.ordering
                    WHEN 'efficiency' THEN coalesce(j.dc_matched_mwh / nullif(j.ac_matched_mwh, 0), 0)
                    WHEN 'loss' THEN j.dc_matched_mwh - j.ac_matched_mwh
                    ELSE 0
                END AS figure
            FROM judged AS j
        ) AS k
        WHERE v_after IS NULL
            OR (k.class, k.figure, k.id)
            > ((v_after ->> 0)::integer, (v_after ->> 1)::double precision, v_after ->> 2)
        ORDER BY k.class, k.figure, k.id
        LIMIT fleet.page_size
    ),
    costed AS MATERIALIZED (
        SELECT
            c.*,
            telemetry.is_judged(j.verdict) AS is_judged,
            telemetry.excess(c.ac_matched_cost, c.dc_matched_cost, j.expected_efficiency, j.verdict) AS excess_cost
        FROM telemetry.fleet_costs(v_since, v_kept_until) AS c
        INNER JOIN judged AS j ON j.vehicle_id = c.vehicle_id
    ),
    charged AS (
        SELECT
            NULL AS vehicle_id,
            sum(c.cost) AS cost,
            sum(c.standby_cost) AS standby_cost,
            sum(c.ac_matched_cost - c.dc_matched_cost) FILTER (WHERE c.is_judged) AS loss_cost,
            sum(c.excess_cost) AS excess_cost,
            min(c.currency) AS currency,
            max(c.digits) AS digits,
            telemetry.cost_gap_of_all(max(c.cost_gap), min(c.currency), max(c.currency)) AS cost_gap
        FROM costed AS c
        UNION ALL
        SELECT
            c.vehicle_id, c.cost, c.standby_cost, c.ac_matched_cost - c.dc_matched_cost, c.excess_cost,
            c.currency, c.digits, c.cost_gap
        FROM costed AS c
        WHERE c.vehicle_id IN (SELECT k.vehicle_id FROM page AS k)
    ),
    shown AS (
        SELECT
            -1 AS class,
            0::double precision AS figure,
            NULL AS vehicle_id, NULL AS place, t.vehicles, t.all_ac_mwh, t.all_dc_mwh, t.meter_samples,
            t.vehicle_samples,
            (
                -- in a filter all are hashed at once, where a join would look up each
                SELECT sum(telemetry.linked_time(l.during, v_since, v_until))
                    FILTER (WHERE l.vehicle_id IN (SELECT j.vehicle_id FROM judged AS j))
                FROM telemetry.charging_link AS l
                WHERE l.during && tstzrange(v_since, v_until)
            ) AS linked,
            CASE
                WHEN t.vehicles = 0 THEN 'no_data'
                WHEN t.judged_vehicles > 0 THEN
                    CASE WHEN v.efficiency + v.uncertainty < e.expected THEN 'degraded' ELSE 'healthy' END
                WHEN t.statuses @> jsonb_build_object('idle', t.vehicles) THEN 'idle'
                ELSE 'insufficient'
            END AS verdict,
            t.ac_matched_mwh, t.dc_matched_mwh, t.active_mwh, t.standby_mwh, v.coverage, v.uncertainty, e.expected,
            NULL AS frozen_side, t.judged_vehicles, t.judged_ac_mwh, t.dc_mwh AS judged_dc_mwh, t.statuses,
            t.excess_mwh
        FROM total AS t
        CROSS JOIN LATERAL telemetry.judged(
            t.ac_mwh, t.ac_matched_mwh, t.dc_mwh, t.dc_matched_mwh, 0, 0, 0, t.edge_mwh,
            t.ac_resolution_mwh, t.dc_resolution_mwh, NULL, NULL, FALSE, v_rules
        ) AS v
        -- each by its own power and temperature
        CROSS JOIN LATERAL (SELECT t.expected_mwh / nullif(t.ac_matched_mwh, 0)) AS e (expected)
        UNION ALL
        SELECT
            k.class,
            k.figure,
            k.vehicle_id,
            telemetry.place(fleet.ordering, jsonb_build_array(k.class, k.figure, k.vehicle_id)),
            NULL,
            (k.ac_mwh + k.standby_mwh)::bigint,
            k.dc_mwh::bigint,
            k.meter_samples::bigint,
            k.vehicle_samples::bigint,
            (
                SELECT sum(telemetry.linked_time(l.during, v_since, v_until))
                FROM telemetry.charging_link AS l
                WHERE l.vehicle_id = k.vehicle_id AND l.during && tstzrange(v_since, v_until)
            ),
            k.verdict, k.ac_matched_mwh::bigint, k.dc_matched_mwh::bigint, k.ac_mwh::bigint, k.standby_mwh::bigint,
            v.coverage, v.uncertainty, v.expected_efficiency, v.frozen_side, NULL, NULL, NULL, NULL,
            telemetry.excess(k.ac_matched_mwh::bigint, k.dc_matched_mwh::bigint, v.expected_efficiency, k.verdict)
        FROM page AS k
        CROSS JOIN LATERAL telemetry.judged(
            k.ac_mwh, k.ac_matched_mwh, k.dc_mwh, k.dc_matched_mwh, k.ac_standing_mwh, k.dc_standing_mwh,
            k.standby_mwh, k.edge_mwh, k.ac_resolution_mwh, k.dc_resolution_mwh, k.matched_us, k.battery_temp_mc, FALSE, v_rules
        ) AS v
    )
    SELECT
        s.vehicle_id,
        s.place,
        v_since,
        v_until,
        s.vehicles,
        trim_scale(telemetry.kwh(s.all_ac_mwh)),
        trim_scale(telemetry.kwh(s.all_dc_mwh)),
        trim_scale(telemetry.kwh(s.ac_matched_mwh - s.dc_matched_mwh)),
        telemetry.efficiency(s.ac_matched_mwh, s.dc_matched_mwh),
        telemetry.coverage(s.meter_samples, coalesce(s.linked, INTERVAL '0'), v_rules.reading_interval),
        telemetry.coverage(s.vehicle_samples, coalesce(s.linked, INTERVAL '0'), v_rules.reading_interval),
        s.verdict,
        trim_scale(telemetry.kwh(s.ac_matched_mwh)),
        trim_scale(telemetry.kwh(s.dc_matched_mwh)),
        trim_scale(telemetry.kwh(s.active_mwh)),
        trim_scale(telemetry.kwh(s.standby_mwh)),
        round(s.coverage::numeric, 4),
        round(s.uncertainty::numeric, 4),
        round(s.expected::numeric, 6),
        s.frozen_side,
        s.judged_vehicles,
        trim_scale(telemetry.kwh(s.judged_ac_mwh)),
        trim_scale(telemetry.kwh(s.judged_dc_mwh)),
        s.vehicles - s.judged_vehicles,
        trim_scale(telemetry.kwh(s.all_ac_mwh - s.judged_ac_mwh)),
        trim_scale(telemetry.kwh(s.all_dc_mwh - s.judged_dc_mwh)),
        (s.statuses ->> 'healthy')::bigint, (s.statuses ->> 'drifting')::bigint, (s.statuses ->> 'degraded')::bigint,
        (s.statuses ->> 'impossible')::bigint, (s.statuses ->> 'frozen')::bigint,
        (s.statuses ->> 'insufficient')::bigint, (s.statuses ->> 'idle')::bigint,
        trim_scale(round(telemetry.kwh(s.excess_mwh), 6)),
        round(telemetry.cost(c.cost, c.cost_gap), c.digits),
        round(telemetry.cost(c.standby_cost, c.cost_gap), c.digits),
        round(telemetry.cost(c.loss_cost, c.cost_gap), c.digits),
        round(telemetry.cost(c.excess_cost, c.cost_gap), c.digits),
        CASE WHEN c.cost_gap IS NULL THEN c.currency END,
        CASE WHEN c.digits IS NULL THEN 'no_tariff' ELSE c.cost_gap END,
        d.name,
        d.site
    FROM shown AS s
    LEFT JOIN charged AS c ON c.vehicle_id IS NOT DISTINCT FROM s.vehicle_id
    LEFT JOIN telemetry.device_label AS d ON d.dataset = 'vehicle_reading' AND d.device_id = s.vehicle_id
    ORDER BY s.class, s.figure, s.vehicle_id COLLATE "C";
END;
$$;

COMMENT ON FUNCTION api.fleet(timestamptz, timestamptz, text, text, integer, text, text) IS
'Takes a window: since (NULL: 24 hours before its end) and until (NULL: now), an ordering, the place of the last vehicle of the page before (by vehicle_id, also its id; NULL: the first page), a page size, and a site and a group (NULL: any), of which alone the vehicles are that make up the fleet. Returns a row of the fleet, in which vehicle_id is NULL, and then vehicles that were linked and had readings, worst first: by efficiency (lowest first), by loss (highest first), in either those that cannot be judged last, or by vehicle_id. Each for the whole hours that the window touches, in UTC (whole days where the hours are gone), as charging is kept, at most minutes ago: the window, energy in kWh of both sides as far as readings explain it (AC above idle and of idle time), loss and efficiency of matched time, the share of the expected readings that came, what telemetry.judged says, and a vehicle''s place. Of the fleet, loss, efficiency and all that is said of them are those of the vehicles that are judged (healthy, drifting or degraded): what cannot be judged is no loss; how many vehicles there are in all and of each status; and of those that are judged, and of the others, how many there are and the energy of both sides. How much more AC in kWh was drawn in matched time than by sound charges (NULL unless judged), and what AC above idle and standby, standby alone, the loss and that excess cost, each rounded to the currency''s minor unit, with the currency (NULL where costs cannot be told), and why they cannot: no_tariff or currencies (NULL: they can); of a vehicle, what people call it and its site (NULL: not said). Its status is no_data where there are no vehicles, idle where all are, insufficient where none is judged. What follows a place does not depend on which vehicle had it: one whose figures do not change is on one page, whatever becomes of others meanwhile. Raises WL002 where the window is empty, WL004 for another ordering, WL008 where the place cannot be read or is of another ordering.';

REVOKE ALL ON FUNCTION api.fleet(timestamptz, timestamptz, text, text, integer, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.fleet(timestamptz, timestamptz, text, text, integer, text, text) TO wattledger_service;
