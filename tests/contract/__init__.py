"""What the OpenAPI document promises, held against the real service by schemathesis."""
