"""The sentences that the weights which ship are trained on, and those that are kept for measuring them."""
