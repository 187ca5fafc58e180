"""The merchant's and the platform's keys: made once in a folder, found again after a restart.

WeChat Pay signs with one of two keys, which differ: the platform certificate's (older merchants) and the WeChat Pay
public key's (newer ones; a merchant who migrates sees both). Source: WeChat Pay's documents.
"""

import json
import secrets
import string
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from sandbox.state import State

_VALID = timedelta(days=5 * 365)

_ACCOUNT = "merchant.json"
_MERCHANT_KEY = "merchant_key.pem"
_PLATFORM_KEY = "platform_key.pem"
_PLATFORM_CERTIFICATE = "platform_certificate.pem"
_PUBLIC_KEY = "pub_key.pem"
_PUBLIC_KEY_PRIVATE = "pub_key_private.pem"


@dataclass(frozen=True)
class Merchant:
    """One merchant's account with WeChat Pay and with virtual payment, and the keys of both sides.

    WeChat's own keys are read when they are first used: checking one takes as long as importing half a library, and the
    launcher uses none.
    """

    folder: Path
    mchid: str
    apiv3_key: str
    v2_key: str
    public_key_id: str
    offer_id: str
    app_key: str
    message_token: str
    merchant_certificate: x509.Certificate
    platform_certificate: x509.Certificate

    @classmethod
    def open(cls, folder: Path) -> "Merchant":
        """The account that lives in this folder; made when there is none, which takes a few hundred milliseconds."""
        if not (folder / _ACCOUNT).exists():
            _make(folder)
        account = json.loads((folder / _ACCOUNT).read_text(encoding="utf-8"))
        return cls(
            folder=folder,
            merchant_certificate=x509.load_pem_x509_certificate(account.pop("merchant_certificate").encode()),
            platform_certificate=x509.load_pem_x509_certificate((folder / _PLATFORM_CERTIFICATE).read_bytes()),
            **account,
        )

    @cached_property
    def platform_key(self) -> rsa.RSAPrivateKey:
        """What belongs to the platform's certificate."""
        return _load_key(self.folder / _PLATFORM_KEY)

    @cached_property
    def public_key_private(self) -> rsa.RSAPrivateKey:
        """What belongs to the WeChat Pay public key."""
        return _load_key(self.folder / _PUBLIC_KEY_PRIVATE)

    @property
    def serial_no(self) -> str:
        """The serial of the merchant's certificate, as upper-case hex."""
        return serial_of(self.merchant_certificate)

    @property
    def platform_serial_no(self) -> str:
        """The serial of the platform's certificate, as upper-case hex."""
        return serial_of(self.platform_certificate)

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


def serial_of(certificate: x509.Certificate) -> str:
    """A certificate's serial as WeChat writes it: 40 upper-case hex digits."""
    return f"{certificate.serial_number:040X}"


def random_key(length: int = 32) -> str:
    """A random key of letters and digits, such as WeChat's 32-byte keys are."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))


def random_digits(length: int) -> str:
    """Random decimal digits, as WeChat's numbers have them."""
    return "".join(secrets.choice(string.digits) for _ in range(length))


def _make(folder: Path) -> None:
    """Make keys and account; the account's file comes last, so a folder that has it is whole."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    merchant, platform, public = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(3))
    mchid = f"19{random_digits(8)}"
    authority = "Tenpay.com sign"
    for name, key in ((_MERCHANT_KEY, merchant), (_PLATFORM_KEY, platform), (_PUBLIC_KEY_PRIVATE, public)):
        State.write_private(folder / name, _pem(key))
    public_pem = public.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    State.write_private(folder / _PUBLIC_KEY, public_pem.decode())
    State.write_private(folder / _PLATFORM_CERTIFICATE, _certificate(platform, authority, platform, authority))
    account = {
        "mchid": mchid,
        "apiv3_key": random_key(),
        "v2_key": random_key(),
        "public_key_id": f"PUB_KEY_ID_{secrets.token_hex(16).upper()}",
        "offer_id": random_digits(10),
        "app_key": random_key(),
        "message_token": random_key(),
        "merchant_certificate": _certificate(merchant, mchid, platform, authority),
    }
    State.write_private(folder / _ACCOUNT, json.dumps(account, indent=1))


def _load_key(file: Path) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError(f"{file} holds no RSA key: remove its folder to have new keys made.")
    return key


def _pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _certificate(key: rsa.RSAPrivateKey, name: str, issuer_key: rsa.RSAPrivateKey, issuer: str) -> str:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + _VALID)
    )
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
