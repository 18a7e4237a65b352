-- What people call devices, where these are, and what else they know of them.

SET LOCAL ROLE wattledger_owner;

-- no history: what is personal is here alone, so that it can be erased
CREATE TABLE telemetry.device_label (
    dataset text COLLATE "C" NOT NULL CHECK (dataset IN ('meter_reading', 'vehicle_reading')),
    device_id text COLLATE "C" NOT NULL,
    name text CHECK (length(name) BETWEEN 1 AND 200 AND name !~ '[\u0001-\u001f\u007f-\u009f]'),
    site text COLLATE "C" CHECK (length(site) BETWEEN 1 AND 200 AND site !~ '[\u0001-\u001f\u007f-\u009f]'),
    groups text[] COLLATE "C" NOT NULL DEFAULT '{}' CHECK (
        cardinality(groups) <= 20
        AND array_position(groups, NULL) IS NULL
        AND array_position(groups, '') IS NULL
        AND array_to_string(groups, '') !~ '[\u0001-\u001f\u007f-\u009f]'
    ),
    plate text CHECK (length(plate) BETWEEN 1 AND 200 AND plate !~ '[\u0001-\u001f\u007f-\u009f]'),
    address text CHECK (length(address) BETWEEN 1 AND 200 AND address !~ '[\u0001-\u001f\u007f-\u009f]'),
    note text CHECK (length(note) BETWEEN 1 AND 200 AND note !~ '[\u0001-\u001f\u007f-\u009f]'),
    retired_at timestamptz CHECK (retired_at >= '2000-01-01 00:00:00+00' AND retired_at < '2100-01-01 00:00:00+00'),
    PRIMARY KEY (dataset, device_id)
);

CREATE INDEX device_label_site ON telemetry.device_label (dataset, site, device_id) WHERE site IS NOT NULL;
CREATE INDEX device_label_groups ON telemetry.device_label USING gin (groups) WHERE groups <> '{}';
CREATE INDEX device_label_retired ON telemetry.device_label (dataset, device_id) WHERE retired_at IS NOT NULL;

COMMENT ON TABLE telemetry.device_label IS
'The file of each device of which somebody said something: the only place where anything personal is.';
COMMENT ON COLUMN telemetry.device_label.dataset IS 'meter_reading or vehicle_reading.';
COMMENT ON COLUMN telemetry.device_label.device_id IS 'The meter''s or vehicle''s id; it need never have reported.';
COMMENT ON COLUMN telemetry.device_label.name IS 'What people call it; null: nothing. Personal.';
COMMENT ON COLUMN telemetry.device_label.site IS 'The site that it belongs to; null: none is known.';
COMMENT ON COLUMN telemetry.device_label.groups IS 'The groups that it is in, in order, each once.';
COMMENT ON COLUMN telemetry.device_label.plate IS 'Its number plate; null: none is known. Personal.';
COMMENT ON COLUMN telemetry.device_label.address IS 'Its address; null: none is known. Personal.';
COMMENT ON COLUMN telemetry.device_label.note IS 'What else there is to say; null: nothing. Personal.';
COMMENT ON COLUMN telemetry.device_label.retired_at IS 'Since when it is no longer expected to report; null: it is.';
