"""Several processes a service: their names, their ports, and how calls reach them."""

from pathlib import Path

import pytest

from sandbox.mesh import Mesh
from sandbox.processes import PartError
from sandbox.workers import Workers


def test_calls_go_to_each_process_in_turn() -> None:
    assert Workers(1).target([7001]) == "127.0.0.1:7001"
    assert Workers(2).target([7001, 7002]) == "ipv4:127.0.0.1:7001,127.0.0.1:7002"
    assert Workers(3).names("chat") == ["chat", "chat 2", "chat 3"]


@pytest.mark.parametrize("told", ["0", "-1", "two", "65", "1.5"])
def test_what_makes_no_sense_is_said_in_a_sentence(told: str, tmp_path: Path) -> None:
    with pytest.raises(PartError, match="WORKERS is"):
        Mesh(tmp_path, given={"WORKERS": told}, port=8099)


def test_the_processes_of_the_gateway_share_its_port_and_no_others_share_one(tmp_path: Path) -> None:
    planned = Mesh(tmp_path, given={"WORKERS": "2"}, port=8099)
    planned._tell_addresses()
    gateway = planned._service_env("gateway")
    assert (gateway["PORT"], gateway["PORT_SHARED"]) == ("8099", "true")
    addresses = planned.env["CHAT_TARGET"].removeprefix("ipv4:").split(",")
    assert len(set(addresses)) == 2
    assert planned._service_env("chat")["PORT"] == addresses[0].rpartition(":")[2]
