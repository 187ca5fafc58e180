"""The moderation service: what may be asked, and what may be said."""
