-- Newest reading of a device: its reading time decides, whenever it arrives.

-- unpinned and with the caller's rights, so that the planner can inline it
CREATE OR REPLACE FUNCTION telemetry.is_newer(read_at timestamptz, latest timestamptz)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT read_at > coalesce(latest, '-infinity')
$$;

COMMENT ON FUNCTION telemetry.is_newer(timestamptz, timestamptz) IS
'Takes the time of a reading, and that of its device''s latest one so far (NULL: none). Returns whether it takes the place of that one.';
REVOKE ALL ON FUNCTION telemetry.is_newer(timestamptz, timestamptz) FROM PUBLIC;
