"""Prometheus, and Grafana where it is installed, beside a running mesh."""
