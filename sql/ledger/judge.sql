-- Verdicts: what one reading or exchange comes to after the state before it.

CREATE OR REPLACE FUNCTION telemetry.goes_elsewhere(
    item telemetry.fold_item,
    state telemetry.settled_day,
    change_mwh bigint,
    gap interval,
    rules telemetry.register_rules
)
RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN coalesce(
        item.kind = state.kind
        AND (item.kind = 'lifetime_register' OR item.session_no = state.session_no)
        AND NOT CASE
            WHEN item.register_mwh < state.level_mwh THEN telemetry.is_jitter(item.register_mwh - state.level_mwh, rules)
            ELSE telemetry.is_step(greatest(change_mwh, 0), gap, rules)
        END,
        FALSE
    );
END;
$$;

COMMENT ON FUNCTION telemetry.goes_elsewhere(
    telemetry.fold_item, telemetry.settled_day, bigint, interval, telemetry.register_rules
) IS
'Takes a reading, the state before it, its change from the accepted level and the differences since in milliwatt-hours, the time since that level, and the device''s rules. Returns whether it is a register that fell or jumped further than is believed: what comes next tells what it was.';

CREATE OR REPLACE FUNCTION telemetry.judge(
    item telemetry.fold_item,
    following telemetry.fold_item,
    before telemetry.settled_day,
    change_mwh bigint,
    gap interval,
    is_final boolean,
    rules telemetry.register_rules
)
RETURNS telemetry.judgement
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    step telemetry.fold_step;
    state telemetry.settled_day := before;
    event telemetry.register_event;
    v_rolled_over bigint;
BEGIN
    step.ts := item.ts;
    step.known_mwh := coalesce(item.known_mwh, item.energy_mwh);
    step.is_corrected := item.known_mwh IS NOT NULL;
    step.energy_mwh := 0;
    step.verdict := 'step';
    step.since := before.read_at;

    IF item.verdict IN ('glitch', 'undecided') THEN
        step.since := NULL;
        IF item.verdict = 'glitch' THEN
            step.verdict := 'glitch';
        END IF;
        event.event := item.verdict;

    ELSIF item.verdict = 'exchange' THEN
        step.verdict := 'exchange';
        step.energy_mwh := greatest(coalesce(change_mwh, 0), 0);
        state.kind := 'lifetime_register';
        state.level_mwh := item.initial_mwh;
        event.event := 'exchange';

    ELSIF item.kind = 'difference' THEN
        step.energy_mwh := item.energy_mwh;
        step.since := telemetry.difference_since(
            item.ts, item.energy_mwh, item.interval_start, before.read_at, rules
        );
        IF before.level_mwh IS NOT NULL THEN
            state.differences_mwh := before.differences_mwh + item.energy_mwh;
        END IF;
        IF before.read_at IS NOT NULL
            AND item.energy_mwh > telemetry.plausible_mwh(item.ts - step.since, rules)
        THEN
            event.event := 'too_short';
        END IF;

    ELSIF item.verdict = 'decided' AND change_mwh > 0 THEN
        step.verdict := 'jump';
        state.level_mwh := item.register_mwh;
        event.event := 'jump';

    ELSIF item.verdict = 'decided' THEN
        v_rolled_over := telemetry.rollover_mwh(
            before.level_mwh + before.differences_mwh,
            item.register_mwh,
            CASE
                WHEN following.verdict IS NULL AND following.kind = item.kind
                    AND following.session_no IS NOT DISTINCT FROM item.session_no
                    THEN following.register_mwh
            END,
            gap,
            rules
        );
        step.verdict := (CASE WHEN v_rolled_over IS NULL THEN 'reset' ELSE 'rollover' END)::telemetry.entry_reason;
        step.energy_mwh := coalesce(v_rolled_over, telemetry.reset_mwh(item.register_mwh, rules));
        state.level_mwh := item.register_mwh;
        event.event := step.verdict::text;

    ELSIF before.level_mwh IS NULL THEN
        -- when what it counted flowed, nobody knows
        state.level_mwh := item.register_mwh;

    ELSIF item.kind <> before.kind AND item.kind = 'lifetime_register' THEN
        step.verdict := 'kind';
        state.level_mwh := item.register_mwh;
        event.event := 'kind';

    ELSIF item.kind = 'session_counter' AND item.kind = before.kind
        AND item.session_no = before.earlier_session_no
    THEN
        -- a reading of the session before that came late
        step.verdict := 'session';
        step.energy_mwh := greatest(item.register_mwh - before.earlier_level_mwh, 0);
        state.level_mwh := greatest(item.register_mwh, before.earlier_level_mwh);
        state.earlier_session_no := before.session_no;
        state.earlier_level_mwh := before.level_mwh;

    ELSIF item.kind = 'session_counter'
        AND (item.kind <> before.kind OR item.session_no IS DISTINCT FROM before.session_no)
    THEN
        step.verdict := 'session';
        step.energy_mwh := item.register_mwh;
        state.level_mwh := item.register_mwh;
        IF item.kind = before.kind THEN
            state.earlier_session_no := before.session_no;
            state.earlier_level_mwh := before.level_mwh;
        ELSE
            event.event := 'kind';
        END IF;

    ELSIF before.differences_mwh > 0 THEN
        step.verdict := 'kind';
        step.energy_mwh := greatest(change_mwh, 0);
        state.level_mwh := greatest(item.register_mwh, before.level_mwh);
        event.event := 'kind';

    ELSIF change_mwh < 0 THEN
        state.jitters := before.jitters + 1;

    ELSE
        step.energy_mwh := change_mwh;
        state.level_mwh := item.register_mwh;
    END IF;

    IF step.verdict = 'session' THEN
        -- it counts from zero, as a difference does
        step.since := telemetry.difference_since(item.ts, step.energy_mwh, NULL, before.read_at, rules);
    END IF;
    IF item.verdict IS NULL OR item.verdict NOT IN ('glitch', 'undecided') THEN
        state.read_at := item.ts;
        IF item.kind <> 'difference' OR item.verdict = 'exchange' THEN
            state.kind := coalesce(item.kind, state.kind);
            state.session_no := item.session_no;
            IF state.kind = 'lifetime_register' THEN
                -- another counter: the levels of transactions before it say nothing of what comes
                state.earlier_session_no := NULL;
                state.earlier_level_mwh := NULL;
            END IF;
            IF NOT (change_mwh < 0 AND state.jitters > before.jitters) THEN
                state.level_at := item.ts;
                state.differences_mwh := 0;
            END IF;
        END IF;
    END IF;
    step.is_cut := telemetry.is_apportioned(step.energy_mwh, step.since, item.ts, rules);
    IF event.event IS NOT NULL THEN
        event.dataset := before.dataset;
        event.device_id := before.device_id;
        event.happened_at := item.ts;
        event.source_day := telemetry.utc_day(item.ts);
        event.before_mwh := before.level_mwh;
        event.reported_mwh := item.register_mwh;
        event.booked_mwh := step.energy_mwh;
        -- what differences told counts as if the register had moved
        event.explained_mwh := coalesce(
            state.level_mwh + state.differences_mwh - before.level_mwh - before.differences_mwh - step.energy_mwh, 0
        );
        event.is_final := is_final AND event.event <> 'undecided';
    END IF;
    RETURN ROW(step, state, event)::telemetry.judgement;
END;
$$;

COMMENT ON FUNCTION telemetry.judge(
    telemetry.fold_item, telemetry.fold_item, telemetry.settled_day, bigint, interval, boolean, telemetry.register_rules
) IS
'Takes a reading or exchange, the item after it, the state before it, its change from the accepted level and the differences since in milliwatt-hours (NULL: no level), the time since that level, whether no later reading can change the verdict, and the device''s rules. Returns the step that it is, the state after it, and its event (all NULL: none).';

CREATE OR REPLACE FUNCTION telemetry.stands_alike(a telemetry.settled_day, b telemetry.settled_day)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT (
        (a).read_at, (a).kind, (a).level_mwh, (a).level_at, (a).session_no, (a).earlier_session_no,
        (a).earlier_level_mwh, (a).differences_mwh, (a).jitters, (a).is_final
    ) IS NOT DISTINCT FROM (
        (b).read_at, (b).kind, (b).level_mwh, (b).level_at, (b).session_no, (b).earlier_session_no,
        (b).earlier_level_mwh, (b).differences_mwh, (b).jitters, (b).is_final
    )
$$;

COMMENT ON FUNCTION telemetry.stands_alike(telemetry.settled_day, telemetry.settled_day) IS
'Takes two ends of a device''s day. Returns whether the next day goes on alike from both.';

REVOKE ALL ON FUNCTION
    telemetry.goes_elsewhere(
        telemetry.fold_item, telemetry.settled_day, bigint, interval, telemetry.register_rules
    ),
    telemetry.judge(
        telemetry.fold_item, telemetry.fold_item, telemetry.settled_day, bigint, interval, boolean,
        telemetry.register_rules
    ),
    telemetry.stands_alike(telemetry.settled_day, telemetry.settled_day)
FROM PUBLIC;
