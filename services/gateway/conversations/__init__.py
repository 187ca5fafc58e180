"""Conversations as their users see them."""
