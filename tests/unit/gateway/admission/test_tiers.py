"""What kind of user asks."""

from dataclasses import dataclass, field

from services.gateway.admission.tiers import Tier, TierLimits, Tiers
from services.gateway.identity.domain import Caller
from services.runtime.errors import UnavailableError


@dataclass
class Payments:
    paid: set[str] = field(default_factory=set)
    away: bool = False
    asked: int = 0

    async def topped_up(self, user_id: str) -> bool:
        self.asked += 1
        if self.away:
            raise UnavailableError("billing is away")
        return user_id in self.paid


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_program_is_known_by_its_key_alone() -> None:
    payments = Payments()
    assert await Tiers(payments).tier(Caller("usr_1", by_key=True)) is Tier.KEY
    assert payments.asked == 0


async def test_whoever_pays_is_known_within_a_minute() -> None:
    payments, clock = Payments(), Clock()
    tiers = Tiers(payments, clock=clock)
    assert await tiers.tier(Caller("usr_1")) is Tier.TRIAL
    payments.paid.add("usr_1")
    assert await tiers.tier(Caller("usr_1")) is Tier.TRIAL
    clock.now = 60.1
    assert await tiers.tier(Caller("usr_1")) is Tier.PAID
    assert await tiers.tier(Caller("usr_1")) is Tier.PAID
    assert payments.asked == 2


async def test_whoever_cannot_be_told_is_on_trial_until_billing_is_back() -> None:
    payments = Payments(paid={"usr_1"}, away=True)
    tiers = Tiers(payments)
    assert await tiers.tier(Caller("usr_1")) is Tier.TRIAL
    payments.away = False
    assert await tiers.tier(Caller("usr_1")) is Tier.PAID


def test_each_kind_has_limits_of_its_own() -> None:
    limits = TierLimits(trial_per_minute=1, paid_per_minute=2, key_per_minute=3, paid_weight=4)
    assert [limits.per_minute(tier) for tier in (Tier.TRIAL, Tier.PAID, Tier.KEY)] == [1, 2, 3]
    assert [limits.weight(tier) for tier in (Tier.TRIAL, Tier.PAID, Tier.KEY)] == [1, 4, 4]
