"""The ledger's rules in every order that hypothesis finds; tests/integration has the same on PostgreSQL."""

from hypothesis import settings

from tests.ledger.machine import LedgerMachine

TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
