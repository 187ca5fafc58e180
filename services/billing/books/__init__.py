"""The books: statements and receipts, what questions cost, and the proof that the ledger is right."""
