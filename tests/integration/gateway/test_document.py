"""The API's document: whole, valid, and about this gateway. Every other test here holds answers against it."""

import re

import pytest

from tests.integration.gateway.conftest import Gateway

LOGIN = {"/v1/auth/wechat", "/v1/auth/refresh", "/v1/auth/revoke", "/v1/payments/{provider}/notify"}
OPEN = {"/healthz", "/readyz"} | LOGIN


async def test_the_document_is_valid_openapi(gateway: Gateway) -> None:
    from openapi_spec_validator import validate  # late: see conformance.py

    assert gateway.document.document["openapi"] == "3.1.0"
    validate(gateway.document.document)


async def test_every_operation_has_a_name_of_its_own_a_summary_and_its_errors(gateway: Gateway) -> None:
    names = set()
    for path, operations in gateway.document.document["paths"].items():
        for operation in operations.values():
            names.add(operation["operationId"])
            assert operation["summary"]
            assert {"500", "503"} <= set(operation["responses"])
            if path not in OPEN:
                assert {"401", "403", "429"} <= set(operation["responses"])
                assert operation["security"] == [{"bearer": []}]
                assert operation["x-scope"]
    assert len(names) == sum(map(len, gateway.document.document["paths"].values()))


async def test_every_example_of_an_error_is_that_error(gateway: Gateway) -> None:
    responses = gateway.document.document["paths"]["/v1/chat/completions"]["post"]["responses"]
    examples = responses["402"]["content"]["application/json"]["examples"]
    assert examples["INSUFFICIENT_QUOTA"]["value"]["error"]["code"] == "insufficient_quota"


async def test_every_operation_refuses_the_anonymous_and_a_wrong_token(gateway: Gateway) -> None:
    for path, operations in gateway.document.document["paths"].items():
        if path in OPEN:
            continue
        for method in operations:
            url = gateway.url + re.sub(r"\{\w+\}", "x", path)
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer sk-qq-" + "0" * 40}):
                async with gateway.http.request(method, url, headers=headers, json={}) as answer:
                    assert (method, path, answer.status) == (method, path, 401)
                    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_nobody_on_the_way_may_keep_an_answer_of_any_operation(gateway: Gateway) -> None:
    statuses = set()
    for path, operations in gateway.document.document["paths"].items():
        for method in operations:
            url = gateway.url + re.sub(r"\{\w+\}", "x", path)
            for headers in ({}, gateway.auth):
                async with gateway.http.request(method, url, headers=headers, json={}) as answer:
                    assert (method, path, answer.headers["Cache-Control"]) == (method, path, "no-store")
                    statuses.add(answer.status)
    assert {200, 201, 400, 401, 404} <= statuses


async def test_only_documents_are_shared(gateway: Gateway) -> None:
    for path, shared in (
        ("/openapi.json", True), ("/docs", True), ("/docs/start.js", True), ("/docs/swagger-ui.css", True), ("/", True),
        ("/docs/none", False), ("/none", False), ("/v1/embeddings", False), ("/healthz", False),
    ):  # fmt: skip
        async with gateway.http.get(f"{gateway.url}{path}") as answer:
            assert (path, "public" in (said := answer.headers["Cache-Control"])) == (path, shared)
            assert "s-maxage=300" in said if shared else said == "no-store"


async def test_every_operation_refuses_a_key_that_is_for_something_else(gateway: Gateway) -> None:
    _, session = await gateway.login("document-scopes")
    keys = {}
    for scope in ("chat", "wallet"):
        _, made = await gateway.post("/v1/api_keys", {"name": scope, "scopes": [scope]}, token=session)
        keys[scope] = made["key"]
    for path, operations in gateway.document.document["paths"].items():
        for method, operation in operations.items():
            if (needed := operation.get("x-scope")) is None:
                continue
            url = gateway.url + re.sub(r"\{\w+\}", "x", path)
            headers = {"Authorization": f"Bearer {keys['wallet' if needed == 'chat' else 'chat']}"}
            async with gateway.http.request(method, url, headers=headers, json={}) as answer:
                assert (method, path, answer.status) == (method, path, 403)


@pytest.mark.parametrize(
    ("path", "kind", "contains"),
    [
        ("/docs", "text/html", "swagger-ui-bundle.js"),
        ("/docs/swagger-ui.css", "text/css", ".swagger-ui"),
        ("/docs/start.js", "text/javascript", "/openapi.json"),
        ("/", "text/html", "鹊桥"),
    ],
)
async def test_a_browser_finds_the_viewer_and_a_first_page(
    gateway: Gateway, path: str, kind: str, contains: str
) -> None:
    async with gateway.http.get(f"{gateway.url}{path}") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].partition(";")[0] == kind
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        assert contains in await answer.text()


@pytest.mark.parametrize("path", ["/docs/index.html", "/docs/..%2f..%2fpyproject.toml", "/docs/swagger-ui.js.map"])
async def test_nothing_else_of_the_viewers_package_is_served(gateway: Gateway, path: str) -> None:
    async with gateway.http.get(f"{gateway.url}{path}") as answer:
        assert answer.status == 404
