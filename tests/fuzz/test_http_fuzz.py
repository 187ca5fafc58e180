"""Whatever is asked over HTTP, well-formed or not, is answered as the document says: no 5xx, no hang."""

import asyncio
import os
import re
import sys
from pathlib import Path

from tests.integration.gateway.conftest import StartGateway

# Requests of each kind to each operation; FUZZ_EXAMPLES asks for more.
EXAMPLES = os.environ.get("FUZZ_EXAMPLES", "12")

# Its phase "coverage" walks every bound of every field, which takes minutes.
PHASES = os.environ.get("FUZZ_PHASES", "fuzzing")

SCHEMATHESIS = Path(sys.executable).with_name("st")

# Callbacks of payment providers are left out: their answers are the providers' own.
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


async def test_whatever_is_asked_is_answered_as_the_document_says(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(
        rate_limit_key_per_minute=10**9,
        rate_limit_trial_per_minute=10**9,
        order_limit_per_minute=10**9,
        login_limit_per_minute=10**9,
    )
    _, session = await gateway.login("fuzz")
    process = await asyncio.create_subprocess_exec(
        str(SCHEMATHESIS),
        *("run", f"{gateway.url}/openapi.json", "--header", f"Authorization: Bearer {session}"),
        *("--checks", CHECKS, "--max-examples", EXAMPLES, "--phases", PHASES, "--mode", "all"),
        *("--request-timeout", "10", "--no-shrink", "--seed", "7", "--exclude-path-regex", "notify|auth/revoke"),
        *("--continue-on-failure", "--warnings", "off"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "NO_COLOR": "1"},
    )
    printed, _ = await process.communicate()
    text = printed.decode()
    assert process.returncode == 0, text
    assert int(re.findall(r"(\d+) generated", text)[-1]) > 200
