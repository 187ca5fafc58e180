"""The least value that a JSON schema allows: what a provider must answer whom an answer's shape was prescribed."""

from collections.abc import Mapping
from typing import Any

_SIMPLE: Mapping[str, object] = {"string": "长沙", "integer": 7, "number": 7.5, "boolean": True, "null": None}


def prescribed(response_format: object) -> object:
    """An answer in the shape of a request's `response_format`; an empty object where it prescribes none."""
    if not isinstance(response_format, Mapping) or response_format.get("type") != "json_schema":
        return {}
    schema = response_format["json_schema"]["schema"]
    return _least(schema, schema)


def _least(schema: Mapping[str, Any], root: Mapping[str, Any]) -> object:
    if "$ref" in schema:
        found: Any = root
        for name in schema["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        return _least(found, root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return _least(schema["anyOf"][0], root)
    kind = schema.get("type", "object")
    if kind == "object":
        return {name: _least(each, root) for name, each in schema.get("properties", {}).items()}
    if kind == "array":
        return [_least(schema.get("items", {}), root)]
    return _SIMPLE[kind]
