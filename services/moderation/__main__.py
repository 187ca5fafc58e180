"""`python -m services.moderation`."""

from services.moderation.app import app
from services.moderation.config import ModerationSettings
from services.runtime.process import run


def main() -> None:
    """Serve until stopped."""
    run("moderation", ModerationSettings, app)


if __name__ == "__main__":
    main()
