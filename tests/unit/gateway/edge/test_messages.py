"""Every error has its sentence, in both languages."""

import ast
import re
from pathlib import Path

from services.gateway import errors
from services.gateway.edge import http_errors
from services.gateway.edge.catalogues import catalogue
from services.gateway.edge.languages import Language
from services.gateway.edge.messages import text
from services.runtime.errors import Code, RemoteError, ServiceError

REPOSITORY = Path(__file__).parents[4]
PROTOS = REPOSITORY / "protos" / "queqiao"
GATEWAY = [file.read_text() for file in (REPOSITORY / "services" / "gateway").rglob("*.py")]


def problems(source: str) -> set[str]:
    """The problems that a module's calls of `wrong` name."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "wrong":
            literals = [each for each in ast.walk(node.args[1]) if isinstance(each, ast.Constant)]
            found |= {each.value for each in literals if isinstance(each.value, str) and each.value.isidentifier()}
    return found


def called_protos() -> set[Path]:
    """The protos of the services that the gateway calls."""
    source = "\n".join(GATEWAY)
    lines = re.findall(r"^from queqiao\.(\w+)\.v1 import (.+)$", source, re.MULTILINE)
    stubs = {(service, name) for service, names in lines for name in re.findall(r"(\w+)_pb2_grpc", names)}
    return {PROTOS / service / "v1" / f"{name}.proto" for service, name in stubs}


def test_every_reason_has_a_text_and_a_form() -> None:
    reasons = {
        each.reason for each in vars(errors).values() if isinstance(each, type) and issubclass(each, ServiceError)
    }
    assert reasons - {"INTERNAL"} <= set(http_errors.FORMS)
    assert set(http_errors.FORMS) <= catalogue(Language.CHINESE).names


def test_every_reason_that_a_service_documents_has_a_text_and_a_form() -> None:
    protos = "\n".join(file.read_text() for file in called_protos())
    comments = "\n".join(re.findall(r"//.*", protos))
    # What stands there in capitals and is neither a canonical code nor the value of an enum is a reason.
    values = set(re.findall(r"^\s*([A-Z_]+) = \d", protos, re.MULTILINE))
    reasons = set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", comments)) - values - set(Code.__members__)
    assert {"ORDER_NOT_FOUND", "REFUND_TOO_LARGE", "CONTENT_REFUSED", "MODERATION_UNAVAILABLE"} <= reasons
    assert reasons <= set(http_errors.FORMS)


def test_every_problem_of_a_request_has_a_text() -> None:
    found = set().union(*map(problems, GATEWAY))
    assert {"unknown", "unsupported", "range", "characters"} <= found
    assert {f"INVALID_REQUEST.{problem}" for problem in found} <= catalogue(Language.CHINESE).names


def test_an_unknown_reason_is_an_internal_error() -> None:
    error = RemoteError(Code.DATA_LOSS, "NEW", "driver detail")
    assert text(error, Language.ENGLISH) == "An unexpected error happened; it has been logged."
    assert http_errors.form(error).status == 500


def test_a_new_reason_of_a_known_code_has_that_codes_status() -> None:
    assert http_errors.form(RemoteError(Code.UNAVAILABLE, "NEW", "x")).status == 503


def test_facts_cannot_be_templates() -> None:
    error = RemoteError(Code.NOT_FOUND, "MODEL_NOT_FOUND", "x", metadata={"model": "{field.__class__} {0}"})
    assert "{field.__class__} {0}" in text(error, Language.ENGLISH)


def test_a_service_that_refuses_a_field_is_quoted() -> None:
    error = RemoteError(Code.INVALID_ARGUMENT, "INVALID_REQUEST", "x", fields={"max_output_tokens": "must be 1"})
    assert text(error, Language.ENGLISH) == "The request is wrong: max_output_tokens must be 1."
    assert b'"param":"max_tokens"' in http_errors.body(error, Language.ENGLISH)


def test_retry_after_is_whole_seconds_and_never_zero() -> None:
    for seconds, header in ((0.2, "1"), (1.0, "1"), (1.1, "2")):
        error = RemoteError(Code.UNAVAILABLE, "SERVICE_UNAVAILABLE", "x", retry_after_s=seconds)
        assert http_errors.headers(error)["Retry-After"] == header
