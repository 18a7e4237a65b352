"""Traces: which trace a request belongs to, and spans for an OpenTelemetry collector.

Where no collector is set nothing of OpenTelemetry is imported: service.traces.tracing alone does
that, and only service.traces.environment loads it.
"""
