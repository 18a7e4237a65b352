-- Losses of all chargers, the worst first.

CREATE OR REPLACE FUNCTION api.fleet_meters(
    since timestamptz DEFAULT NULL,
    until timestamptz DEFAULT NULL,
    ordering text DEFAULT 'efficiency',
    after text DEFAULT NULL,
    page_size integer DEFAULT 100
)
RETURNS TABLE (
    meter_id text,
    place text,
    window_start timestamptz,
    window_end timestamptz,
    meters bigint,
    vehicles bigint,
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
    IF ordering IN ('efficiency', 'loss', 'meter_id') IS NOT TRUE THEN
        RAISE EXCEPTION 'meters are ordered by efficiency, loss or meter_id' USING ERRCODE = 'WL004';
    END IF;
    v_after := telemetry.sorted_by(after, ordering, ARRAY['number', 'number', 'string']);
    SELECT w.since, w.until, w.kept_until INTO v_since, v_until, v_kept_until
    FROM telemetry.kept_window(fleet_meters.since, fleet_meters.until) AS w;
    SELECT r.* INTO STRICT v_rules FROM telemetry.rules AS r;

    RETURN QUERY
    WITH judged AS MATERIALIZED (
        SELECT
            c.*,
            c.meter_id COLLATE "C" AS id,
            j.efficiency, j.uncertainty, j.coverage, j.expected_efficiency, j.frozen_side,
            CASE WHEN c.vehicles = 0 THEN 'unlinked' ELSE j.verdict END AS verdict
        FROM telemetry.chargers_charging(v_since, v_kept_until) AS c
        CROSS JOIN LATERAL telemetry.judged(
            c.ac_mwh, c.ac_matched_mwh, c.dc_mwh, c.dc_matched_mwh, c.ac_standing_mwh, c.dc_standing_mwh,
            c.standby_mwh, c.edge_mwh, c.ac_resolution_mwh, c.dc_resolution_mwh, c.matched_us, c.battery_temp_mc,
            -- few may, so that the others need not be looked at
            c.may_drift AND telemetry.is_drifting(NULL, c.meter_id, v_since, v_until), v_rules
        ) AS j
    ),
    page AS MATERIALIZED (
        SELECT k.*
        FROM (
            SELECT
                j.*,
                CASE
                    WHEN fleet_meters.ordering = 'meter_id' OR telemetry.is_judged(j.verdict) THEN 0
                    -- what cannot be judged comes last, whatever its ratio; of that, what has none
                    WHEN j.ac_matched_mwh > 0 THEN 1
                    ELSE 2
                END AS class,
                CASE fleet_meters.ordering
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
        LIMIT fleet_meters.page_size
    )
    SELECT
        NULL, NULL, v_since, v_until, (SELECT count(*) FROM judged AS j),
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
        NULL, NULL, NULL, NULL
    UNION ALL
    (
        SELECT
            k.meter_id,
            telemetry.place(fleet_meters.ordering, jsonb_build_array(k.class, k.figure, k.meter_id)),
            v_since,
            v_until,
            NULL,
            k.vehicles,
            trim_scale(telemetry.kwh((k.ac_mwh + k.unlinked_mwh + k.standby_mwh)::bigint)),
            trim_scale(telemetry.kwh(k.ac_mwh::bigint)),
            trim_scale(telemetry.kwh(k.unlinked_mwh::bigint)),
            trim_scale(telemetry.kwh(k.standby_mwh::bigint)),
            round((telemetry.mean_kw(k.standby_mwh::bigint, telemetry.span(k.standby_us::bigint)) * 1000)::numeric, 1),
            trim_scale(telemetry.kwh(k.ac_matched_mwh::bigint)),
            trim_scale(telemetry.kwh(k.dc_matched_mwh::bigint)),
            trim_scale(telemetry.kwh((k.ac_matched_mwh - k.dc_matched_mwh)::bigint)),
            telemetry.efficiency(k.ac_matched_mwh::bigint, k.dc_matched_mwh::bigint),
            round(k.uncertainty::numeric, 4),
            round(k.coverage::numeric, 4),
            round(k.expected_efficiency::numeric, 6),
            k.frozen_side,
            k.verdict,
            trim_scale(round(
                telemetry.kwh(telemetry.excess(
                    k.ac_matched_mwh::bigint, k.dc_matched_mwh::bigint, k.expected_efficiency, k.verdict
                )),
                6
            )),
            round(telemetry.cost(c.cost, c.cost_gap), c.digits),
            round(telemetry.cost(c.standby_cost, c.cost_gap), c.digits),
            round(telemetry.cost(c.ac_matched_cost - c.dc_matched_cost, c.cost_gap), c.digits),
            round(
                telemetry.cost(
                    telemetry.excess(c.ac_matched_cost, c.dc_matched_cost, k.expected_efficiency, k.verdict),
                    c.cost_gap
                ),
                c.digits
            ),
            CASE WHEN c.cost_gap IS NULL THEN c.currency END,
            CASE WHEN c.digits IS NULL THEN 'no_tariff' ELSE c.cost_gap END
        FROM page AS k
        LEFT JOIN telemetry.chargers_costs(ARRAY(SELECT p.meter_id FROM page AS p), v_since, v_kept_until) AS c
            ON c.meter_id = k.meter_id
        ORDER BY k.class, k.figure, k.id
    );
END;
$$;

COMMENT ON FUNCTION api.fleet_meters(timestamptz, timestamptz, text, text, integer) IS
'Takes a window: since (NULL: 24 hours before its end) and until (NULL: now), an ordering, the place of the last meter of the page before (NULL: the first page) and a page size. Returns a row in which meter_id is NULL, with the window and how many meters there are, and then meters of which charging is kept in the window, worst first as api.fleet has vehicles: by efficiency, by loss, or by meter_id. Each for the whole hours that the window touches, in UTC (whole days where the hours are gone), as charging is kept, at most minutes ago: how many vehicles were linked, energy in kWh as api.meter_performance has it (all AC: above idle, linked or not, and standby), what telemetry.judged says of all its vehicles, also unlinked where there were none, and costs as there. Raises WL002 where the window is empty, WL004 for another ordering, WL008 where the place cannot be read or is of another ordering.';

REVOKE ALL ON FUNCTION api.fleet_meters(timestamptz, timestamptz, text, text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.fleet_meters(timestamptz, timestamptz, text, text, integer) TO wattledger_service;
