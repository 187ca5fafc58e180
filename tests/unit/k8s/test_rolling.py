"""What a rolling update on one machine takes from the manifests, and what its name server says."""

import copy
from pathlib import Path
from typing import Any

import dns.message
import dns.rcode
import pytest

from k8s.checks.objects import Object, of_kind
from k8s.rolling.manifest import Plan, Probe, plans
from k8s.rolling.names import Endpoints, NameServer, target
from k8s.rolling.runner import Containers, Processes, chosen
from sandbox.processes import PartError
from tests.unit.k8s.conftest import Rendered


def test_a_plan_is_what_the_manifests_say(rendered: Rendered) -> None:
    found = plans(rendered("dev"))
    assert set(found) == {"gateway", "chat", "moderation", "billing"}
    chat, gateway = found["chat"], found["gateway"]
    assert (chat.arguments, chat.port, chat.surge) == (["serve", "chat"], 50051, 1)
    assert (chat.pre_stop_s, chat.grace_s) == (35, 360)
    assert chat.readiness == Probe(50051, None, "queqiao.chat.v1.ChatService", 5, 3, 2)
    assert gateway.readiness == Probe(8080, "/readyz", "", 5, 4, 2)
    assert gateway.variables.items() >= {"METRICS_PORT": "9464", "DRAIN_S": "310", "PORT": "8080"}.items()
    assert "SERVICE_INSTANCE" not in gateway.variables


def changed(objects: list[Object], service: str, **changes: Any) -> dict[str, Plan]:
    deployment = next(each for each in of_kind(objects, "Deployment") if each["metadata"]["name"] == service)
    deployment["spec"] |= copy.deepcopy(changes)
    return plans(objects)


def test_what_one_machine_cannot_do_is_refused_in_a_sentence(rendered: Rendered) -> None:
    with pytest.raises(PartError, match="chat: only a rolling update"):
        changed(rendered("dev"), "chat", strategy={"type": "Recreate"})
    with pytest.raises(PartError, match="an overlay without the component mtls"):
        plans(rendered("prod"))


def said(server: NameServer, name: str) -> list[str]:
    answer = server.answer(dns.message.make_query(name, "A"))
    assert bool(answer.answer) == (answer.rcode() == dns.rcode.NOERROR)
    return [each.to_text() for rrset in answer.answer for each in rrset]


def test_a_name_leads_to_who_was_ready_when_it_was_last_looked_up() -> None:
    now, endpoints = [100.0], Endpoints()
    server = NameServer(endpoints, cache_s=30, clock=lambda: now[0])
    name = "chat.queqiao.svc.cluster.local"
    assert said(server, name) == []
    endpoints.add("chat", "127.9.9.1")
    assert said(server, name) == ["127.9.9.1"]
    endpoints.remove("chat", "127.9.9.1")
    endpoints.add("chat", "127.9.9.2")
    now[0] += 29
    assert said(server, name) == ["127.9.9.1"]
    now[0] += 1
    assert said(server, name) == ["127.9.9.2"]
    assert said(server, "chat.example.com") == []


def test_only_names_of_the_cluster_are_asked_of_its_name_server() -> None:
    told = "dns:///billing.queqiao.svc.cluster.local:50053"
    assert target(told, "127.0.0.1:53", {"billing": None}) == f"dns://127.0.0.1:53/{told.removeprefix('dns:///')}"
    assert target("https://api.deepseek.com/v1", "127.0.0.1:53", {"billing": None}) == "https://api.deepseek.com/v1"


def with_podman(monkeypatch: pytest.MonkeyPatch, folder: Path, *, knows: str) -> None:
    """Have nothing on PATH but a podman that knows one image."""
    podman = folder / "podman"
    podman.write_text(f'#!/bin/sh\n[ "$1 $2 $3" = "image inspect {knows}" ]\n', encoding="utf-8")
    podman.chmod(0o755)
    (folder / "env").symlink_to("/usr/bin/env")
    monkeypatch.setenv("PATH", str(folder))


async def test_pods_are_containers_where_the_image_is_built_and_processes_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_podman(monkeypatch, tmp_path, knows="queqiao:1")
    assert isinstance(await chosen("queqiao:1"), Containers)
    assert isinstance(await chosen("queqiao:2"), Processes)
    monkeypatch.setenv("PATH", "")
    assert isinstance(await chosen("queqiao:1"), Processes)
    with pytest.raises(PartError, match="Nothing runs containers here"):
        Containers("queqiao:1")


def test_a_container_is_locked_and_told_what_the_manifests_say_but_no_secret_on_its_command_line(
    rendered: Rendered, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_podman(monkeypatch, tmp_path, knows="queqiao:1")
    env = {"SESSION_SECRET": "hidden", "PORT": "50051", "PATH": "/ours"}
    words = [*Containers("queqiao:1").command(plans(rendered("dev"))["chat"], "chat-1", env)]
    assert words[-3:] == ["queqiao:1", "serve", "chat"]
    assert {"--read-only", "--rm"} <= set(words)
    assert words[words.index("--cap-drop") + 1] == "ALL"
    assert [words[at + 1] for at, word in enumerate(words) if word == "-e"] == ["PORT", "SESSION_SECRET"]
    assert "hidden" not in " ".join(words)
