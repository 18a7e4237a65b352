-- Statistics of tables of a few rows: autovacuum never looks at so few, and the planner would assume five hundred.

ANALYZE telemetry.rules;
ANALYZE telemetry.limits;
ANALYZE telemetry.alert_watch;
ANALYZE telemetry.register_rules;
ANALYZE telemetry.dataset;
ANALYZE telemetry.maintenance;
ANALYZE telemetry.turn;
ANALYZE telemetry.quarantine_bounds;
ANALYZE telemetry.currency_digits;
ANALYZE telemetry.cookie_secret;
