"""What the moderation service can be told."""

from pathlib import Path

from pydantic import Field

from services.runtime.config import ServiceSettings


class ModerationSettings(ServiceSettings):
    """Configuration of the moderation service."""

    lexicon_path: Path = Field(
        default=Path(__file__).parent / "lists" / "shipped",
        description="A word list, or a folder of them: LABEL-anything.txt with a WeChat label code such as 20006.",
    )
