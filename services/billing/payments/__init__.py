"""Money in and money back: orders, refunds, and the providers that move the money."""
