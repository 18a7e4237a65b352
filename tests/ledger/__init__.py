"""What the ledger makes of readings and records, compared with numbers and with a plain fold."""

import pytest

# its assertions tell what differs
pytest.register_assert_rewrite("tests.support.ledger")
