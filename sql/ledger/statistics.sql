-- What the planner knows of tables of a few rows: autovacuum never looks at so few, and five hundred would be assumed.

ANALYZE telemetry.rules;
ANALYZE telemetry.limits;
ANALYZE telemetry.dataset;
ANALYZE telemetry.maintenance;
ANALYZE telemetry.turn;
ANALYZE telemetry.quarantine_bounds;
