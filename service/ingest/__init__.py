"""Ingestion, from an HTTP body to committed readings: intake, group commit, quarantine, answer."""
