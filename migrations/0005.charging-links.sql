-- Which meter feeds which vehicle, and when.

SET LOCAL ROLE wattledger_owner;

CREATE TABLE telemetry.charging_link (
    vehicle_id text COLLATE "C" NOT NULL CHECK (length(vehicle_id) BETWEEN 1 AND 128),
    meter_id text COLLATE "C" NOT NULL CHECK (length(meter_id) BETWEEN 1 AND 128),
    during tstzrange NOT NULL CHECK (NOT isempty(during)),
    CONSTRAINT vehicle_on_one_meter EXCLUDE USING gist (vehicle_id WITH =, during WITH &&),
    CONSTRAINT meter_on_one_vehicle EXCLUDE USING gist (meter_id WITH =, during WITH &&)
);

COMMENT ON TABLE telemetry.charging_link IS
'Charging links: at any moment a vehicle hangs on one meter at most, and a meter feeds one vehicle at most.';
COMMENT ON COLUMN telemetry.charging_link.vehicle_id IS 'The vehicle that is charged.';
COMMENT ON COLUMN telemetry.charging_link.meter_id IS 'The meter that feeds it.';
COMMENT ON COLUMN telemetry.charging_link.during IS
'From when (included) until when (not included); an unbounded end means always.';
