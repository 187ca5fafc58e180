"""The search for somebody who answers one question. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.chat.domain import Message, Model, Options
from services.chat.errors import ModelDownError, UpstreamError
from services.chat.upstreams.accounts import Key
from services.chat.upstreams.failures import CallFailedError, Kind, busy
from services.runtime.errors import ServiceError


@dataclass
class Search:
    """Who was asked for one answer, and how it went."""

    model: Model
    prompt: Sequence[Message]
    options: Options
    keys: tuple[Key, ...]
    tried: set[Key] = field(default_factory=set)
    # Whose calls are under way, or were when another was faster.
    asking: set[Key] = field(default_factory=set)
    waits_s: list[float] = field(default_factory=list)
    failure: CallFailedError | None = None
    failed_at: Key | None = None
    down: ModelDownError | None = None
    repeated: bool = False
    won: bool = False

    def failed(self, key: Key, failure: CallFailedError) -> None:
        """A call failed."""
        self.asking.discard(key)
        self.failure, self.failed_at = failure, key
        if isinstance(failure.error, ModelDownError):
            self.down = failure.error
        if failure.kind is Kind.BUSY:
            self.waits_s.append(failure.error.retry_after_s or 0.0)

    def error(self) -> ServiceError:
        """What the user is told when nobody is left."""
        resting = [key for key in self.keys if key not in self.tried and key.pause_s and not key.circuit_s]
        waits_s = self.waits_s + [key.pause_s for key in resting]
        if waits_s:
            return busy(max(1.0, min(waits_s)))
        if self.failure is not None:
            # That one does not run the model says nothing about those who do, and are down.
            return self.down or self.failure.error
        wait_s = max(1.0, min(key.circuit_s for key in self.keys))
        return UpstreamError("No provider of this model answers at present; ask again.", retry_after_s=wait_s)

    @property
    def tokens(self) -> int:
        """The most that a call can use: providers count what may be answered before it is."""
        model = self.model
        asked = sum(message.tokens + model.message_tokens for message in self.prompt) + model.reply_tokens
        return asked * model.ratio_percent // 100 + (self.options.max_output_tokens or model.max_output_tokens)

    def candidates(self, apart_from: Key | None) -> list[Key]:
        """Who can be asked now, of those who should be asked first; `apart_from` is somebody who is late."""
        able = [key for key in self.keys if key not in self.tried and not key.pause_s and not key.circuit_s]
        if apart_from is not None:
            # That somebody is late is no reason to ask who should only be asked at need.
            able = [key for key in able if key.provider.is_fallback <= apart_from.provider.is_fallback]
        ranks = {key: (key.provider.is_fallback, key.is_spared, self._is_far(key, apart_from)) for key in able}
        best = min(ranks.values(), default=None)
        return [key for key, rank in ranks.items() if rank == best]

    def repeat_if_alone(self) -> None:
        """Let a key that is the only one be asked once more when it could not be reached.

        A provider may close idle connections unannounced (llama.cpp does).
        """
        if len(self.keys) == 1 and not self.repeated and self.failure and self.failure.kind is Kind.CONNECTION:
            self.repeated = True
            self.tried.clear()

    def _is_far(self, key: Key, apart_from: Key | None) -> bool:
        """Whether others should be asked before this one, by what is known of this question so far.

        Another key helps where the first was refused or has too much to do; where the provider itself fails or is late,
        another provider does.
        """
        if apart_from is not None:
            return key.provider is apart_from.provider
        if self.failure is None or self.failed_at is None:
            return False
        return (key.provider is self.failed_at.provider) is not self.failure.kind.is_of_the_key
