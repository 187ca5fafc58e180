"""The ledger's rules in every order that hypothesis finds; tests/integration has the same on PostgreSQL."""

import pytest
from hypothesis import settings

from tests.ledger.machine import LedgerMachine

# A failure takes minutes to be shrunk to its shortest history.
TestLedgerMachine = pytest.mark.timeout(600)(LedgerMachine.TestCase)
TestLedgerMachine.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
