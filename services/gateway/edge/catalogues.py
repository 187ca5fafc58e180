"""The sentences that users read, one Fluent file a language in `locales/`."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from cachetools import LRUCache
from fluent.runtime import FluentBundle, FluentResource

from services.gateway.edge.languages import Language

_LOCALES = Path(__file__).parents[1] / "locales"
_MESSAGE = re.compile(r"^(?:(?P<name>[A-Za-z][\w-]*)|\s+\.(?P<variant>\w+)) =", re.MULTILINE)
_VARIABLE = re.compile(r"\$(\w+)")

# How many filled sentences are remembered of each language: a rush is refused by the same few.
_FILLED_MAX = 512


class Catalogue:
    """The sentences of one language.

    `names` has each as `message` or `message.variant`, `facts` what any of them can be filled with.
    """

    def __init__(self, language: Language, source: str) -> None:
        """Parse a Fluent file."""
        # Isolation marks are invisible characters around facts: only right-to-left texts need them.
        self._bundle = FluentBundle([language.value], use_isolating=False)
        self._bundle.add_resource(FluentResource(source))
        self.names = frozenset(_names(source))
        self.facts = frozenset(_VARIABLE.findall(source))
        self._no_facts = dict.fromkeys(self.facts, "")
        self._known: LRUCache[tuple[str, ...], str] = LRUCache(_FILLED_MAX)

    def sentence(self, name: str, facts: Mapping[str, str]) -> str:
        """The sentence of this name; a fact that is not given is left out of it.

        Raises:
            KeyError: There is none of this name.
        """
        if name not in self.names:
            raise KeyError(name)
        filled = self._no_facts | {fact: value for fact, value in facts.items() if fact in self.facts}
        key = (name, *filled.values())
        if key not in self._known:
            self._known[key] = self._filled(name, filled)
        return self._known[key]

    def _filled(self, name: str, facts: dict[str, str]) -> str:
        message_name, _, variant = name.partition(".")
        message = self._bundle.get_message(message_name)
        pattern = message.attributes[variant] if variant else message.value
        if pattern is None:
            raise KeyError(name)
        sentence, _ = self._bundle.format_pattern(pattern, facts)
        return str(sentence)

    def first(self, names: tuple[str, ...], facts: Mapping[str, str]) -> str:
        """The sentence of the first of these names that there is; the last one always is."""
        return self.sentence(next((name for name in names if name in self.names), names[-1]), facts)


@cache
def catalogue(language: Language) -> Catalogue:
    """The catalogue of this language, read from its file once."""
    return Catalogue(language, (_LOCALES / f"{language.value}.ftl").read_text("utf-8"))


def _names(source: str) -> list[str]:
    names, message = [], ""
    for found in _MESSAGE.finditer(source):
        message = found["name"] or message
        names.append(f"{message}.{found['variant']}" if found["variant"] else message)
    return names
