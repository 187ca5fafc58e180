"""What the chat service can be told."""

from pathlib import Path

from pydantic import Field, SecretStr

from services.runtime.config import ServiceSettings


class ChatSettings(ServiceSettings):
    """Configuration of the chat service."""

    database_url: SecretStr = Field(description="PostgreSQL that keeps conversations, as postgresql://…")
    redis_url: SecretStr = Field(description="Redis that keeps hot conversations, as redis://…")
    moderation_target: str = Field(description="The moderation service, as host:port or dns:///name:port.")
    billing_target: str = Field(description="The billing service, as host:port or dns:///name:port.")
    openai_base_url: str = Field(
        default="https://api.openai.com/v1", description="Any OpenAI-compatible provider, with its version path."
    )
    openai_api_key: SecretStr = Field(description="The provider's key.")
    models_file: Path = Field(
        default=Path(__file__).with_name("models.toml"), description="What is known about models, as TOML."
    )
    upstream_connect_timeout_s: float = Field(default=5.0, gt=0, description="Longest wait for the provider to accept.")
    upstream_silence_timeout_s: float = Field(
        default=60.0, gt=0, description="Longest silence of the provider, before or within an answer."
    )
    turn_timeout_s: float = Field(default=300.0, gt=0, description="Longest turn that a caller may ask for.")
    hot_conversation_ttl_s: int = Field(default=3600, ge=1, description="How long an idle conversation stays in Redis.")
