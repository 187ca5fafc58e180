"""The provider and the load generator as small programs in C: what a measurement costs must not be what it measures."""
