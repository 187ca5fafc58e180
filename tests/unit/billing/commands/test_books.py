"""`queqiao ledger verify` and `queqiao costs`."""

from queqiao.billing.v1 import books_pb2

from tests.fakes.books import FakeBooks
from tests.unit.billing.commands.conftest import Queqiao

BALANCES = [
    books_pb2.AccountBalance(account="wallets", balance_micros=996_805),
    books_pb2.AccountBalance(account="revenue", balance_micros=3_195),
    books_pb2.AccountBalance(account="promotions", balance_micros=-1_000_000),
]
HEADS = [books_pb2.ChainHead(chain_id=3, length=2, sha256="ab" * 32)]


def words(printed: str) -> list[list[str]]:
    return [line.split() for line in printed.splitlines() if line]


async def test_a_right_ledger_shows_its_balances_and_the_heads_to_keep(books: FakeBooks, queqiao: Queqiao) -> None:
    books.answers["VerifyLedger"] = books_pb2.VerifyLedgerResponse(
        ok=True, transfers=2, wallets=1, balances=BALANCES, heads=HEADS
    )
    ran = await queqiao("ledger", "verify")
    assert (ran.status, ran.complaint) == (0, "")
    assert words(ran.printed) == [
        ["entries", "2"],
        ["wallets", "1"],
        ["account", "balance"],
        ["wallets", "¥0.996805"],
        ["revenue", "¥0.003195"],
        ["promotions", "-¥1.00"],
        ["sum", "¥0.00"],
        ["chain", "entries", "SHA-256", "of", "the", "last", "entry"],
        ["3", "2", "ab" * 32],
        ["The", "ledger", "is", "right."],
    ]


async def test_a_wrong_ledger_fails_and_names_every_finding(books: FakeBooks, queqiao: Queqiao) -> None:
    findings = [
        books_pb2.Finding(check="chain", subject="transfer 7", message="The entry was changed after it was written."),
        books_pb2.Finding(check="projection", subject="wallet u", message="The balance should be 5 and is 6."),
    ]
    books.answers["VerifyLedger"] = books_pb2.VerifyLedgerResponse(ok=False, balances=BALANCES, findings=findings)
    ran = await queqiao("ledger", "verify")
    assert ran.status == 1
    assert "chain       transfer 7  The entry was changed after it was written." in ran.printed
    assert "projection  wallet u    The balance should be 5 and is 6." in ran.printed
    assert ran.printed.endswith("The ledger is wrong: 2 findings.\n")


async def test_costs_are_said_with_the_parts_of_their_formula(books: FakeBooks, queqiao: Queqiao) -> None:
    books.answers["GetCosts"] = books_pb2.GetCostsResponse(
        questions=3_000,
        cached_questions=1_000,
        own_model_questions=500,
        provider_cost_micros=1_200_001,
        revenue_micros=2_000_000,
        cost_per_thousand_micros=400_000,
    )
    ran = await queqiao("costs")
    assert ran.status == 0
    assert words(ran.printed)[2:] == [
        ["questions", "3000"],
        ["by", "providers", "1500"],
        ["by", "the", "cache", "1000"],
        ["by", "our", "models", "500"],
        ["charged", "to", "users", "¥2.00"],
        ["provider", "cost", "¥1.200001"],
        ["per", "thousand", "¥1.200001", "×", "1000", "÷", "3000", "questions", "=", "¥0.40"],
    ]
    (asked,) = books.asked
    assert isinstance(asked, books_pb2.GetCostsRequest)
    days_s = asked.end_time.seconds - asked.start_time.seconds
    assert 6 * 86_400 <= days_s <= 7 * 86_400


async def test_no_question_is_no_cost_and_no_division(books: FakeBooks, queqiao: Queqiao) -> None:
    books.answers["GetCosts"] = books_pb2.GetCostsResponse()
    ran = await queqiao("costs", "--days", "1")
    assert ran.status == 0
    assert "no question was charged" in ran.printed
