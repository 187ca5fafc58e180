"""Reading server-sent events as tests need them: every event's id and data."""

import json
from typing import Any, NamedTuple


class SentEvent(NamedTuple):
    """One event; its id is empty where it has none."""

    id: str
    data: str

    @property
    def json(self) -> Any:
        """The data, decoded."""
        return json.loads(self.data)


def sent_events(stream: str) -> list[SentEvent]:
    """The events of a whole stream, of which each has a data line and perhaps one with an id; comments are left out."""
    *parts, rest = stream.split("\n\n")
    assert rest == ""
    found = []
    for part in parts:
        fields = dict(line.split(": ", 1) for line in part.split("\n") if not line.startswith(":"))
        if fields:
            assert fields.keys() <= {"id", "data"}
            found.append(SentEvent(fields.get("id", ""), fields["data"]))
    return found
