"""What processes have used."""

import os

from bench.machine import usage, usages


def test_workers_of_one_service_count_as_one() -> None:
    own = os.getpid()
    found = usages({"chat": own, "chat 2": own, "gateway": own})
    assert set(found) == {"chat", "gateway"}
    assert found["chat"].memory_bytes > 1.5 * found["gateway"].memory_bytes > 0
    assert usage(own).cpu_s > 0
