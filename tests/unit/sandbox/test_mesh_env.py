"""What each service is told: all that it needs, and no secret of another's."""

from pathlib import Path

import pytest

from sandbox.mesh import Mesh

OUTSIDE = {
    "DATABASE_URL": "postgresql://secret-database",
    "REDIS_URL": "redis://secret-redis",
    "OPENAI_BASE_URL": "http://model/v1",
    "OPENAI_API_KEY": "secret-model-key",
    "WECHAT_API_BASE_URL": "http://wechat",
    "WECHAT_APPID": "wx1",
    "WECHAT_SECRET": "secret-wechat",
    "OPENAI_MODERATION_BASE_URL": "http://moderations/v1",
    "OPENAI_MODERATION_API_KEY": "secret-moderations-key",
    "SESSION_SECRET": "secret-session",
    "AUDIT_SECRET": "secret-audit",
    "CHAT_TARGET": "127.0.0.1:7001",
    "BILLING_TARGET": "127.0.0.1:7002",
    "MODERATION_TARGET": "127.0.0.1:7003",
    "WECHATPAY_APIV3_KEY": "a secret key",
    "VIRTUAL_PAYMENT_APP_KEY": "a secret key",
}

MAY_KNOW = {
    "moderation": {"DATABASE_URL", "REDIS_URL", "WECHAT_SECRET", "OPENAI_MODERATION_API_KEY", "AUDIT_SECRET"},
    # The mini-program's secret is what an access token for virtual payment is had for.
    "billing": {"DATABASE_URL", "WECHAT_SECRET", "WECHATPAY_APIV3_KEY", "VIRTUAL_PAYMENT_APP_KEY"},
    "chat": {"DATABASE_URL", "REDIS_URL", "OPENAI_API_KEY"},
    "gateway": {"DATABASE_URL", "REDIS_URL", "WECHAT_SECRET", "SESSION_SECRET"},
}


def mesh(folder: Path, given: dict[str, str]) -> Mesh:
    mesh = Mesh(folder, given=given, port=8099)
    mesh.env.update(OUTSIDE)
    return mesh


@pytest.mark.parametrize("service", MAY_KNOW)
def test_a_service_is_given_exactly_the_secrets_it_uses(tmp_path: Path, service: str) -> None:
    env = mesh(tmp_path, {})._service_env(service)
    assert {name for name, value in env.items() if "secret" in value} == MAY_KNOW[service]


@pytest.mark.parametrize("service", MAY_KNOW)
def test_nothing_of_the_launchers_environment_travels_by_accident(
    tmp_path: Path, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of another program")
    env = mesh(tmp_path, {"AWS_SECRET_ACCESS_KEY": "of another program"})._service_env(service)
    assert "AWS_SECRET_ACCESS_KEY" not in env
    assert "PATH" in env


def test_services_listen_on_ports_of_their_own_and_the_gateway_on_the_given_one(tmp_path: Path) -> None:
    planned = mesh(tmp_path, {})
    envs = {service: planned._service_env(service) for service in MAY_KNOW}
    assert envs["gateway"]["PORT"] == "8099"
    ports = [env[name] for env in envs.values() for name in ("PORT", "METRICS_PORT")]
    assert len(set(ports)) == len(ports)


def test_only_the_gateway_listens_on_the_host_that_was_asked_for(tmp_path: Path) -> None:
    planned = Mesh(tmp_path, given={}, host="0.0.0.0", port=8099)  # noqa: S104  # nothing is started
    planned.env.update(OUTSIDE)
    assert planned._service_env("gateway")["HOST"] == "0.0.0.0"  # noqa: S104  # a comparison
    assert planned._service_env("billing")["HOST"] == "127.0.0.1"
    assert planned.url == "http://127.0.0.1:8099"


def test_an_option_that_was_given_wins_over_the_laptops_own(tmp_path: Path) -> None:
    assert mesh(tmp_path, {})._service_env("chat")["DRAIN_S"] == "3"
    given = {"DRAIN_S": "20", "LOG_LEVEL": "DEBUG", "RATE_LIMIT_KEY_PER_MINUTE": "7"}
    env = mesh(tmp_path, given)._service_env("gateway")
    assert (env["DRAIN_S"], env["LOG_LEVEL"], env["RATE_LIMIT_KEY_PER_MINUTE"]) == ("20", "DEBUG", "7")


def test_the_keys_that_a_file_of_providers_names_reach_the_chat_service_alone(tmp_path: Path) -> None:
    file = tmp_path / "upstreams.toml"
    file.write_text('keys = ["env:KEY_1", "env:KEY_2"]', encoding="utf-8")
    planned = mesh(tmp_path, {"UPSTREAMS_FILE": str(file), "KEY_1": "one", "KEY_3": "three"})
    envs = {service: planned._service_env(service) for service in MAY_KNOW}
    assert {service for service, env in envs.items() if "KEY_1" in env} == {"chat"}
    assert not {"KEY_2", "KEY_3"} & envs["chat"].keys()


@pytest.mark.parametrize(("drain_s", "grace_s"), [("", 8.0), ("2", 8.0), ("30", 35.0), ("soon", 8.0)])
def test_a_part_is_not_killed_while_it_may_still_drain(tmp_path: Path, drain_s: str, grace_s: float) -> None:
    assert mesh(tmp_path, {"DRAIN_S": drain_s})._supervisor._stop_grace_s == grace_s
