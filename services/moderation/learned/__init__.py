"""The learned layer: a linear model over character n-grams, which knows offers and insults that no list says."""
