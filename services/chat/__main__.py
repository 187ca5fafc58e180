"""`python -m services.chat`."""

from services.chat.app import app
from services.chat.config import ChatSettings
from services.runtime.process import run


def main() -> None:
    """Serve until stopped."""
    run("chat", ChatSettings, app)


if __name__ == "__main__":
    main()
