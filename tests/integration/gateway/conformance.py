"""Whether answers are what the OpenAPI document says."""

import re
from typing import Any


class Document:
    """An OpenAPI document, to hold answers against."""

    def __init__(self, document: dict[str, Any]) -> None:
        """Use this one."""
        self.document = document
        self._paths = {self._pattern(path): operations for path, operations in document["paths"].items()}

    def demand(self, method: str, path: str, status: int, answer: object) -> None:
        """Hold an answer in JSON against its operation, if the path is one of the API's.

        Raises:
            AssertionError: It is not what the document says.
        """
        operation = self._operation(method, path.partition("?")[0])
        if operation is None:
            return
        # Imported late: it builds grammars for seconds, which only those who demand something need.
        from jsonschema import Draft202012Validator

        responses = operation["responses"]
        assert str(status) in responses, f"{method} {path} answers {status}, which its document does not name"
        schema = responses[str(status)]["content"]["application/json"]["schema"]
        whole = {"components": self.document["components"], **schema}
        errors = [error.message for error in Draft202012Validator(whole).iter_errors(answer)]
        assert not errors, f"{method} {path} answers what its document does not say: {errors}"

    def _operation(self, method: str, path: str) -> dict[str, Any] | None:
        for pattern, operations in self._paths.items():
            if pattern.fullmatch(path) and method.lower() in operations:
                found: dict[str, Any] = operations[method.lower()]
                return found
        return None

    @staticmethod
    def _pattern(path: str) -> re.Pattern[str]:
        return re.compile(
            "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{\w+\})", path))
        )
