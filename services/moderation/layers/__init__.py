"""The remote layers, each with a budget, a circuit breaker, a cache of verdicts, and a policy for when it is down."""
