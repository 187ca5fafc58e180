"""`queqiao doctor`: a deployment that is well, and each thing that can be wrong with one."""

import asyncio
from pathlib import Path

import pytest
from queqiao.billing.v1 import payments_pb2
from typer.testing import CliRunner

from services.gateway.doctor.commands import app
from tests.edge.conftest import Edge
from tests.integration.gateway.conftest import Gateway, StartGateway


async def examined(*arguments: str) -> tuple[int, dict[str, tuple[bool, str]]]:
    """The exit status, and what was found by check."""
    result = await asyncio.to_thread(CliRunner().invoke, app, [*arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    found = {}
    # What the gateway of this process logs meanwhile stands there, too.
    for line in (each for each in result.output.splitlines() if each.startswith(("✓", "✗"))):
        mark, check, sentence = line.split(maxsplit=2)
        found[check] = (mark == "✓", sentence)
    return result.exit_code, found


async def test_a_deployment_behind_the_shipped_nginx_is_well_but_for_its_young_certificate(
    gateway: Gateway, edge: Edge, tmp_path: Path
) -> None:
    gateway.chat.script = ["一", 0.1, "二", 0.1, "三"]
    gateway.payments.answer = payments_pb2.HandleCallbackResponse(status=401)
    status, found = await examined(edge.url, "--key", gateway.key, "--authority", str(tmp_path / "edge.pem"))
    assert {check for check, (well, _) in found.items() if not well} == {"certificate"}, found
    assert "renew it" in found["certificate"][1]
    assert "they pass as they come" in found["streams"][1]
    assert status == 1


async def test_an_answer_that_was_collected_on_the_way_is_told(gateway: Gateway, edge: Edge, tmp_path: Path) -> None:
    gateway.chat.script = ["一", "二", "三", "四"]
    _, found = await examined(edge.url, "--key", gateway.key, "--authority", str(tmp_path / "edge.pem"))
    assert found["streams"][0] is False
    assert "proxy_buffering off" in found["streams"][1]


async def test_a_gateway_without_its_edge_lacks_https(gateway: Gateway) -> None:
    status, found = await examined(gateway.url)
    assert "https" in found["certificate"][1]
    assert found["streams"] == (True, "Not checked: give --key for a question.")
    assert status == 1


async def test_headers_of_cloud_run_that_are_believed_in_public_are_told(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(wechat_cloud_run=True, wechat_appid="doctor")
    _, found = await examined(gateway.url)
    assert found["callbacks"] == (False, "A callback without a signature was taken: tell the developers at once.")
    assert found["strangers"][0] is False
    assert "X-WX-OPENID" in found["strangers"][1]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "https://127.0.0.1:9"])
async def test_an_address_where_nobody_answers_is_one_line(url: str) -> None:
    status, found = await examined(url)
    assert (status, list(found)) == (1, ["address"])
