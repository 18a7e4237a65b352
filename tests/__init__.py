"""Tests of Wattledger."""

import pytest

# its assertions tell what differs
pytest.register_assert_rewrite("tests.support.ledger")
