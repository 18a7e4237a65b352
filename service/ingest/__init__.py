"""From an HTTP body to committed readings: endpoint, group commit, quarantine, answer."""
