"""The sentences that users read, one Fluent file a language in `locales/`."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from fluent.runtime import FluentBundle, FluentResource

from services.gateway.edge.languages import Language

_LOCALES = Path(__file__).parents[1] / "locales"
_MESSAGE = re.compile(r"^(?:(?P<name>[A-Za-z][\w-]*)|\s+\.(?P<variant>\w+)) =", re.MULTILINE)
_VARIABLE = re.compile(r"\$(\w+)")


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
        # Sentences that no fact was given for: the label of every answer is one.
        self._plain: dict[str, str] = {}

    def sentence(self, name: str, facts: Mapping[str, str]) -> str:
        """The sentence of this name; a fact that is not given is left out of it.

        Raises:
            KeyError: There is none of this name.
        """
        if name not in self.names:
            raise KeyError(name)
        if facts:
            return self._filled(name, facts)
        if name not in self._plain:
            self._plain[name] = self._filled(name, {})
        return self._plain[name]

    def _filled(self, name: str, facts: Mapping[str, str]) -> str:
        message_name, _, variant = name.partition(".")
        message = self._bundle.get_message(message_name)
        pattern = message.attributes[variant] if variant else message.value
        if pattern is None:
            raise KeyError(name)
        sentence, _ = self._bundle.format_pattern(pattern, {**self._no_facts, **facts})
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
