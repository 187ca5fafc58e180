"""The chat service: runs turns of conversations."""
