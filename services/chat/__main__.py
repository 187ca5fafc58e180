"""`python -m services.chat`."""

from services.runtime.importing import importing


def main() -> None:
    """Serve until stopped."""
    with importing():
        from services.chat.app import app
        from services.chat.config import ChatSettings
        from services.runtime.process import run

    run("chat", ChatSettings, app)


if __name__ == "__main__":
    main()
