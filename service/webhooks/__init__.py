"""Webhooks: what changed of alerts, posted to receivers.

What is due is claimed and signed by the database (sql/api/webhooks.sql), posted outside of any
transaction, and noted. sender.py does that for ever, posting.py makes one request, network.py
connects to addresses that addresses.py allows, and counts.py counts.
"""
