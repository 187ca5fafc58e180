"""Whether the gateway and what it depends on can serve."""
