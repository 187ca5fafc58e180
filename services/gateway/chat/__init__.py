"""Turns over HTTP: requests, answers, streams."""
