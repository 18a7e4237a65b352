"""Wattledger: the ledger of a charging fleet's energy."""
