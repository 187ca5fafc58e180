"""Check what would be applied, without a cluster: every overlay, every layer.

    python -m k8s.checks [crds.yaml]

With operators' CustomResourceDefinitions (`kubectl get crd -o yaml`) their objects are checked against these, too.
"""

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from k8s.checks import addresses, configuration, network, scaling, schemas, workloads
from k8s.checks.objects import OVERLAYS, Object, RenderError, render


def problems(objects: Sequence[Object]) -> Iterator[str]:
    """What is wrong between the layers."""
    for layer in (workloads, configuration, addresses, network, scaling):
        yield from layer.problems(objects)


def main() -> None:
    """Print every problem; exit with status 1 when there is one."""
    kubectl = Path(sys.executable).with_name("kubectl")
    try:
        with ThreadPoolExecutor() as threads:
            rendered = dict(zip(OVERLAYS, threads.map(lambda name: render(name, kubectl), OVERLAYS), strict=True))
    except RenderError as error:
        sys.exit(str(error))
    known = schemas.definitions(Path(sys.argv[1])) if sys.argv[1:] else None
    seen: set[str] = set()
    found = [
        f"{overlay}: {problem}"
        for overlay, objects in rendered.items()
        for problem in (*schemas.problems(objects, seen, known), *problems(objects))
    ]
    print(*found, sep="\n", end="\n" if found else "")  # noqa: T201  # said to the person who checks
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
