"""Others that stand between a client and a provider, measured in the same run."""
