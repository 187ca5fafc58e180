"""Making a model small: GGUF weights to 4 bits, and what that costs in fidelity."""
