"""The H5 client in a real Chromium, against the whole mesh."""
