"""`python -m services.moderation`."""

from services.runtime.importing import importing


def main() -> None:
    """Serve until stopped."""
    with importing():
        from services.moderation.app import app
        from services.moderation.config import ModerationSettings
        from services.runtime.process import run

    run("moderation", ModerationSettings, app)


if __name__ == "__main__":
    main()
