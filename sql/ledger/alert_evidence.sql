-- What charges and days say of a device, one by one.

CREATE OR REPLACE VIEW telemetry.session_evidence AS
SELECT
    v.side,
    v.kind,
    s.meter_id,
    s.vehicle_id,
    s.started_at,
    v.is_bad,
    v.is_critical,
    CASE v.kind
        WHEN 'degraded' THEN round(s.excess_loss_mwh)
        WHEN 'drifting' THEN round(s.unusual_loss_mwh)
        WHEN 'unlinked' THEN s.ac_mwh + s.standby_mwh
    END::bigint AS lost_mwh,
    CASE v.kind
        WHEN 'degraded' THEN s.excess_loss_cost
        WHEN 'drifting' THEN s.unusual_loss_cost
        WHEN 'unlinked' THEN s.cost
    END AS lost_cost,
    CASE WHEN v.kind IN ('degraded', 'drifting', 'unlinked') THEN s.currency END AS currency,
    CASE WHEN v.kind IN ('degraded', 'drifting', 'unlinked') THEN s.cost_gap END AS cost_gap
FROM telemetry.judged_session AS s
CROSS JOIN telemetry.rules AS r
-- judged once, and not again wherever the verdict is asked for
CROSS JOIN LATERAL (
    SELECT
        n.verdict,
        n.frozen_side
    FROM (VALUES (s.verdict, s.frozen_side)) AS n (verdict, frozen_side)
    ORDER BY n.verdict
    OFFSET 0
) AS g
CROSS JOIN LATERAL (
    SELECT
        telemetry.is_judged(n.verdict) AS is_judged,
        CASE n.verdict WHEN 'degraded' THEN TRUE WHEN 'healthy' THEN FALSE END AS is_degraded,
        n.verdict = 'degraded' AND s.efficiency < s.expected_efficiency - r.critical_below_expected AS is_critical,
        CASE
            WHEN telemetry.is_judged(n.verdict) AND s.below_usual >= r.drifting_after THEN TRUE
            -- without a history nobody knows
            WHEN n.verdict = 'healthy' AND s.below_usual = 0 AND s.usual_efficiency IS NOT NULL THEN FALSE
        END AS is_drifting
    FROM (VALUES (g.verdict)) AS n (verdict)
    ORDER BY n.verdict
    OFFSET 0
) AS j
CROSS JOIN LATERAL (
    VALUES
    ('meter', 'degraded', j.is_degraded, j.is_critical),
    ('vehicle', 'degraded', j.is_degraded, j.is_critical),
    ('meter', 'drifting', j.is_drifting, FALSE),
    ('vehicle', 'drifting', j.is_drifting, FALSE),
    ('meter', 'frozen', CASE WHEN g.frozen_side = 'meter' THEN TRUE WHEN j.is_judged THEN FALSE END, TRUE),
    ('vehicle', 'frozen', CASE WHEN g.frozen_side = 'vehicle' THEN TRUE WHEN j.is_judged THEN FALSE END, FALSE),
    -- by chance another one's charge may look degraded, hardly sound
    (
        'meter',
        'impossible',
        CASE g.verdict WHEN 'impossible' THEN TRUE WHEN 'healthy' THEN FALSE WHEN 'drifting' THEN FALSE END,
        TRUE
    ),
    (
        'meter',
        'unlinked',
        CASE
            WHEN s.ac_mwh < telemetry.mwh(r.unlinked_above_kwh) THEN NULL
            WHEN s.vehicle_id <> '' THEN FALSE
            -- next to a link it may be of that: what a reading tells is spread over up to an hour
            WHEN telemetry.hours(s.active_us) >= 1 OR NOT EXISTS (
                SELECT
                FROM telemetry.charging_session AS n
                WHERE n.meter_id = s.meter_id
                    AND n.vehicle_id <> ''
                    AND n.started_at >= s.started_at - INTERVAL '48 hours'
                    AND n.started_at <= s.ended_at
                    AND (n.started_at = s.ended_at OR n.ended_at = s.started_at)
            ) THEN TRUE
        END,
        FALSE
    ),
    (
        'vehicle',
        'silent',
        CASE
            WHEN s.vehicle_samples > 0 THEN FALSE
            WHEN s.ac_mwh >= telemetry.mwh(r.sufficient_energy_kwh) THEN TRUE
        END,
        FALSE
    )
) AS v (side, kind, is_bad, is_critical)
WHERE v.is_bad IS NOT NULL
    -- of one that goes on nothing is certain
    AND s.ended_at <= telemetry.utc_minus(now(), r.session_ends_after);

COMMENT ON VIEW telemetry.session_evidence IS
'What charges that are over say of alerts: a row for each, and side and kind that it says something of.';
COMMENT ON COLUMN telemetry.session_evidence.side IS 'Whether it is said of the meter or of the vehicle.';
COMMENT ON COLUMN telemetry.session_evidence.kind IS 'The kind of alert.';
COMMENT ON COLUMN telemetry.session_evidence.meter_id IS 'The meter.';
COMMENT ON COLUMN telemetry.session_evidence.vehicle_id IS 'The vehicle that was linked; empty: none.';
COMMENT ON COLUMN telemetry.session_evidence.started_at IS 'When energy began to flow.';
COMMENT ON COLUMN telemetry.session_evidence.is_bad IS 'Whether it is a bad one; else a good one.';
COMMENT ON COLUMN telemetry.session_evidence.is_critical IS 'Whether a bad one is critical.';
COMMENT ON COLUMN telemetry.session_evidence.lost_mwh IS
'AC energy that was lost beyond what is expected (degraded) or usual (drifting), or that nobody is known to have got (unlinked), in milliwatt-hours; NULL where that cannot be known.';
COMMENT ON COLUMN telemetry.session_evidence.lost_cost IS
'What that cost, in the currency''s unit, rounded as the charge''s other costs are; NULL where that cannot be told.';
COMMENT ON COLUMN telemetry.session_evidence.currency IS 'Its currency; NULL without a cost.';
COMMENT ON COLUMN telemetry.session_evidence.cost_gap IS
'Why there is energy and no cost: no_tariff or currencies; NULL otherwise.';

CREATE OR REPLACE FUNCTION telemetry.evidence_since(side text, device_id text)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF side = 'meter' THEN
        RETURN (
            SELECT least(
                (
                    SELECT min(s.started_at)
                    FROM (
                        SELECT m.started_at
                        FROM telemetry.charging_session AS m
                        WHERE m.meter_id = evidence_since.device_id
                        ORDER BY m.started_at DESC
                        LIMIT 60
                    ) AS s
                ),
                -- what is open began with the first bad one
                (
                    SELECT min(o.since)
                    FROM telemetry.open_alert AS o
                    WHERE o.meter_id = evidence_since.device_id AND o.vehicle_id = ''
                        AND o.kind IN ('degraded', 'drifting', 'frozen', 'impossible', 'unlinked')
                )
            )
        );
    END IF;
    RETURN (
        SELECT least(
            (
                SELECT min(s.started_at)
                FROM (
                    SELECT v.started_at
                    FROM telemetry.charging_session AS v
                    WHERE v.vehicle_id = evidence_since.device_id
                    ORDER BY v.started_at DESC
                    LIMIT 60
                ) AS s
            ),
            (
                SELECT min(o.since)
                FROM telemetry.open_alert AS o
                WHERE o.meter_id = '' AND o.vehicle_id = evidence_since.device_id
                    AND o.kind IN ('degraded', 'drifting', 'frozen', 'silent')
            )
        )
    );
END;
$$;

COMMENT ON FUNCTION telemetry.evidence_since(text, text) IS
'Takes meter or vehicle, and a device. Returns since when its charges are looked at: its last 60, and as far back as an alert of it is open; NULL where it has none.';

CREATE OR REPLACE VIEW telemetry.standby_day AS
SELECT
    w.meter_id,
    telemetry.day_start(w.day) AS started_at,
    w.idle_kw * 1000 >= l.allowed_w AS is_bad,
    greatest(0, w.standby_mwh - telemetry.mwh(l.allowed_w / 1000) * telemetry.hours(w.standby_us))::bigint AS lost_mwh
FROM (
    SELECT
        d.meter_id,
        d.day,
        sum(d.standby_mwh) AS standby_mwh,
        sum(d.standby_us) AS standby_us,
        telemetry.mean_kw(sum(d.standby_mwh)::double precision, telemetry.span(sum(d.standby_us))) AS idle_kw,
        max(max(d.peak_w)) OVER (
            PARTITION BY d.meter_id ORDER BY d.day RANGE BETWEEN INTERVAL '30 days' PRECEDING AND CURRENT ROW
        ) AS peak_w
    FROM telemetry.charging_day AS d
    GROUP BY d.meter_id, d.day
) AS w
CROSS JOIN telemetry.rules AS r
CROSS JOIN LATERAL (SELECT greatest(r.standby_above_w, r.standby_share_of_peak * w.peak_w) AS allowed_w) AS l
-- of a charger at which nobody charged nobody knows how great it is, and an hour says nothing of a day
WHERE w.peak_w > 0
    AND telemetry.hours(w.standby_us) >= 6
    AND w.day < telemetry.utc_day(now());

COMMENT ON VIEW telemetry.standby_day IS
'What days that are over say of a meter''s idle power, one row per meter and UTC day with six hours of idle at least.';
COMMENT ON COLUMN telemetry.standby_day.meter_id IS 'The meter.';
COMMENT ON COLUMN telemetry.standby_day.started_at IS 'Start of the day.';
COMMENT ON COLUMN telemetry.standby_day.is_bad IS
'Whether its mean idle power was as much as telemetry.rules calls too much, also for the greatest power of the 30 days before.';
COMMENT ON COLUMN telemetry.standby_day.lost_mwh IS 'Energy beyond that, in milliwatt-hours.';

REVOKE ALL ON FUNCTION telemetry.evidence_since(text, text) FROM PUBLIC;
