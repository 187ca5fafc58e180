"""The OpenAPI 3.1 document, of the operations and of the very types that read bodies and write answers. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import msgspec

from services.gateway.edge import http_errors
from services.gateway.edge.languages import Language
from services.gateway.edge.operations import Operation
from services.gateway.edge.schemas import ErrorBody
from services.runtime.errors import Code, RemoteError

_REFERENCE = "#/components/schemas/{name}"

_SHARED = ("SERVICE_UNAVAILABLE", "INTERNAL")
_OF_READING = ("INVALID_REQUEST",)
_OF_BODIES = ("INVALID_REQUEST", "REQUEST_TOO_LARGE", "REQUEST_TIMEOUT", "UNSUPPORTED_ENCODING")
_OF_LOGGED_IN = ("INVALID_API_KEY", "RATE_LIMITED", "SCOPE_MISSING")

_DESCRIPTION = (
    "OpenAI's contract for chats, and what a chat product needs around it: sessions, conversations, a prepaid wallet, "
    "orders, moderation. Errors have OpenAI's shape, with `message` in the language of `Accept-Language` (zh-CN, en). "
    "Turns run over WebSocket, too, at `/v1/ws`: see docs/api.md."
)


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The document."""
    schemas = _Schemas(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        path = operation.path.replace(":path}", "}")
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Queqiao 鹊桥",
            "version": version("queqiao"),
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in operations)],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A session's access token, or an API key.",
                }
            },
        },
    }


class _Schemas:
    """The JSON schemas of every type that is read or answered."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        types = [each for operation in operations for each in (operation.body, operation.answer) if each is not None]
        self._types = list(dict.fromkeys((ErrorBody, *types)))
        found, components = msgspec.json.schema_components(self._types, ref_template=_REFERENCE)
        self._schemas = dict(zip(self._types, found, strict=True))
        self.components = {name: _without_newlines(schema) for name, schema in components.items()}

    def of(self, kind: Any) -> dict[str, Any]:
        schema: dict[str, Any] = self._schemas[kind]
        return schema


def _without_newlines(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with its docstring as one paragraph."""
    found = dict(schema)
    if "description" in found:
        found["description"] = " ".join(found["description"].split())
    return found


def _operation(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": _operation_id(operation),
        "summary": operation.summary,
        "tags": [operation.tag],
        "responses": _responses(operation, schemas),
    }
    if operation.description:
        found["description"] = operation.description
    if operation.scope is not None:
        found["security"] = [{"bearer": []}]
        found["x-scope"] = operation.scope.value
    if operation.parameters:
        found["parameters"] = [_parameter(each) for each in operation.parameters]
    if operation.body is not None:
        content: dict[str, Any] = {"schema": schemas.of(operation.body)}
        if operation.examples:
            content["examples"] = {name: {"value": value} for name, value in operation.examples}
        found["requestBody"] = {"required": True, "content": {"application/json": content}}
    return found


def _operation_id(operation: Operation) -> str:
    words = [part.strip("{}").replace(":path", "") for part in operation.path.split("/") if part and part != "v1"]
    return "_".join([operation.method.lower(), *words])


def _parameter(parameter: Any) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "required": parameter.where == "path",
        "description": parameter.description,
        "schema": parameter.schema,
    }


def _responses(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if operation.answer is not None:
        content["application/json"] = {"schema": schemas.of(operation.answer)}
    for media, _ in operation.media:
        # What is in there, its own standard says; the types of this API do not.
        content.setdefault(media, {})
    described = "; ".join(text for _, text in operation.media)
    success: dict[str, Any] = {"description": f"{operation.summary}. {described}".strip()}
    if content:
        success["content"] = content
    failures: dict[str, dict[str, Any]] = {}
    for reason in _reasons(operation):
        error = RemoteError(Code.INTERNAL, reason, reason)
        status = str(http_errors.form(error).status)
        failure = failures.setdefault(status, _failure(schemas))
        examples = failure["content"]["application/json"]["examples"]
        examples[reason] = {"value": msgspec.json.decode(http_errors.body(error, Language.ENGLISH))}
    for failure in failures.values():
        failure["description"] = ", ".join(failure["content"]["application/json"]["examples"])
    return {str(operation.status): success, **dict(sorted(failures.items()))}


def _failure(schemas: _Schemas) -> dict[str, Any]:
    return {"description": "", "content": {"application/json": {"schema": schemas.of(ErrorBody), "examples": {}}}}


def _reasons(operation: Operation) -> Sequence[str]:
    """Every reason that an operation fails for."""
    reasons = [*operation.errors, *_SHARED]
    if operation.scope is not None:
        reasons += _OF_LOGGED_IN
    if operation.body is not None:
        reasons += _OF_BODIES
    if operation.parameters:
        reasons += _OF_READING
    return list(dict.fromkeys(reasons))
