"""`queqiao credit grant` and `queqiao wallet show`."""

import pytest
from queqiao.billing.v1 import billing_pb2

from services.runtime.errors import Code, RemoteError
from tests.fakes.books import FakeBooks
from tests.unit.billing.commands.conftest import Queqiao, Ran

WALLET = billing_pb2.Wallet(user_id="u", balance_micros=9_990_001, reserved_micros=1, available_micros=9_990_000)
SAID = "u: balance ¥9.990001, reserved ¥0.000001, available ¥9.99\n"


async def test_a_grant_is_sent_exactly_and_the_wallet_after_it_shown(books: FakeBooks, queqiao: Queqiao) -> None:
    books.answers["GrantCredit"] = billing_pb2.GrantCreditResponse(wallet=WALLET)
    ran = await queqiao("credit", "grant", "--user", "u", "--yuan", "9.99", "--request-id", "g", "--reason", "补偿")
    assert ran == Ran(0, SAID, "")
    assert books.asked == [
        billing_pb2.GrantCreditRequest(request_id="g", user_id="u", amount_micros=9_990_000, reason="补偿")
    ]


async def test_a_wallet_is_shown(books: FakeBooks, queqiao: Queqiao) -> None:
    books.answers["GetWallet"] = billing_pb2.GetWalletResponse(wallet=WALLET)
    assert await queqiao("wallet", "show", "--user", "u") == Ran(0, SAID, "")


async def test_what_the_service_refuses_is_its_sentence(books: FakeBooks, queqiao: Queqiao) -> None:
    books.trouble = RemoteError(Code.NOT_FOUND, "WALLET_NOT_FOUND", "The user has no wallet.")
    assert await queqiao("wallet", "show", "--user", "u") == Ran(1, "", "The user has no wallet.")


@pytest.mark.parametrize("yuan", ["1e3", "ten", "0.0000001"])
async def test_what_is_no_amount_is_not_sent(books: FakeBooks, queqiao: Queqiao, yuan: str) -> None:
    ran = await queqiao("credit", "grant", "--user", "u", "--yuan", yuan, "--request-id", "g")
    assert (ran.status, ran.printed, books.asked) == (2, "", [])
    assert "is no amount of yuan" in ran.complaint
