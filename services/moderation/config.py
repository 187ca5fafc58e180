"""What the moderation service can be told."""

from pathlib import Path

from pydantic import Field, FilePath, SecretStr, ValidationInfo, field_validator

from services.runtime.config import GrpcServiceSettings, MeshSettings, is_told
from services.runtime.redis_address import RedisUrl

_SECRET_CHARACTERS_MIN = 32


class ModerationSettings(GrpcServiceSettings):
    """Configuration of the moderation service."""

    database_url: SecretStr = Field(description="PostgreSQL that keeps lists and the audit, as postgresql://…")
    redis_url: RedisUrl = Field(
        description="Redis that replicas share quotas, tokens and verdicts in, as the gateway's."
    )
    lexicon_path: Path = Field(
        default=Path(__file__).parent / "lists" / "shipped",
        description="A word list, or a folder of them: LABEL-anything.txt with a WeChat label code such as 20006.",
    )
    screener_weights: FilePath = Field(
        default=Path(__file__).parent / "learned" / "shipped" / "screener.weights",
        description="The learned layer's weights, for as long as none are stored.",
    )
    screener_learns_from_audit: bool = Field(
        default=False,
        description="Whether `queqiao screener train --from-audit` may read kept texts: the users must have agreed.",
    )
    policy_file: FilePath = Field(
        default=Path(__file__).with_name("policy.toml"),
        description="Which layers are asked about which texts, when, and what happens while one is down, as TOML.",
    )
    wechat_api_base_url: str = Field(default="https://api.weixin.qq.com", description="WeChat's server.")
    wechat_appid: str = Field(default="", description="The mini-program. Empty: WeChat is not asked.")
    wechat_cloud_run: bool = Field(
        default=False,
        description="Whether this runs on WeChat Cloud Run, which authorises calls of WeChat's server by itself: no "
        "secret is needed then.",
    )
    wechat_secret: SecretStr = Field(default=SecretStr(""), description="The mini-program's secret.")
    openai_moderation_base_url: str = Field(
        default="https://api.openai.com/v1", description="Where OpenAI's moderation API is, with its version path."
    )
    openai_moderation_api_key: SecretStr = Field(
        default=SecretStr(""), description="The key for it. Empty: it is not asked."
    )
    audit_keep_days: int = Field(
        default=180, ge=1, le=3650, description="How long refusals are kept; mainland law asks for six months."
    )
    audit_keep_texts: bool = Field(default=False, description="Whether refused texts are kept too, encrypted.")
    audit_secret: SecretStr = Field(
        default=SecretStr(""),
        description="What kept texts are encrypted with: at least 32 random characters. Needed to keep texts.",
    )

    @field_validator("wechat_secret")
    @classmethod
    def _account(cls, secret: SecretStr, given: ValidationInfo) -> SecretStr:
        authorised = given.data.get("wechat_cloud_run")
        if given.data.get("wechat_appid") and not is_told(secret) and not authorised:
            raise ValueError("WECHAT_APPID needs it; without either, WeChat is not asked")
        return secret

    @field_validator("audit_secret")
    @classmethod
    def _sealing(cls, secret: SecretStr, given: ValidationInfo) -> SecretStr:
        if given.data.get("audit_keep_texts") and not is_told(secret):
            raise ValueError("AUDIT_KEEP_TEXTS needs it to encrypt what is kept")
        if is_told(secret) and len(secret.get_secret_value()) < _SECRET_CHARACTERS_MIN:
            raise ValueError(f"it must be {_SECRET_CHARACTERS_MIN} random characters")
        return secret


class CommandSettings(MeshSettings):
    """What the commands need."""

    moderation_target: str = Field(default="127.0.0.1:8083", description="The moderation service, as host:port.")
