"""What the chat service can be told."""

from pathlib import Path

from pydantic import Field, FilePath, SecretStr, ValidationInfo, field_validator

from services.chat.answers.domain import Charge
from services.chat.upstreams.kinds import kinds
from services.runtime.config import GrpcServiceSettings, MeshSettings, is_told
from services.runtime.redis_address import RedisUrl


class ChatSettings(GrpcServiceSettings):
    """Configuration of the chat service."""

    database_url: SecretStr = Field(description="PostgreSQL that keeps conversations, as postgresql://…")
    redis_url: RedisUrl = Field(description="Redis that keeps hot conversations and running turns, as the gateway's.")
    moderation_target: str = Field(description="The moderation service, as host:port or dns:///name:port.")
    billing_target: str = Field(description="The billing service, as host:port or dns:///name:port.")
    upstreams_file: FilePath | None = Field(
        default=None, description="All providers and their keys, as TOML; absent: the one of OPENAI_BASE_URL."
    )
    openai_base_url: str = Field(
        default="https://api.openai.com/v1", description="Any OpenAI-compatible provider, with its version path."
    )
    openai_api_key: SecretStr = Field(default=SecretStr(""), description="The provider's key.")
    openai_kind: str = Field(
        default="",
        description="What kind of provider it is: openai, deepseek, qwen, glm, moonshot, doubao, vllm, llama.cpp or "
        "generic; absent: told by its address.",
    )
    models_file: FilePath = Field(
        default=Path(__file__).parent / "upstreams" / "models.toml", description="What is known about models, as TOML."
    )
    upstream_connect_timeout_s: float = Field(default=5.0, gt=0, description="Longest wait for the provider to accept.")
    upstream_silence_timeout_s: float = Field(
        default=60.0, gt=0, description="Longest silence of the provider, before or within an answer."
    )
    turn_timeout_s: float = Field(default=300.0, gt=0, description="How long a turn may take; then it is stopped.")
    disconnect_grace_s: float = Field(
        default=15.0,
        ge=0,
        le=600,
        description="How long a turn goes on after its caller left, who may come back.",
    )
    stream_ttl_s: int = Field(
        default=600, ge=10, le=86_400, description="How long a turn's events are kept after the last one, to resume."
    )
    answer_cache_ttl_s: int = Field(default=300, ge=1, le=86_400, description="How long an answer is given again.")
    answer_cache_bytes_max: int = Field(
        default=16 * 1024 * 1024, ge=0, description="How much of the answer cache each process keeps itself."
    )
    answer_cache_charge: Charge = Field(
        default=Charge.QUESTION,
        description="What an answer of the cache costs: free, question (its tokens, as cached input), full.",
    )
    hot_conversation_tokens_max: int = Field(
        default=20_000_000, ge=1, description="How many tokens of conversations Redis keeps; the least used go first."
    )
    purge_after_days: int = Field(
        default=30, ge=0, description="When the messages of a deleted conversation are removed for good."
    )
    summaries: bool = Field(
        default=False, description="Whether a cheap model sums up what no longer fits into a model's context."
    )
    hot_conversation_ttl_s: int = Field(default=3600, ge=1, description="How long an idle conversation stays in Redis.")

    @field_validator("openai_api_key")
    @classmethod
    def _provider(cls, key: SecretStr, given: ValidationInfo) -> SecretStr:
        if given.data.get("upstreams_file", True) is None and not is_told(key):
            raise ValueError("it is needed, unless UPSTREAMS_FILE names all providers")
        return key

    @field_validator("openai_kind")
    @classmethod
    def _kind(cls, kind: str) -> str:
        if kind and kind not in kinds().takes:
            raise ValueError(f"it must be one of {', '.join(kinds().takes)}")
        return kind


class CommandSettings(MeshSettings):
    """What the commands about models need to know."""

    chat_target: str = Field(description="The chat service, as host:port.")
    billing_target: str = Field(description="The billing service, as host:port.")
