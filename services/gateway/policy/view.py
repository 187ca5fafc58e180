"""What one client may see: the policy applied to names, texts and errors of its requests."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.datastructures import Headers

from services.gateway.admission.gate import Admitted
from services.gateway.admission.tiers import Tier
from services.gateway.edge.catalogues import catalogue
from services.gateway.edge.languages import Language, language
from services.gateway.edge.queries import CHINA
from services.gateway.errors import MinorHoursError, PurchaseHiddenError
from services.gateway.identity.principals import Principals
from services.gateway.orders.domain import Channel
from services.gateway.policy.clients import client_of
from services.gateway.policy.code_filter import CodeFilter
from services.gateway.policy.policy import Client, Code, Policy, Purchases
from services.runtime.errors import ServiceError


@dataclass(frozen=True, slots=True)
class View:
    """What this client sees; `minor` when its user is in minors' mode."""

    policy: Policy
    client: Client
    language: Language
    minor: bool = False

    @property
    def hides_code(self) -> bool:
        """Whether answers lose their code."""
        return self.policy.rules[self.client].code is Code.HIDE

    @property
    def purchases(self) -> Purchases:
        """What may be bought."""
        return self.policy.purchases(self.client, minor=self.minor)

    @property
    def ai_label(self) -> str:
        """The visible label of answers, "" for a program, which labels what it shows itself."""
        return self._sentence("ai-label") if self.policy.rules[self.client].ai_label else ""

    @property
    def label(self) -> str:
        """The visible label, whoever asks: a document leaves the product."""
        return self._sentence("ai-label")

    @property
    def speakers(self) -> dict[str, str]:
        """What the roles of messages are called in a document."""
        return {role: self._sentence(f"speaker-{role}") for role in ("user", "assistant", "system", "tool")}

    def model(self, name: str) -> str:
        """What a model is called here."""
        return self.policy.shown_model(name, self.client)

    def code_filter(self) -> CodeFilter | None:
        """Takes the code out of one answer; None where it stays."""
        return CodeFilter(self._sentence("code-hidden")) if self.hides_code else None

    def text(self, whole: str) -> str:
        """A whole answer as it may be shown."""
        code_filter = self.code_filter()
        return whole if code_filter is None else code_filter.feed(whole) + code_filter.finish()

    def named(self, error: ServiceError) -> ServiceError:
        """The error with the name that the model has here."""
        if "model" in error.metadata:
            error.metadata["model"] = self.model(error.metadata["model"])
        return error

    def demand_hours(self, now: datetime) -> None:
        """Refuse a minor's question by night.

        Raises:
            MinorHoursError: It is night.
        """
        if not self.policy.may_chat(minor=self.minor, now=now.astimezone(CHINA)):
            hours = (f"{at:%H:%M}" for at in (self.policy.minors_from, self.policy.minors_to))
            raise MinorHoursError("Minors chat by day.", metadata=dict(zip(("from", "to"), hours, strict=True)))

    def demand_purchase(self, channel: Channel) -> None:
        """Refuse a purchase that the platform forbids.

        Raises:
            PurchaseHiddenError: It is forbidden here, or over this channel.
        """
        if self.purchases is Purchases.NONE or (self.purchases is Purchases.VIRTUAL and channel is not Channel.VIRTUAL):
            raise PurchaseHiddenError(
                "This cannot be bought here.", metadata={"problem": self.purchases.value, "client": self.client.value}
            )

    def _sentence(self, name: str) -> str:
        return catalogue(self.language).sentence(name, {})


class Views:
    """Tells what a client may see."""

    def __init__(
        self, policy: Policy, principals: Principals, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Apply this policy; `clock` says what hour it is."""
        self.policy = policy
        self._principals = principals
        self._clock = clock

    async def of(self, headers: Headers, admitted: Admitted) -> View:
        """What whoever makes this request sees.

        Raises:
            UnavailableError: The accounts do not answer.
        """
        client = client_of(headers, by_key=admitted.tier is Tier.KEY)
        minor = client is not Client.PROGRAM and (await self._principals.principal(admitted.user_id)).minor
        return View(self.policy, client, language(headers.get("accept-language")), minor)

    def demand_hours(self, view: View) -> None:
        """Refuse a minor's question by night.

        Raises:
            MinorHoursError: It is night.
        """
        view.demand_hours(self._clock())

    def is_alias(self, name: str) -> bool:
        """Whether this may be a name that hides a model."""
        return self.policy.is_alias(name)

    def real_model(self, name: str, models: Collection[str]) -> str:
        """The model of these that is called so."""
        return self.policy.real_model(name, models)
