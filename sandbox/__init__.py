"""What stands in for the outside on a laptop, and the launcher of the whole mesh."""
