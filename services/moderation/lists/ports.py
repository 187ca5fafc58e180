"""What word lists need from the outside."""

from collections.abc import Callable
from typing import Protocol


class RetainedTexts(Protocol):
    """Texts that were refused in the past, as far as they are kept."""

    async def recent(self, limit: int) -> list[str]:
        """The newest, at most `limit`; none when texts are not kept.

        Raises:
            UnavailableError: The database does not answer.
        """
        ...


class Notices(Protocol):
    """News that the stored lists have changed."""

    async def listen(self, heard: Callable[[], None]) -> None:
        """Call `heard` whenever there may be something new, until cancelled; some news may be lost."""
        ...
