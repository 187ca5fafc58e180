"""A request's body: read with a bound, parsed as strict JSON, fitted into a struct.

The standard library's parser is used because it can see what msgspec's cannot: names that are given twice. A name
whose value is null counts as absent, as it does in OpenAI's API.
"""

import asyncio
import json
import re
import zlib
from typing import Any, TypeVar

import msgspec
from starlette.datastructures import Headers
from starlette.types import Receive

from services.gateway.errors import (
    ClientGoneError,
    RequestTimeoutError,
    RequestTooLargeError,
    UnsupportedEncodingError,
)
from services.runtime.errors import InvalidRequestError

StructT = TypeVar("StructT", bound=msgspec.Struct)

_SHOWN_CHARACTERS = 64

# How long the first bytes of a body may take, and how slowly the rest may come: a poor mobile network does better.
_FIRST_S = 10.0
_BYTES_A_SECOND_MIN = 4096

# How zlib reads each content coding: a container's header, or none.
_WINDOW_BITS = {"identity": 0, "gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}

# What msgspec says is wrong, and where; tests hold it to these words.
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>.*)`")
_TYPE = re.compile(r"Expected `(?P<expected>[^`]*)`, got `(?P<got>[^`]*)`")
_PATH = re.compile(r"(?P<what>.*) - at `\$\.?(?P<path>[^`]*)`", re.DOTALL)

_JSON_TYPES = {"int": "integer", "str": "string", "bool": "boolean", "float": "number"}

# Of other roles' messages and of parts that models of ours do not take: known, so no question of spelling.
_KNOWN_UNSUPPORTED = frozenset({"audio", "function_call", "tool_call_id", "tool_calls"})


def wrong(field: str, problem: str, **facts: object) -> InvalidRequestError:
    """An error about one field (empty: about the whole body); `locales/` has a sentence for each problem."""
    return InvalidRequestError(
        f"{field or 'body'}: {problem}",
        fields={field: problem} if field else {},
        metadata={"problem": problem, **{name: str(value) for name, value in facts.items()}},
    )


async def read(receive: Receive, headers: Headers, *, bytes_max: int) -> bytes:
    """Read a JSON body, unpacked, and no more of it than is allowed.

    Raises:
        InvalidRequestError: It does not say that it is JSON, or is not packed as it says.
        UnsupportedEncodingError: It is packed in another way than gzip or deflate.
        RequestTooLargeError: It is longer than `bytes_max`, packed or unpacked.
        RequestTimeoutError: It comes too slowly.
        ClientGoneError: The client left before it was whole.
    """
    content_type = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise wrong("", "content_type")
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in _WINDOW_BITS:
        raise UnsupportedEncodingError("The body's coding is not read.", metadata={"encoding": shown(encoding)})
    raw = await read_raw(receive, headers, bytes_max=bytes_max)
    return raw if encoding == "identity" else _unpacked(raw, encoding, bytes_max)


async def read_raw(receive: Receive, headers: Headers, *, bytes_max: int) -> bytes:
    """Read a body of any kind, as it comes, and no more of it than is allowed.

    Raises:
        RequestTooLargeError: It is longer than `bytes_max`.
        RequestTimeoutError: It comes too slowly.
        ClientGoneError: The client left before it was whole.
    """
    announced = headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > bytes_max:
        raise _too_large(bytes_max)
    parts: list[bytes] = []
    size = 0
    begin = asyncio.get_running_loop().time()
    while True:
        try:
            async with asyncio.timeout_at(begin + _FIRST_S + size / _BYTES_A_SECOND_MIN):
                message = await receive()
        except TimeoutError:
            raise RequestTimeoutError("The body comes too slowly.") from None
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        received = message.get("body", b"")
        size += len(received)
        if size > bytes_max:
            raise _too_large(bytes_max)
        parts.append(received)
        if not message.get("more_body", False):
            return b"".join(parts)


def _unpacked(raw: bytes, encoding: str, bytes_max: int) -> bytes:
    """The body without its content coding (RFC 9110, 8.4.1); a bomb is never unpacked further than is allowed."""
    unpacker = zlib.decompressobj(_WINDOW_BITS[encoding])
    try:
        body = unpacker.decompress(raw, bytes_max + 1)
    except zlib.error:
        raise wrong("", "not_packed", encoding=encoding) from None
    if len(body) > bytes_max:
        raise _too_large(bytes_max)
    if not unpacker.eof or unpacker.unused_data:
        raise wrong("", "not_packed", encoding=encoding)
    return body


def parse(raw: bytes) -> dict[str, Any]:
    """The body as an object.

    Raises:
        InvalidRequestError: It is not one; the metadata says what is wrong and where.
    """
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise wrong("", "not_utf8") from None
    except json.JSONDecodeError as error:
        raise wrong("", "not_json", line=error.lineno, column=error.colno) from None
    except RecursionError:
        raise wrong("", "too_deep") from None
    except ValueError:
        # NaN and infinities, which JSON does not have, and integers of thousands of digits.
        raise wrong("", "number") from None
    if not isinstance(value, dict):
        raise wrong("", "not_an_object")
    return value


def fit(value: dict[str, Any], struct: type[StructT]) -> StructT:
    """The object as a struct.

    Raises:
        InvalidRequestError: A field is unknown, missing or of another type.
    """
    try:
        return msgspec.convert(value, struct)
    except msgspec.ValidationError as error:
        raise _explained(str(error)) from None
    except UnicodeEncodeError as error:
        # A name with half a surrogate pair, which msgspec cannot even compare.
        raise wrong(shown(error.object), "unknown") from None


def shown(name: str) -> str:
    """A name that a caller wrote, cut and cleaned so that an answer can repeat it."""
    printable = "".join(character if character.isprintable() else "�" for character in name[:_SHOWN_CHARACTERS])
    return printable if len(name) <= _SHOWN_CHARACTERS else printable + "…"


def _explained(complaint: str) -> InvalidRequestError:
    located = _PATH.fullmatch(complaint)
    what, path = (located["what"], located["path"]) if located else (complaint, "")
    if match := _UNKNOWN.fullmatch(what):
        name = match["name"]
        return wrong(_join(path, shown(name)), "unsupported" if name in _KNOWN_UNSUPPORTED else "unknown")
    if match := _MISSING.fullmatch(what):
        return wrong(_join(path, match["name"]), "missing")
    if match := _TYPE.fullmatch(what):
        return wrong(path, "type", expected=_json_types(match["expected"]), got=_json_types(match["got"]))
    return wrong(path, "invalid")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _json_types(types: str) -> str:
    names = [_JSON_TYPES.get(name, name) for name in types.split(" | ")]
    return " / ".join(name for name in names if name != "null")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise wrong(shown(name), "duplicate")
            seen.add(name)
    if None in found.values():
        return {name: value for name, value in found.items() if value is not None}
    return found


def _refuse_constant(_constant: str) -> None:
    raise ValueError


def _too_large(bytes_max: int) -> RequestTooLargeError:
    return RequestTooLargeError("The body is too large.", metadata={"limit": str(bytes_max)})
