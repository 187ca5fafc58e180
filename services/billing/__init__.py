"""The billing service: prepaid wallets over a double-entry ledger."""
