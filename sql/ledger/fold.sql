-- The fold: a device's stored readings and records in order of time, and the energy that they come to.

CREATE OR REPLACE FUNCTION telemetry.fold(
    dataset text,
    device_id text,
    day date,
    through date DEFAULT NULL,
    all_steps boolean DEFAULT FALSE,
    unsettled_since timestamptz DEFAULT '-infinity'
)
RETURNS telemetry.folded
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    c_day CONSTANT interval := INTERVAL '24 hours';
    v_rules telemetry.register_rules := telemetry.rules_of(dataset, device_id);
    v_folded telemetry.folded;
    v_bounds telemetry.dataset;
    v_newest timestamptz := telemetry.newest_item(dataset, device_id);
    v_state telemetry.settled_day;  -- before the item that is looked at
    v_stored telemetry.settled_day;
    v_from timestamptz;  -- the day that is read
    v_row_end timestamptz;  -- the end of the first day that has no row yet
    v_item telemetry.fold_item;
    v_run telemetry.fold_item[] := ARRAY[]::telemetry.fold_item[];  -- went elsewhere, and wait for what comes
    v_todo telemetry.fold_item [];
    v_place integer;
    v_judged telemetry.judgement;
    v_steps telemetry.fold_step[] := ARRAY[]::telemetry.fold_step[];
    v_sum telemetry.fold_step;  -- of steps of one hour that count where they are
    v_days telemetry.settled_day[] := ARRAY[]::telemetry.settled_day[];
    v_events telemetry.register_event[] := ARRAY[]::telemetry.register_event[];
    v_placed_since timestamptz := timestamptz 'infinity';
    v_step telemetry.fold_step;
    v_event telemetry.register_event;
    v_change bigint;
    v_gap interval;
    v_corrections telemetry.corrected_reading[] := telemetry.corrections_of(dataset, device_id);
    v_corrected_at timestamptz[] := ARRAY(SELECT c.ts FROM unnest(v_corrections) AS c);
    v_withdrawn telemetry.fold_step[] := ARRAY[]::telemetry.fold_step[];
    v_last timestamptz := timestamptz '-infinity';
    v_unsure_since timestamptz := timestamptz 'infinity';  -- days that end in this span were decided by what came after them
    v_unsure_until timestamptz := timestamptz '-infinity';
    v_for_now boolean := FALSE;  -- decided since nothing else is stored
BEGIN
    SELECT d.* INTO STRICT v_bounds FROM telemetry.dataset AS d WHERE d.dataset = fold.dataset;
    v_folded.dataset := dataset;
    v_folded.device_id := device_id;
    v_folded.kept_since := telemetry.ceiling_day(v_bounds.complete_since);
    v_folded.reaches_end := FALSE;
    SELECT coalesce(max(d.carried_mwh), 0) INTO v_folded.kept_carried_mwh
    FROM telemetry.settled_day AS d
    WHERE d.dataset = fold.dataset AND d.device_id = fold.device_id
        AND d.day = telemetry.utc_day(v_folded.kept_since) - 1;

    v_state := telemetry.settled_before(dataset, device_id, day);
    IF v_folded.kept_carried_mwh <> 0 AND v_state.read_at < v_folded.kept_since THEN
        -- what goes across that midnight is judged from there on
        SELECT d.* INTO v_state
        FROM telemetry.settled_day AS d
        WHERE d.dataset = fold.dataset
            AND d.device_id = fold.device_id
            AND d.day = telemetry.utc_day(v_folded.kept_since) - 1;
    END IF;
    v_state.dataset := dataset;
    v_state.device_id := device_id;
    v_state.carried_mwh := 0;
    v_state.jitters := 0;
    IF v_state.day IS NOT NULL THEN
        v_row_end := telemetry.day_start(v_state.day + 2);
        v_from := greatest(v_row_end - c_day, v_folded.kept_since);
    ELSE
        v_from := telemetry.floor_day(telemetry.oldest_item(
            dataset, device_id, greatest(v_folded.kept_since, unsettled_since)
        ));
        v_row_end := v_from + c_day;
        v_state.differences_mwh := 0;
        IF v_from IS NULL THEN
            v_folded.first_day := day;
            v_folded.last_day := day;
            IF telemetry.day_start(day + 1) <= v_bounds.accepted_since THEN
                -- all of it was dropped, by whomever: that is how the day ends for good
                v_state.day := day;
                v_state.placed_since := telemetry.day_start(day);
                v_state.is_final := TRUE;
                v_days := v_days || v_state;
            END IF;
            v_folded.steps := v_steps;
            v_folded.days := v_days;
            v_folded.events := v_events;
            RETURN v_folded;
        END IF;
    END IF;
    v_folded.first_day := telemetry.utc_day(v_row_end) - 1;
    v_newest := coalesce(greatest(v_newest, v_from), v_from);

    <<days>>
    LOOP
        FOR v_item IN
            SELECT i.*
            FROM telemetry.fold_items(dataset, device_id, v_from, v_from + c_day, v_from + c_day > v_newest) AS i
        LOOP
            IF cardinality(v_corrected_at) > 0 AND v_item.verdict IS NULL AND v_item.ts = ANY (v_corrected_at) THEN
                v_item := telemetry.corrected(v_item, v_corrections);
                IF v_item.verdict = 'withdrawn' THEN
                    v_withdrawn := v_withdrawn
                        || ROW(v_item.ts, v_item.known_mwh, 0, NULL, FALSE, 'correction', TRUE)::telemetry.fold_step;
                    CONTINUE;
                END IF;
            END IF;
            -- the usual reading: one in order, soon after the one before
            IF NOT all_steps AND num_nonnulls(v_item.verdict, v_item.known_mwh) = 0 AND cardinality(v_run) = 0 AND v_item.ts < v_row_end
                AND v_item.ts - v_state.read_at <= v_rules.apportioned_above
            THEN
                IF v_item.kind = 'lifetime_register' THEN
                    v_change := v_item.register_mwh - v_state.level_mwh;
                    IF v_state.kind = 'lifetime_register' AND v_state.differences_mwh = 0
                        AND telemetry.is_step(v_change, v_item.ts - v_state.level_at, v_rules)
                    THEN
                        IF v_change <> v_item.energy_mwh THEN
                            -- one for the hour, since nothing of it is cut
                            IF telemetry.floor_hour(v_item.ts) > v_sum.ts THEN
                                v_steps := v_steps || v_sum;
                                v_sum.ts := NULL;
                            END IF;
                            IF v_sum.ts IS NULL THEN
                                v_sum := ROW(v_item.ts, 0, 0, NULL, FALSE, 'step', FALSE)::telemetry.fold_step;
                            END IF;
                            v_sum.ts := v_item.ts;
                            v_sum.known_mwh := v_sum.known_mwh + v_item.energy_mwh;
                            v_sum.energy_mwh := v_sum.energy_mwh + v_change;
                        END IF;
                        v_state.read_at := v_item.ts;
                        v_state.level_at := v_item.ts;
                        v_state.level_mwh := v_item.register_mwh;
                        v_last := v_item.ts;
                        CONTINUE;
                    END IF;
                ELSIF v_item.kind = 'difference' AND v_item.interval_start IS NULL
                    AND v_item.energy_mwh <= telemetry.plausible_mwh(v_item.ts - v_state.read_at, v_rules)
                THEN
                    v_state.read_at := v_item.ts;
                    IF v_state.level_mwh IS NOT NULL THEN
                        v_state.differences_mwh := v_state.differences_mwh + v_item.energy_mwh;
                    END IF;
                    v_last := v_item.ts;
                    CONTINUE;
                END IF;
            END IF;

            IF cardinality(v_run) > 0 AND telemetry.floor_day(v_item.ts) > v_last THEN
                v_unsure_since := CASE
                    WHEN v_unsure_until > v_run[1].ts THEN v_unsure_since
                    ELSE v_run[1].ts
                END;
                v_unsure_until := telemetry.floor_day(v_item.ts);
            END IF;
            v_last := v_item.ts;
            v_todo := ARRAY[v_item];
            v_place := 1;
            WHILE v_place <= cardinality(v_todo) LOOP
                v_item := v_todo[v_place];
                v_change := v_item.register_mwh - v_state.level_mwh - v_state.differences_mwh;
                v_gap := v_item.ts - v_state.level_at;

                IF cardinality(v_run) > 0 AND coalesce(v_item.verdict, 'exchange') IN ('exchange', 'end') THEN
                    IF v_item.verdict IS NULL AND v_item.kind = v_state.kind
                        AND (v_item.kind = 'lifetime_register' OR v_item.session_no = v_state.session_no)
                    THEN
                        IF NOT telemetry.goes_elsewhere(v_item, v_state, v_change, v_gap, v_rules)
                            AND telemetry.is_glitch_over(v_run, v_rules)
                        THEN
                            v_todo := telemetry.with_verdict(v_run, 'glitch', 'glitch') || v_todo[v_place:];
                        ELSE
                            v_run := v_run || v_item;
                            v_place := v_place + 1;
                            CONTINUE WHEN NOT telemetry.is_decided(v_run, v_rules);
                            v_todo := telemetry.with_verdict(v_run, 'decided', NULL) || v_todo[v_place:];
                        END IF;
                    ELSE
                        v_for_now := v_item.verdict IS NOT DISTINCT FROM 'end';
                        v_todo := telemetry.with_verdict(
                            v_run,
                            CASE WHEN v_for_now AND cardinality(v_run) = 1 THEN 'undecided' ELSE 'decided' END,
                            NULL
                        ) || v_todo[v_place:];
                    END IF;
                    v_run := ARRAY[]::telemetry.fold_item[];
                    v_place := 1;
                    CONTINUE;
                END IF;

                IF v_item.verdict IS NULL AND telemetry.goes_elsewhere(v_item, v_state, v_change, v_gap, v_rules) THEN
                    v_run := ARRAY[v_item];
                    v_place := v_place + 1;
                    CONTINUE;
                END IF;

                -- days that end before it
                WHILE v_row_end <= v_item.ts AND (
                    v_item.verdict IS DISTINCT FROM 'end' OR v_row_end <= greatest(v_newest, v_bounds.accepted_since)
                )
                LOOP
                    v_state.day := telemetry.utc_day(v_row_end) - 1;
                    v_state.is_final := v_row_end <= v_bounds.accepted_since
                        OR NOT (v_for_now OR (v_row_end > v_unsure_since AND v_row_end <= v_unsure_until));
                    v_state.placed_since := least(v_placed_since, telemetry.day_start(v_state.day));
                    v_placed_since := timestamptz 'infinity';
                    v_days := v_days || v_state;
                    IF v_state.day >= coalesce(through, day) AND v_state.is_final THEN
                        SELECT d.* INTO v_stored
                        FROM telemetry.settled_day AS d
                        WHERE d.dataset = fold.dataset AND d.device_id = fold.device_id AND d.day = v_state.day;
                        IF found AND telemetry.stands_alike(v_stored, v_state) THEN
                            v_folded.last_day := v_state.day;
                            EXIT days;
                        END IF;
                    END IF;
                    v_state.jitters := 0;
                    v_row_end := v_row_end + c_day;
                END LOOP;

                IF v_item.verdict = 'end' THEN
                    v_folded.reaches_end := TRUE;
                    IF NOT v_for_now AND v_state.kind IS NOT NULL AND v_state.differences_mwh = 0 THEN
                        v_folded.level_mwh := v_state.level_mwh;
                    END IF;
                    v_folded.last_day := telemetry.utc_day(v_row_end) - 1;
                    v_state.day := v_folded.last_day;
                    v_state.is_final := FALSE;  -- the day may go on
                    v_state.placed_since := least(v_placed_since, telemetry.day_start(v_state.day));
                    v_days := v_days || v_state;
                    EXIT days;
                END IF;

                v_judged := telemetry.judge(
                    v_item, v_todo[v_place + 1], v_state, v_change, v_gap, NOT v_for_now, v_rules
                );
                v_state := v_judged.state;
                v_step := v_judged.step;
                IF v_step.is_cut THEN
                    v_placed_since := least(v_placed_since, greatest(telemetry.floor_hour(v_step.since), v_folded.kept_since));
                END IF;
                IF all_steps OR v_step.is_cut OR v_step.energy_mwh <> v_step.known_mwh THEN
                    v_steps := v_steps || v_step;
                END IF;
                v_event := v_judged.event;
                IF v_event.event IS NOT NULL THEN
                    v_events := v_events || v_event;
                END IF;
                v_place := v_place + 1;
            END LOOP;
        END LOOP;
        v_from := v_from + c_day;
    END LOOP;
    v_folded.steps := CASE WHEN v_sum.ts IS NULL THEN v_steps ELSE v_steps || v_sum END || ARRAY(
        -- those of later days were met while a run waited for what comes
        SELECT w FROM unnest(v_withdrawn) AS w WHERE telemetry.utc_day(w.ts) <= v_folded.last_day
    );
    v_folded.days := v_days;
    v_folded.events := v_events;
    RETURN v_folded;
END;
$$;

COMMENT ON FUNCTION telemetry.fold(text, text, date, date, boolean, timestamptz) IS
'Takes meter_reading or vehicle_reading, a device, a UTC day, the last day to fold at least (NULL: that day), whether to tell all steps, and from when on to look at a device of which no day before that is settled. Folds what is stored of the device, from the last day before that which is settled for good, until a day ends as it was settled before, or to the newest reading. Returns what it came to: steps whose energy was known otherwise at arrival or is cut at the hours (or all), how each day ended, and events. Changes nothing. Raises WL050 where rules are missing.';

REVOKE ALL ON FUNCTION telemetry.fold(text, text, date, date, boolean, timestamptz) FROM PUBLIC;
