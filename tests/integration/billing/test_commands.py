"""Billing's commands against a real process of the service and its real ledger."""

import csv
import io
from pathlib import Path

from tests.integration.billing.test_billing import TURN_MICROS
from tests.integration.billing.test_processes import billing_process, queqiao


async def test_a_wallets_month_is_written_explained_and_proven(database_url: str, tmp_path: Path) -> None:
    async with billing_process(database_url, TRIAL_CREDIT_MICROS="1000000") as billing:
        await billing.client.open()
        for n in range(3):
            await billing.client.reserve(f"r{n}")
            assert await billing.client.settle(f"r{n}") == TURN_MICROS

        status, printed, _ = await queqiao(
            "turns", "reverse", "--user", "u", "--request-id", "r1", target=billing.target
        )
        assert (status, printed.splitlines()[0]) == (0, "Gave back ¥0.003195.")

        out = tmp_path / "u.csv"
        assert await queqiao("statement", "--user", "u", "--out", str(out), target=billing.target) == (0, "", "")
        rows = list(csv.DictReader(io.StringIO(out.read_bytes().decode("utf-8-sig"), newline="")))
        assert [(row["kind"], row["amount (yuan)"], row["balance after (yuan)"]) for row in rows] == [
            ("opening balance", "", "0.00"),
            ("trial", "1.00", "1.00"),
            ("turn", "-0.003195", "0.996805"),
            ("turn", "-0.003195", "0.99361"),
            ("turn", "-0.003195", "0.990415"),
            ("reversal", "0.003195", "0.99361"),
            ("closing balance", "", "0.99361"),
        ]
        assert [row["request id"] for row in rows[2:-1]] == ["r0", "r1", "r2", "r1"]
        assert sum(int(row["output tokens"] or 0) for row in rows) == 1_500

        _, printed, _ = await queqiao("receipt", "--user", "u", "--request-id", "r0", target=billing.target)
        assert "settled" in printed
        assert "¥0.003195" in printed
        _, printed, _ = await queqiao("usage", "--user", "u", target=billing.target)
        assert printed.splitlines()[-1].split() == ["total", "2", "2000", "0", "1000", "¥0.00639"]
        status, printed, _ = await queqiao("costs", target=billing.target)
        assert (status, printed.splitlines()[-1].split("  ")[-1].strip()) == (
            0,
            "¥0.009585 × 1000 ÷ 3 questions = ¥3.195",
        )
        status, printed, _ = await queqiao("ledger", "verify", target=billing.target)
        assert (status, printed.splitlines()[-1]) == (0, "The ledger is right.")
        assert ["sum", "¥0.00"] in [line.split() for line in printed.splitlines()]


async def test_a_price_that_is_set_is_listed(database_url: str) -> None:
    async with billing_process(database_url, PRICES_REFRESH_S="0.05") as billing:
        price = ("--input", "0.15", "--cached-input", "0.0755", "--output", "0.60", "--markup", "12.5%")
        done = await queqiao(
            *("prices", "set", "--model", "qwen-新", *price, "--source", "阿里云定价页"), target=billing.target
        )
        assert done[0] == 0, done
        done = await queqiao("prices", "rate", "--cny", "7.1234", "--source", "中国人民银行", target=billing.target)
        assert done == (0, "A dollar is ¥7.1234 from now on.", "")
        status, printed, _ = await queqiao("prices", "list", target=billing.target)
        assert status == 0
        (listed,) = [line.split() for line in printed.splitlines() if line.startswith("qwen-新")]
        assert listed[:6] == ["qwen-新", "$0.15", "$0.0755", "$0.60", "12.5%", "¥7.1234"]
        assert "Exchange rate: 中国人民银行" in printed


async def test_what_cannot_be_done_is_one_sentence_and_a_failing_status(database_url: str) -> None:
    cases = {
        ("receipt", "--user", "u", "--request-id", "none"): "no reservation of this request_id",
        ("turns", "reverse", "--user", "u", "--request-id", "none"): "no reservation of this request_id",
        ("statement", "--user", "a b"): "user_id must be",
        ("orders", "show", "--user", "u", "unknown1"): "no such order",
        ("orders", "refund", "unknown1", "--request-id", "r", "--reason", "x"): "no such order",
        ("orders", "reconcile", "--provider", "nobody", "--day", "2026-11-01"): "no payment provider",
        ("prices", "rate", "--cny", "0.5", "--source", "x"): "cny_micros_per_usd must be",
    }
    async with billing_process(database_url) as billing:
        for arguments, words in cases.items():
            status, printed, complaint = await queqiao(*arguments, target=billing.target)
            assert (status, printed) == (1, ""), complaint
            assert words in complaint
            assert "\n" not in complaint
        status, printed, _ = await queqiao("orders", "list", target=billing.target)
        assert (status, len(printed.splitlines())) == (0, 1)
