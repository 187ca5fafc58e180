"""What docs/operations.md names exists."""

import re
from pathlib import Path

import pytest

from k8s.checks.objects import OVERLAYS, of_kind
from k8s.checks.schemas import OPERATORS
from tests.unit.k8s.conftest import Rendered

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")


@pytest.mark.parametrize("page", ["operations.md", "cloud-run.md"])
def test_every_make_target_and_file_of_a_page_exists(page: str) -> None:
    text = (ROOT / "docs" / page).read_text("utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert {name for words in re.findall(r"make ((?:[a-z][a-z0-9-]+ ?)+)", text) for name in words.split()} <= targets
    assert all((ROOT / path).exists() for path in re.findall(r"`((?:k8s|tests|sandbox)/[a-z0-9_./-]+)`", text))


def test_every_command_says_whether_it_was_run() -> None:
    blocks = re.findall(r"^```console\n(.+?)^```", PAGE, re.MULTILINE | re.DOTALL)
    commands = [command for block in blocks for command in re.split(r"^\$ ", block, flags=re.MULTILINE) if command]
    assert len(commands) > 30
    assert [command for command in commands if not re.search("#.*[✓✗]", command)] == []


def test_every_operator_that_an_overlay_needs_is_named(rendered: Rendered) -> None:
    groups = {each["apiVersion"].partition("/")[0] for overlay in OVERLAYS for each in rendered(overlay)}
    assert set(OPERATORS) <= groups
    assert all(f"`{group}`" in PAGE for group in OPERATORS)


def test_every_key_of_the_vault_is_listed_with_its_properties(rendered: Rendered) -> None:
    for secret in of_kind(rendered("prod"), "ExternalSecret"):
        for entry in secret["spec"]["data"]:
            key, wanted = entry["remoteRef"]["key"], entry["remoteRef"]["property"]
            short = "queqiao/postgres-gateway" if key.startswith("queqiao/postgres-") and "backup" not in key else key
            row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{short}`"))
            assert f"`{wanted}`" in row


def test_how_a_pod_stops_is_told_as_the_manifests_have_it(rendered: Rendered) -> None:
    specs = {each["metadata"]["name"]: each["spec"] for each in of_kind(rendered("prod"), "Deployment")}
    services = ("gateway", "chat", "billing")
    grace = [specs[name]["template"]["spec"]["terminationGracePeriodSeconds"] for name in services]
    assert "| grace | " + " | ".join(f"{seconds} s" for seconds in grace) + " |" in PAGE


def test_every_schedule_is_listed(rendered: Rendered) -> None:
    for job in of_kind(rendered("prod"), "CronJob"):
        minute, hour = job["spec"]["schedule"].split()[:2]
        assert f"| `{job['metadata']['name']}` | {int(hour):02}:{int(minute):02} |" in PAGE
