"""Top-ups and the callbacks of payment providers."""
