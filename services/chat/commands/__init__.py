"""Commands about models; they talk to the chat service, and to billing for prices."""

from services.chat.commands.models import app

__all__ = ["app"]
