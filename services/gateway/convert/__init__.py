"""Protos to the domain and back: a module for each client in `clients/`."""
