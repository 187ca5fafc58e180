"""Protos to the domain and back: what callers ask, what they are told, and what the peers are asked."""
