"""The gateway: the thin HTTP edge. Authenticates, admits and translates; what a turn is, the chat service knows."""
