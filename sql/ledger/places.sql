-- Places in a list, as text that whoever pages through it gives back. They say what the last row was sorted by, and not
-- which row it was: the page that follows is right whatever has become of that row.

CREATE OR REPLACE FUNCTION telemetry.place(ordering text, sorted_by jsonb)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    -- an id has no slash, so that nothing is both; what follows the slash needs no escape in a URL
    SELECT place.ordering || '/'
        || translate(encode(convert_to(place.sorted_by::text, 'UTF8'), 'base64'), E'+/=\n', '-_')
$$;

COMMENT ON FUNCTION telemetry.place(text, jsonb) IS
'Takes the name of an ordering, and an array of what a row is sorted by in it. Returns the row''s place as text.';

CREATE OR REPLACE FUNCTION telemetry.sorted_by(place text, ordering text, types text[])
RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_text text;
    v_found jsonb;
BEGIN
    IF place IS NULL THEN
        RETURN NULL;
    END IF;
    IF split_part(place, '/', 1) = sorted_by.ordering THEN
        v_text := translate(split_part(place, '/', 2), '-_', '+/');
        BEGIN
            v_found := convert_from(decode(rpad(v_text, (length(v_text) + 3) / 4 * 4, '='), 'base64'), 'UTF8')::jsonb;
        EXCEPTION WHEN data_exception THEN
            v_found := NULL;
        END;
        IF jsonb_typeof(v_found) = 'array'
            AND ARRAY(SELECT jsonb_typeof(e.value) FROM jsonb_array_elements(v_found) AS e (value)) = types THEN
            RETURN v_found;
        END IF;
    END IF;
    RAISE EXCEPTION 'the place in "after" cannot be read, or is of another list or order'
        USING ERRCODE = 'WL008',
            HINT = 'Send "next" of the page before as it is, with the same order; leave "after" out for the first page.';
END;
$$;

COMMENT ON FUNCTION telemetry.sorted_by(text, text, text[]) IS
'Takes a place as telemetry.place made it, the name of the ordering and the JSON types of what rows are sorted by in it. Returns the array that it was made from; NULL for NULL. Raises WL008 for what is no place of that ordering.';

REVOKE ALL ON FUNCTION telemetry.place(text, jsonb), telemetry.sorted_by(text, text, text[]) FROM PUBLIC;
