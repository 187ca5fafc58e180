"""Probes."""

from tests.integration.gateway.conftest import Gateway, StartGateway


async def test_alive(gateway: Gateway) -> None:
    async with gateway.http.get(f"{gateway.url}/healthz") as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "ok"})


async def test_ready_names_every_dependency(gateway: Gateway) -> None:
    async with gateway.http.get(f"{gateway.url}/readyz") as answer:
        assert answer.status == 200
        assert await answer.json() == {
            "status": "ok",
            "checks": {"postgres": "ok", "redis": "ok", "chat": "ok", "billing": "ok", "moderation": "ok"},
        }


async def test_a_service_that_is_away_is_named(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(billing_target="127.0.0.1:9")
    async with gateway.http.get(f"{gateway.url}/readyz") as answer:
        assert answer.status == 503
        report = await answer.json()
    assert report["status"] == "down"
    assert [name for name, state in report["checks"].items() if state == "down"] == ["billing"]


async def test_without_moderation_the_gateway_still_serves(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(moderation_target="127.0.0.1:9")
    async with gateway.http.get(f"{gateway.url}/readyz") as answer:
        assert answer.status == 200
        report = await answer.json()
    assert (report["status"], report["checks"]["moderation"]) == ("degraded", "down")


async def test_a_service_that_is_away_is_a_503_for_users(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(billing_target="127.0.0.1:9")
    async with gateway.http.get(f"{gateway.url}/v1/wallet", headers=gateway.auth) as answer:
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "1"
        assert (await answer.json())["error"]["code"] == "service_unavailable"
