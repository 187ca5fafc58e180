"""The payment providers that are configured."""

from collections.abc import Sequence

from services.billing.payments.domain import Channel
from services.billing.payments.errors import ChannelUnavailableError, ProviderNotFoundError
from services.billing.payments.ports import PaymentProvider


class Providers:
    """The configured providers, by name and by channel."""

    def __init__(self, providers: Sequence[PaymentProvider]) -> None:
        """Offer these."""
        self._by_name = {provider.name: provider for provider in providers}
        self._by_channel = {channel: provider for provider in providers for channel in provider.channels}

    @property
    def all(self) -> tuple[PaymentProvider, ...]:
        """Every provider."""
        return tuple(self._by_name.values())

    @property
    def channels(self) -> list[Channel]:
        """The ways to pay."""
        return [channel for channel in Channel if channel in self._by_channel]

    def named(self, name: str) -> PaymentProvider:
        """The provider of a callback address.

        Raises:
            ProviderNotFoundError: There is none.
        """
        provider = self._by_name.get(name)
        if provider is None:
            raise ProviderNotFoundError("There is no payment provider of this name.")
        return provider

    def of_channel(self, channel: Channel) -> PaymentProvider:
        """The provider of a way to pay.

        Raises:
            ChannelUnavailableError: There is none.
        """
        provider = self._by_channel.get(channel)
        if provider is None:
            raise ChannelUnavailableError(
                f"Nothing is configured for paying by {channel.value}.", metadata={"channel": channel.value}
            )
        return provider
