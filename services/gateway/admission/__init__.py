"""Who may come in now: rates and running turns."""
