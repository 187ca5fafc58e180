"""How the stand-in misbehaves on demand, and what a test or a person may set.

Each value says what a merchant sees. Sources: WeChat Pay's documents, for what really happens; the rest is what
an attacker or a broken network would do.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

import msgspec

from sandbox.wechat.orders import Api


class How(StrEnum):
    """How a payment is announced. The payment itself is always right: a query tells the truth."""

    # At once, repeated until it is accepted.
    NORMAL = "normal"
    # After `late_s`.
    LATE = "late"
    # Once more after it was accepted: the same event, signed afresh.
    DUPLICATE = "duplicate"
    # Once more after it was accepted: the same bytes, the same headers.
    REPLAYED = "replayed"
    # Signed 301 s ago.
    STALE = "stale"
    # Only after the order's first refund was announced.
    REORDERED = "reordered"
    # One fen more than was paid.
    WRONG_AMOUNT = "wrong_amount"
    # Another openid.
    OTHER_PAYER = "other_payer"
    # Another mchid.
    OTHER_MERCHANT = "other_merchant"
    # Another appid.
    OTHER_APPID = "other_appid"
    # A signature of something else.
    FORGED = "forged"
    # First the platform's own probe, whose wrong signature begins WECHATPAY/SIGNTEST/; then the real one.
    SIGNTEST = "signtest"
    # Signed under a serial that nobody knows.
    UNKNOWN_SERIAL = "unknown_serial"
    # Signed well, the resource encrypted with another APIv3 key.
    WRONG_KEY = "wrong_key"
    # Signed by the platform's certificate although the merchant uses the public key: valid, as during the migration.
    CERTIFICATE_SERIAL = "certificate_serial"
    # Never.
    LOST = "lost"
    # The body dribbles in over two seconds.
    SLOW = "slow"

    def occurs_in(self, api: Api) -> bool:
        """Whether notices of this API can misbehave so: v2 and virtual payment sign without serials and resources."""
        if self in (How.SIGNTEST, How.UNKNOWN_SERIAL, How.WRONG_KEY, How.CERTIFICATE_SERIAL):
            return api is Api.V3
        if self is How.STALE:  # v2's notices carry no time of signing
            return api is not Api.V2
        if self is How.OTHER_MERCHANT:  # virtual payment's name none
            return api is not Api.VIRTUAL
        return True


class ApiFault(StrEnum):
    """What becomes of one API call of the merchant's."""

    # 500 SYSTEM_ERROR; nothing was done.
    SYSTEM_ERROR = "system_error"
    # 429 FREQUENCY_LIMITED; nothing was done.
    FREQUENCY_LIMITED = "frequency_limited"
    # No answer; nothing was done.
    TIMEOUT = "timeout"
    # No answer, although it was done.
    LOST_ANSWER = "lost_answer"
    # Done, and answered without a signature. Answers of virtual payment never have one.
    UNSIGNED = "unsigned"
    # Done, and answered with a signature that is not the platform's.
    WRONGLY_SIGNED = "wrongly_signed"


class RefundEnd(StrEnum):
    """How refunds go; all but `at_once` are PROCESSING for `refund_after_s`."""

    AT_ONCE = "at_once"
    SUCCESS = "success"
    ABNORMAL = "abnormal"
    CLOSED = "closed"


class BillFault(StrEnum):
    """What is wrong with a bill."""

    # Its first row is not there.
    MISSING_ROW = "missing_row"
    # It has a payment that nobody made.
    FOREIGN_ROW = "foreign_row"
    # Its first row is one fen more.
    OTHER_AMOUNT = "other_amount"


Seconds = Annotated[float, msgspec.Meta(ge=0)]


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    """What `PUT /sandbox/settings` may change, each by itself; seconds are real seconds but for `clock_speed`."""

    # Pay every order this long after it was placed; None waits for a person.
    auto_pay_after_s: Seconds | None = None
    # How those payments are announced.
    auto_pay_how: How = How.NORMAL
    late_s: Seconds = 3.0
    # How many seconds of the documented retry schedule pass in one.
    clock_speed: Annotated[float, msgspec.Meta(gt=0)] = 60.0
    # What becomes of the next API calls, one each.
    api_faults: list[ApiFault] = []
    refund_ends: RefundEnd = RefundEnd.AT_ONCE
    refund_after_s: Seconds = 1.0
    bill_fault: BillFault | None = None
    # Where the platform pushes messages of virtual payment; the platform's console has it. Empty pushes none.
    message_push_url: str = ""


@dataclass
class Control:
    """The settings in force."""

    settings: Settings = field(default_factory=Settings)

    def change(self, wish: dict[str, object]) -> None:
        """Replace some settings.

        Raises:
            msgspec.ValidationError: A name or a value that does not exist; the sentence says which.
        """
        self.settings = msgspec.convert(msgspec.to_builtins(self.settings) | wish, Settings)

    def next_api_fault(self) -> ApiFault | None:
        """What becomes of the API call that has just arrived."""
        return self.settings.api_faults.pop(0) if self.settings.api_faults else None
