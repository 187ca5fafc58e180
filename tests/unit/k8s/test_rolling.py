"""What a rolling update on one machine takes from the manifests, and what its name server says."""

import copy
from typing import Any

import dns.message
import dns.rcode
import pytest

from k8s.checks.objects import Object, of_kind
from k8s.rolling.manifest import Plan, Probe, plans
from k8s.rolling.names import Endpoints, NameServer, target
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
