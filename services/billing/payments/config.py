"""What payments can be told: the accounts with WeChat Pay, each of them optional."""

from typing import TypeVar

from pydantic import Field, FilePath, SecretStr, ValidationInfo, field_validator

from services.runtime.config import GrpcServiceSettings, is_told

ValueT = TypeVar("ValueT")


# What each account needs besides its own name.
_ACCOUNTS = {
    "wechatpay_mchid": (
        "wechat_appid",
        "payment_notify_base_url",
        "wechatpay_cert_serial_no",
        "wechatpay_private_key_file",
        "wechatpay_apiv3_key",
    ),
    "virtual_payment_offer_id": (
        "wechat_appid",
        "wechat_secret",
        "virtual_payment_app_key",
        "wechat_message_token",
    ),
}
_NEEDED = tuple(dict.fromkeys(name for names in _ACCOUNTS.values() for name in names))


class PaymentSettings(GrpcServiceSettings):
    """Configuration of payments. Without WECHATPAY_MCHID and VIRTUAL_PAYMENT_OFFER_ID nothing can be bought."""

    # First what asks for others: an account is set as a whole, or not at all.
    wechatpay_mchid: str = Field(default="", description="The merchant's number with WeChat Pay.")
    virtual_payment_offer_id: str = Field(default="", description="The offer of virtual payment; empty: it is off.")
    payment_notify_base_url: str = Field(
        default="",
        description="Where providers reach the gateway, as https://chat.example.com; WeChat takes https only.",
    )
    order_ttl_s: float = Field(default=1800, ge=60, le=7200, description="How long an order waits for its payment.")
    payment_watch_every_s: float = Field(
        default=2.0, gt=0, description="How often orders and refunds that are due are looked up at their provider."
    )
    wechat_api_base_url: str = Field(default="https://api.weixin.qq.com", description="WeChat's server API.")
    wechat_appid: str = Field(default="", description="The mini-program's appid.")
    wechat_secret: SecretStr = Field(default=SecretStr(""), description="The mini-program's secret.")
    wechatpay_base_url: str = Field(default="https://api.mch.weixin.qq.com", description="WeChat Pay's API.")
    wechatpay_cert_serial_no: str = Field(default="", description="Serial of the merchant's certificate, in hex.")
    wechatpay_private_key_file: FilePath | None = Field(default=None, description="The merchant's key, as a PEM file.")
    wechatpay_apiv3_key: SecretStr = Field(default=SecretStr(""), description="The APIv3 key: 32 characters.")
    wechatpay_public_key_id: str = Field(
        default="", description="Id of WeChat Pay's public key, PUB_KEY_ID_…; empty: platform certificates are used."
    )
    wechatpay_public_key_file: FilePath | None = Field(
        default=None, description="WeChat Pay's public key, as a PEM file."
    )
    wechatpay_v2_key: SecretStr = Field(default=SecretStr(""), description="The v2 API key; empty: v2 is off.")
    wechatpay_v2_sign_type: str = Field(
        default="HMAC-SHA256", pattern="^(MD5|HMAC-SHA256)$", description="How v2 requests are signed."
    )
    wechatpay_v2_cert_file: FilePath | None = Field(
        default=None, description="The merchant's certificate, as a PEM file; v2 refunds need it."
    )
    wechatpay_v2_cert_key_file: FilePath | None = Field(default=None, description="Its key, as a PEM file.")
    virtual_payment_app_key: SecretStr = Field(default=SecretStr(""), description="The AppKey of virtual payment.")
    virtual_payment_sandbox: bool = Field(default=False, description="Whether virtual payment's sandbox is used.")
    wechat_message_token: SecretStr = Field(default=SecretStr(""), description="Token of the message push.")
    wechat_message_aes_key: SecretStr = Field(
        default=SecretStr(""), description="EncodingAESKey of the message push; empty: messages come in plain text."
    )

    @field_validator(*_NEEDED)
    @classmethod
    def _whole(cls, value: ValueT, given: ValidationInfo) -> ValueT:
        for account, names in _ACCOUNTS.items():
            if given.field_name in names and given.data.get(account) and not is_told(value):
                raise ValueError(f"{account.upper()} is set, and needs it")
        return value
