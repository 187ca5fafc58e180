"""What a turn cost and why, in one sentence for its user; the sentences are in `locales/`."""

from services.gateway.edge.catalogues import catalogue
from services.gateway.edge.languages import Language
from services.gateway.wallet.domain import Receipt, TokenUsage
from services.gateway.wallet.money import yuan


def explanation(receipt: Receipt, language: Language) -> str:
    """The sentence for this receipt; one in a state that is newer than we are gets the plainest."""
    usage = receipt.usage or TokenUsage()
    return catalogue(language).first(
        (*_names(receipt), "receipt"),
        {
            "reserved": yuan(receipt.reserved_micros),
            "charged": yuan(receipt.charged_micros),
            "input_tokens": str(usage.input_tokens),
            "output_tokens": str(usage.output_tokens),
        },
    )


def _names(receipt: Receipt) -> tuple[str, ...]:
    """From the sentence that fits best to one that fits."""
    state = f"receipt-{receipt.state}"
    if receipt.state != "settled":
        return (state,)
    return (f"{state}.nothing" if receipt.usage == TokenUsage() else f"{state}.{receipt.outcome}", state)
