"""Answers that are given again: to the same question, asked without a history, within some minutes."""
