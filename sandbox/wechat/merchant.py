"""The merchant's and the platform's keys: made once in a folder, found again after a restart.

WeChat Pay signs with one of two keys, which differ: the platform certificate's (older merchants) and the WeChat Pay
public key's (newer ones; a merchant who migrates sees both). Source: WeChat Pay's documents.
"""

import json
import secrets
import string
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.state import State

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa

_ACCOUNT = "merchant.json"
_MERCHANT_KEY = "merchant_key.pem"
_PLATFORM_KEY = "platform_key.pem"
_PLATFORM_CERTIFICATE = "platform_certificate.pem"
_PUBLIC_KEY = "pub_key.pem"
_PUBLIC_KEY_PRIVATE = "pub_key_private.pem"


@dataclass(frozen=True)
class Merchant:
    """One merchant's account with WeChat Pay and with virtual payment, and the keys of both sides.

    Keys and certificates are read when they are first used, and what reads them is imported then: the launcher, which
    only tells services of the account, uses none.
    """

    folder: Path
    mchid: str
    apiv3_key: str
    v2_key: str
    public_key_id: str
    offer_id: str
    app_key: str
    message_token: str
    merchant_certificate_pem: str
    serial_no: str

    @classmethod
    def open(cls, folder: Path) -> "Merchant":
        """The account that lives in this folder; made when there is none, which takes a few hundred milliseconds."""
        if not (folder / _ACCOUNT).exists():
            _make(folder)
        account = json.loads((folder / _ACCOUNT).read_text(encoding="utf-8"))
        certificate = account.pop("merchant_certificate")
        # An account of an earlier version does not say it.
        serial_no = account.pop("serial_no", None) or _serial_no(certificate)
        return cls(folder=folder, merchant_certificate_pem=certificate, serial_no=serial_no, **account)

    @cached_property
    def merchant_certificate(self) -> "x509.Certificate":
        """The merchant's."""
        return _certificate(self.merchant_certificate_pem)

    @cached_property
    def platform_certificate(self) -> "x509.Certificate":
        """The platform's."""
        return _certificate((self.folder / _PLATFORM_CERTIFICATE).read_text(encoding="utf-8"))

    @cached_property
    def platform_key(self) -> "rsa.RSAPrivateKey":
        """What belongs to the platform's certificate."""
        return _load_key(self.folder / _PLATFORM_KEY)

    @cached_property
    def public_key_private(self) -> "rsa.RSAPrivateKey":
        """What belongs to the WeChat Pay public key."""
        return _load_key(self.folder / _PUBLIC_KEY_PRIVATE)

    @property
    def platform_serial_no(self) -> str:
        """The serial of the platform's certificate, as upper-case hex."""
        return _serial_of(self.platform_certificate)

    def env(self, base_url: str) -> dict[str, str]:
        """The variables by which services use this account.

        Args:
            base_url: Where the stand-in listens, without a slash at the end.
        """
        return {
            "WECHATPAY_BASE_URL": base_url,
            "WECHATPAY_MCHID": self.mchid,
            "WECHATPAY_CERT_SERIAL_NO": self.serial_no,
            "WECHATPAY_PRIVATE_KEY_FILE": str(self.folder / _MERCHANT_KEY),
            "WECHATPAY_APIV3_KEY": self.apiv3_key,
            "WECHATPAY_PUBLIC_KEY_ID": self.public_key_id,
            "WECHATPAY_PUBLIC_KEY_FILE": str(self.folder / _PUBLIC_KEY),
            "WECHATPAY_V2_KEY": self.v2_key,
            "VIRTUAL_PAYMENT_OFFER_ID": self.offer_id,
            "VIRTUAL_PAYMENT_APP_KEY": self.app_key,
            "WECHAT_MESSAGE_TOKEN": self.message_token,
        }


def random_key(length: int = 32) -> str:
    """A random key of letters and digits, such as WeChat's 32-byte keys are."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))


def random_digits(length: int) -> str:
    """Random decimal digits, as WeChat's numbers have them."""
    return "".join(secrets.choice(string.digits) for _ in range(length))


def _make(folder: Path) -> None:
    """Make keys and account; the account's file comes last, so a folder that has it is whole."""
    from sandbox.wechat import merchant_keys as keys

    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    merchant, platform, public = (keys.new_key() for _ in range(3))
    mchid = f"19{random_digits(8)}"
    authority = "Tenpay.com sign"
    for name, key in ((_MERCHANT_KEY, merchant), (_PLATFORM_KEY, platform), (_PUBLIC_KEY_PRIVATE, public)):
        State.write_private(folder / name, keys.pem(key))
    State.write_private(folder / _PUBLIC_KEY, keys.public_pem(public))
    State.write_private(folder / _PLATFORM_CERTIFICATE, keys.certified(platform, authority, platform, authority))
    certificate = keys.certified(merchant, mchid, platform, authority)
    account = {
        "mchid": mchid,
        "apiv3_key": random_key(),
        "v2_key": random_key(),
        "public_key_id": f"PUB_KEY_ID_{secrets.token_hex(16).upper()}",
        "offer_id": random_digits(10),
        "app_key": random_key(),
        "message_token": random_key(),
        "merchant_certificate": certificate,
        "serial_no": _serial_no(certificate),
    }
    State.write_private(folder / _ACCOUNT, json.dumps(account, indent=1))


def _load_key(file: Path) -> "rsa.RSAPrivateKey":
    from sandbox.wechat.merchant_keys import load_key

    return load_key(file)


def _certificate(pem: str) -> "x509.Certificate":
    from cryptography import x509

    return x509.load_pem_x509_certificate(pem.encode())


def _serial_no(pem: str) -> str:
    return _serial_of(_certificate(pem))


def _serial_of(certificate: "x509.Certificate") -> str:
    """A certificate's serial as WeChat writes it: 40 upper-case hex digits."""
    return f"{certificate.serial_number:040X}"
