"""A stand-in for OpenAI's moderation API."""
