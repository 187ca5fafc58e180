"""What makes any service a process. Knows no service."""
