"""Measures the mesh: a simulated model provider, a load generator and the report."""
