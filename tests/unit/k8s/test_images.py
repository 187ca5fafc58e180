"""The image: who builds it, which version it carries, and what compose.yaml makes of it."""

import re
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s.checks.objects import OVERLAYS, pods
from k8s.configuration import SERVICES, variables
from k8s.images import ROOT, builder, context_paths, image, version
from tests.unit.k8s.conftest import Rendered

_REFERENCE = re.compile(r"\$\{([A-Z_]+)(?::([-?])([^}]*))?\}")


def install(folder: Path, name: str, status: int = 0) -> None:
    """A program of this name that ends with this status."""
    program = folder / name
    program.write_text(f"#!/bin/sh\nexit {status}\n")
    program.chmod(0o755)


def test_the_first_builder_that_can_build_is_taken(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="install docker, podman or buildah"):
        builder(str(tmp_path))
    install(tmp_path, "buildah")
    assert builder(str(tmp_path)) == (str(tmp_path / "buildah"), "bud", "--layers")
    install(tmp_path, "podman")
    assert builder(str(tmp_path)) == (str(tmp_path / "podman"), "build")
    install(tmp_path, "docker", status=1)
    assert builder(str(tmp_path)) == (str(tmp_path / "podman"), "build")
    install(tmp_path, "docker")
    assert builder(str(tmp_path)) == (str(tmp_path / "docker"), "build")


def test_the_version_stands_in_one_place_and_everything_carries_it(rendered: Rendered) -> None:
    assert metadata.version("queqiao") == version()
    assert image({}) == f"localhost/queqiao:{version()}"
    assert image({"IMAGE": "ours:1"}) == "ours:1"
    assert f"localhost/queqiao:{version()}" in (ROOT / "compose.yaml").read_text("utf-8")
    for overlay in OVERLAYS:
        images = {each["image"] for pod in pods(rendered(overlay)) for each in pod.containers}
        ours = {name for name in images if "queqiao:" in name}
        assert {name.rpartition(":")[2] for name in ours} == {"dev" if overlay == "dev" else version()}


@pytest.fixture(scope="module")
def composed() -> Any:
    """What compose.yaml starts."""
    return yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]


@pytest.mark.parametrize("service", SERVICES)
def test_compose_tells_a_service_what_it_reads_and_all_that_it_needs(composed: Any, service: str) -> None:
    told = {name: _REFERENCE.sub(_filled, value) for name, value in composed[service]["environment"].items()}
    assert told.keys() <= variables(SERVICES[service]).keys()
    settings = SERVICES[service].model_validate({name.lower(): value for name, value in told.items() if value})
    assert float(composed[service]["stop_grace_period"].removesuffix("s")) > settings.drain_s


def _filled(reference: "re.Match[str]") -> str:
    """What a person puts there, or the default."""
    return reference[3] if reference[2] == "-" else "x" * 40


@pytest.mark.parametrize("service", SERVICES)
def test_compose_locks_a_service_up(composed: Any, service: str) -> None:
    given = composed[service]
    assert (given["read_only"], given["cap_drop"]) == (True, ["ALL"])
    assert given["command"] == ["serve", service]


def test_what_compose_mounts_is_here(composed: Any) -> None:
    mounted = [volume.split(":")[0] for each in composed.values() for volume in each.get("volumes", ())]
    files = [path for path in mounted if path.startswith("./k8s")]
    assert len(files) >= 5
    assert all((ROOT / path).exists() for path in files)


def test_the_context_of_the_image_has_what_the_dockerfile_copies_and_nothing_else() -> None:
    allowed = set(context_paths()) - {"Dockerfile", ".dockerignore"}
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    copied = {path for line in copies for path in line.split()}
    assert {path for path in copied if not path.startswith("miniprogram/")} == allowed
    assert all((ROOT / path).exists() for path in copied)
