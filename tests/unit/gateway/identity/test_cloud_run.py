"""When WeChat Cloud Run's headers may be believed."""

import pytest

from services.gateway.identity.cloud_run import demand_platform
from services.runtime.errors import StartupError


@pytest.mark.parametrize(
    ("trusted", "host", "mark"),
    [
        (False, "0.0.0.0", None),  # noqa: S104  # what is judged
        (True, "127.0.0.1", None),
        (True, "0.0.0.0", "prod-1a2b3c"),  # noqa: S104  # as above
    ],
)
def test_it_starts_on_the_platform_on_loopback_and_without_the_switch(
    trusted: bool, host: str, mark: str | None
) -> None:
    demand_platform(trusted=trusted, host=host, mark=mark)


@pytest.mark.parametrize("mark", [None, ""])
def test_it_does_not_start_where_anybody_could_write_the_headers(mark: str | None) -> None:
    with pytest.raises(StartupError, match="WECHAT_CLOUD_RUN=true"):
        demand_platform(trusted=True, host="0.0.0.0", mark=mark)  # noqa: S104  # what is judged
