-- A month of a vehicle or of a meter: what an employer, a landlord or a tax office asks of charging.

CREATE OR REPLACE FUNCTION api.month_report(
    of_vehicle_id text DEFAULT NULL,
    of_meter_id text DEFAULT NULL,
    month text DEFAULT NULL,
    zone text DEFAULT NULL,
    acting_key text DEFAULT NULL
)
RETURNS TABLE (
    part text,
    window_start timestamptz,
    window_end timestamptz,
    day date,
    meter_id text,
    vehicle_id text,
    session_id text,
    status text,
    sessions bigint,
    ac_kwh numeric,
    dc_kwh numeric,
    standby_kwh numeric,
    ac_matched_kwh numeric,
    dc_matched_kwh numeric,
    loss_kwh numeric,
    excess_loss_kwh numeric,
    ac_register_start_kwh numeric,
    ac_register_end_kwh numeric,
    dc_register_start_kwh numeric,
    dc_register_end_kwh numeric,
    explained_kwh numeric,
    corrected_kwh numeric,
    cost numeric,
    standby_cost numeric,
    loss_cost numeric,
    excess_loss_cost numeric,
    currency text,
    cost_gap text,
    is_settled boolean,
    settled_until timestamptz,
    provisional_kwh numeric,
    zone_name text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_dataset text := CASE WHEN of_meter_id IS NULL THEN 'vehicle_reading' ELSE 'meter_reading' END;
    v_device_id text := coalesce(of_meter_id, of_vehicle_id);
    v_year integer;
    v_month integer;
    v_since timestamptz;
    v_until timestamptz;
    -- hours are counted as a whole: one that midnight cuts is of the day in which it starts
    v_first_hour timestamptz;
    v_end_hour timestamptz;
    v_energy record;
    v_changes record;
    v_start_mwh bigint;
    v_end_mwh bigint;
BEGIN
    IF num_nonnulls(of_vehicle_id, of_meter_id) <> 1 THEN
        RAISE EXCEPTION 'a report is of one vehicle or of one meter'
            USING ERRCODE = 'WL002', HINT = 'Send "vehicle" or "meter", and not both.';
    END IF;
    IF (month ~ '^20[0-9]{2}-(0[1-9]|1[0-2])$') IS NOT TRUE THEN
        RAISE EXCEPTION '"%" is no month', coalesce(month, 'null')
            USING ERRCODE = 'WL002', HINT = 'Send "month" as a year and a month, such as 2026-01, of the years 2000 to 2099.';
    END IF;
    zone := coalesce(zone, 'UTC');
    PERFORM telemetry.check_zone(zone);
    v_year := split_part(month, '-', 1)::integer;
    v_month := split_part(month, '-', 2)::integer;
    v_since := telemetry.first_moment(make_date(v_year, v_month, 1), zone);
    v_until := telemetry.first_moment(make_date(v_year + v_month / 12, v_month % 12 + 1, 1), zone);
    v_first_hour := telemetry.ceiling_hour(v_since);
    v_end_hour := telemetry.ceiling_hour(v_until);
    IF v_first_hour < (SELECT h.hourly_since FROM telemetry.horizon AS h) THEN
        RAISE EXCEPTION 'hours of % are no longer kept', month
            USING ERRCODE = 'WL002', HINT = 'Ask for a later month: "/v1/sessions" has the sessions of earlier ones.';
    END IF;

    IF of_meter_id IS NULL THEN
        SELECT e.energy_mwh, e.provisional_mwh, e.settled_until INTO v_energy
        FROM telemetry.vehicle_energy(of_vehicle_id, v_first_hour, v_end_hour, '-infinity') AS e;
    ELSE
        SELECT e.energy_mwh, e.provisional_mwh, e.settled_until INTO v_energy
        FROM telemetry.meter_energy(of_meter_id, v_first_hour, v_end_hour, '-infinity') AS e;
    END IF;
    SELECT r.explained_mwh, r.corrected_mwh INTO v_changes
    FROM telemetry.register_changes(v_dataset, v_device_id, v_first_hour, v_end_hour) AS r;
    v_start_mwh := telemetry.register_level(v_dataset, v_device_id, v_first_hour);
    v_end_mwh := telemetry.register_level(v_dataset, v_device_id, least(v_end_hour, telemetry.ceiling_hour(now())));

    RETURN QUERY
    WITH charge AS MATERIALIZED (
        -- by start: one across midnight of the first is of the month in which it began
        SELECT s.*
        FROM api.charging_sessions(
            of_vehicle_id => month_report.of_vehicle_id,
            of_meter_id => month_report.of_meter_id,
            since => v_since,
            until => v_until,
            page_size => 1000000,
            acting_key => month_report.acting_key
        ) AS s
    ),
    local_day AS MATERIALIZED (
        SELECT d.* FROM telemetry.device_days(of_vehicle_id, of_meter_id, v_first_hour, v_end_hour, zone) AS d
    ),
    -- sums of what is listed, so that they agree to the cent
    added_days AS (
        SELECT
            coalesce(sum(d.ac_mwh), 0) AS ac_mwh,
            coalesce(sum(d.dc_mwh), 0) AS dc_mwh,
            coalesce(sum(d.standby_mwh), 0) AS standby_mwh,
            sum(d.cost) AS cost,
            sum(d.standby_cost) AS standby_cost,
            min(d.currency) AS currency,
            telemetry.cost_gap_of_all(max(d.cost_gap), min(d.currency), max(d.currency)) AS cost_gap
        FROM local_day AS d
    ),
    added_sessions AS (
        SELECT
            count(*) AS sessions,
            coalesce(sum(c.ac_kwh), 0) AS ac_kwh,
            coalesce(sum(c.dc_kwh), 0) AS dc_kwh,
            coalesce(sum(c.standby_kwh), 0) AS standby_kwh,
            coalesce(sum(c.ac_matched_kwh), 0) AS ac_matched_kwh,
            coalesce(sum(c.dc_matched_kwh), 0) AS dc_matched_kwh,
            coalesce(sum(c.loss_kwh), 0) AS loss_kwh,
            coalesce(sum(c.excess_loss_kwh), 0) AS excess_loss_kwh,
            sum(c.cost) AS cost,
            sum(c.standby_cost) AS standby_cost,
            sum(c.loss_cost) AS loss_cost,
            sum(c.excess_loss_cost) AS excess_loss_cost,
            min(c.currency) AS currency,
            telemetry.cost_gap_of_all(max(c.cost_gap), min(c.currency), max(c.currency)) AS cost_gap
        FROM charge AS c
    ),
    told (
        place, part, window_start, window_end, day, meter_id, vehicle_id, session_id, status, sessions, ac_kwh,
        dc_kwh, standby_kwh, ac_matched_kwh, dc_matched_kwh, loss_kwh, excess_loss_kwh, ac_register_start_kwh,
        ac_register_end_kwh, dc_register_start_kwh, dc_register_end_kwh, explained_kwh, corrected_kwh, cost,
        standby_cost, loss_cost, excess_loss_cost, currency, cost_gap, is_settled, settled_until, provisional_kwh,
        zone_name
    ) AS (
        SELECT
            1, 'month', v_since, v_until, CAST(NULL AS date), of_meter_id, of_vehicle_id, NULL, NULL, NULL,
            telemetry.kwh(d.ac_mwh + CASE WHEN of_vehicle_id IS NULL THEN v_energy.provisional_mwh ELSE 0 END),
            telemetry.kwh(d.dc_mwh + CASE WHEN of_meter_id IS NULL THEN v_energy.provisional_mwh ELSE 0 END),
            telemetry.kwh(d.standby_mwh), NULL, NULL, NULL, NULL,
            CASE WHEN of_vehicle_id IS NULL THEN telemetry.kwh(v_start_mwh) END,
            CASE WHEN of_vehicle_id IS NULL THEN telemetry.kwh(v_end_mwh) END,
            CASE WHEN of_meter_id IS NULL THEN telemetry.kwh(v_start_mwh) END,
            CASE WHEN of_meter_id IS NULL THEN telemetry.kwh(v_end_mwh) END,
            telemetry.kwh(v_changes.explained_mwh), telemetry.kwh(v_changes.corrected_mwh),
            CASE WHEN d.cost_gap IS NULL THEN d.cost END, CASE WHEN d.cost_gap IS NULL THEN d.standby_cost END,
            NULL, NULL, CASE WHEN d.cost_gap IS NULL THEN d.currency END, d.cost_gap,
            telemetry.is_all_kept(v_dataset, v_device_id, v_first_hour, v_end_hour), v_energy.settled_until,
            telemetry.kwh(v_energy.provisional_mwh), zone
        FROM added_days AS d
        UNION ALL
        SELECT
            2, 'sessions', v_since, v_until, NULL, of_meter_id, of_vehicle_id, NULL, NULL, c.sessions, c.ac_kwh,
            c.dc_kwh, c.standby_kwh, c.ac_matched_kwh, c.dc_matched_kwh, c.loss_kwh, c.excess_loss_kwh, NULL, NULL,
            NULL, NULL, NULL, NULL, CASE WHEN c.cost_gap IS NULL THEN c.cost END,
            CASE WHEN c.cost_gap IS NULL THEN c.standby_cost END,
            CASE WHEN c.cost_gap IS NULL THEN c.loss_cost END,
            CASE WHEN c.cost_gap IS NULL THEN c.excess_loss_cost END,
            CASE WHEN c.cost_gap IS NULL THEN c.currency END, c.cost_gap, NULL, NULL, NULL, NULL
        FROM added_sessions AS c
        UNION ALL
        SELECT
            3, 'day', NULL, NULL, d.day, of_meter_id, of_vehicle_id, NULL, NULL, NULL, telemetry.kwh(d.ac_mwh),
            telemetry.kwh(d.dc_mwh), telemetry.kwh(d.standby_mwh), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
            NULL, NULL, d.cost, d.standby_cost, NULL, NULL, d.currency, d.cost_gap, NULL, NULL, NULL, NULL
        FROM local_day AS d
        UNION ALL
        SELECT
            4, 'session', c.started_at, c.ended_at, (c.started_at AT TIME ZONE zone)::date, c.meter_id,
            c.vehicle_id, c.session_id, c.status, NULL, c.ac_kwh, c.dc_kwh, c.standby_kwh, c.ac_matched_kwh,
            c.dc_matched_kwh, c.loss_kwh, c.excess_loss_kwh, c.ac_register_start_kwh, c.ac_register_end_kwh,
            c.dc_register_start_kwh, c.dc_register_end_kwh, NULL, NULL, c.cost, c.standby_cost, c.loss_cost,
            c.excess_loss_cost, c.currency, c.cost_gap, NULL, NULL, NULL, NULL
        FROM charge AS c
    )
    SELECT
        t.part, t.window_start, t.window_end, t.day, t.meter_id, t.vehicle_id, t.session_id, t.status, t.sessions,
        trim_scale(t.ac_kwh), trim_scale(t.dc_kwh), trim_scale(t.standby_kwh), trim_scale(t.ac_matched_kwh),
        trim_scale(t.dc_matched_kwh), trim_scale(t.loss_kwh), trim_scale(t.excess_loss_kwh),
        trim_scale(t.ac_register_start_kwh), trim_scale(t.ac_register_end_kwh), trim_scale(t.dc_register_start_kwh),
        trim_scale(t.dc_register_end_kwh), trim_scale(t.explained_kwh), trim_scale(t.corrected_kwh), t.cost,
        t.standby_cost, t.loss_cost, t.excess_loss_cost, t.currency, t.cost_gap, t.is_settled, t.settled_until,
        trim_scale(t.provisional_kwh), t.zone_name
    FROM told AS t
    ORDER BY t.place, t.day, t.window_start, t.meter_id;
END;
$$;

COMMENT ON FUNCTION api.month_report(text, text, text, text, text) IS
'Takes a vehicle or a meter (of the other NULL), a month such as 2026-01, the name of the time zone of its days (NULL: UTC), and the id of the key that asks (NULL: none). Returns rows of four parts, in this order: month, sessions, the days with energy, each session. Of the month: its start and end, AC and DC energy and AC of idle time in kWh (of a meter all that it drew, and DC of vehicles while linked to it; of a vehicle what its meters drew while linked to it, as readings explain it, and all DC; what is not settled yet included), where the device''s register stood at both ends (NULL: not known, or none), by how much events changed it beyond the energy counted, and what DBAs added to the energy beside it: register at the end = register at the start + energy - corrected + explained; what AC and standby cost: the sums of the days; whether the month is over and nothing waits to be settled or kept, a reading''s time before which all is settled (NULL: everything is), how much of the energy is not yet, and in which zone days are counted. Of sessions, which count in the month in which they start, however long they go on: how many, sums of energies in kWh as api.charging_sessions has them, and of costs, which are sums of rounded ones; and each of them, of a key only those whose meter and vehicle it covers. Of a day: energies and costs, rounded to the currency''s minor unit. An hour is of the day and month in which it starts. Costs are NULL where they cannot be told: no_tariff or currencies says why; also where there is nothing to add. Raises WL002 unless one of vehicle and meter is given, where the month cannot be read, or its hours are gone, WL009 where the zone is an abbreviation or there is none of that name.';

REVOKE ALL ON FUNCTION api.month_report(text, text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.month_report(text, text, text, text, text) TO wattledger_service;
