"""WeChat Pay v2's XML: flat documents, signed with the merchant's API key. Pure.

Source: WeChat Pay's v2 documents.
"""

import hmac
from collections.abc import Mapping
from xml.parsers.expat import ExpatError

import xmltodict
from wechatpy.pay.utils import calculate_signature, calculate_signature_hmac

from services.billing.payments.providers.translation import MismatchError

HMAC = "HMAC-SHA256"
MD5 = "MD5"

Fields = dict[str, str]


def parse(body: bytes | str, root: str = "xml") -> Fields:
    """The fields of a flat document; those that are empty are left out.

    Raises:
        MismatchError: It is no such document, or declares entities.
    """
    try:
        # Text, so that no declaration of another encoding has a say; xmltodict refuses entities.
        document = xmltodict.parse(body if isinstance(body, str) else body.decode())
    except (ExpatError, ValueError):
        raise MismatchError("malformed") from None
    fields = document.get(root)
    if not isinstance(fields, dict) or not all(isinstance(value, str | None) for value in fields.values()):
        raise MismatchError("malformed")
    return {name: value for name, value in fields.items() if value}


def sign(fields: Mapping[str, str], key: str, sign_type: str) -> str:
    """The signature over all fields but `sign`: upper-case hex."""
    signed = {name: value for name, value in fields.items() if name != "sign"}
    calculate = calculate_signature_hmac if sign_type == HMAC else calculate_signature
    return str(calculate(signed, key))


def check_signed(fields: Mapping[str, str], key: str) -> None:
    """Insist on a signature, by whichever of the two methods: the answer to an HMAC does not always say so.

    Raises:
        MismatchError: Nobody who knows the key signed it.
    """
    said = fields.get("sign", "").encode()
    if not any(hmac.compare_digest(said, sign(fields, key, kind).encode()) for kind in (HMAC, MD5)):
        raise MismatchError("signature")
