"""Texts judged on request."""
