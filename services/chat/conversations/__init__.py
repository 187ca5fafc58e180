"""Conversations: what users said and were answered, in branches; PostgreSQL is the truth, Redis keeps what is hot."""
