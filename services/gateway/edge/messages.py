"""What a user is told about an error, in their language.

An error is looked up by its reason, and by `REASON.variant` first where its metadata names a variant: `problem`
(what is wrong with a request) or `layer` (who refused a content). The sentences are in `locales/`.
"""

from services.gateway.edge.catalogues import catalogue
from services.gateway.edge.languages import Language
from services.runtime.errors import ServiceError


def text(error: ServiceError, language: Language) -> str:
    """The sentence for this error; one whose reason has no text of its own gets that of INTERNAL."""
    variant = error.metadata.get("problem") or error.metadata.get("layer") or ""
    field, why = next(iter(error.fields.items()), ("", ""))
    facts = {"field": field, "why": why, **error.metadata}
    return catalogue(language).first(
        (f"{error.wire_reason}.{variant}", error.wire_reason, "INTERNAL"),
        facts,
    )


def refusal(layer: str, language: Language) -> str:
    """The sentence for a content that this layer of moderation refuses."""
    return catalogue(language).first((f"CONTENT_REFUSED.{layer}", "CONTENT_REFUSED"), {})
