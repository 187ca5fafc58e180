"""What was refused, by what, and how to appeal."""
