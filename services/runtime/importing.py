"""Importing what stays as long as the process."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Optional parts of libraries, which these import where they find them and no service uses: of structlog and httpx what
# is shown in a terminal, of redis-py its own metrics. Together a tenth to a sixth of what a service would import.
_NOT_WANTED = ("rich", "opentelemetry.sdk.metrics", "httpx._main")


@contextmanager
def importing() -> Iterator[None]:
    """Import inside, without what nobody wants; what was left out can be imported afterwards.

    The collector looks for no garbage meanwhile, and later not among what was imported: it would take an eighth of the
    time that importing takes, and find next to nothing.
    """
    # No package brings plug-ins of pydantic's, which it would look for in each of them.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # noqa: TID251  # written, not read
    gc.disable()
    absent = [name for name in _NOT_WANTED if name not in sys.modules]
    # To Python that is a module which is not installed.
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # None is documented, and typeshed has it not
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
        gc.freeze()
        gc.enable()
