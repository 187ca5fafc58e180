"""Word lists: how they are written, where they are kept, and how a replica takes them up."""
