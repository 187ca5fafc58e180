"""What a wallet holds, what moved it, what things cost."""
