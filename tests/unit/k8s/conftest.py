"""Every overlay, rendered once."""

import copy
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from k8s.checks.objects import OVERLAYS, Object, render

# A copy of an overlay's objects, to be spoiled.
Rendered = Callable[[str], list[Object]]


@pytest.fixture(scope="session")
def rendered() -> Rendered:
    """The objects of an overlay, as one's own."""
    kubectl = Path(sys.executable).with_name("kubectl")
    with ThreadPoolExecutor() as threads:
        objects = dict(zip(OVERLAYS, threads.map(lambda name: render(name, kubectl), OVERLAYS), strict=True))
    return lambda overlay: copy.deepcopy(objects[overlay])
