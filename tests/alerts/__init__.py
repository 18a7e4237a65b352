"""What the ledger makes of readings and records, compared with numbers and with a plain fold."""
