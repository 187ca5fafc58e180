"""Every RPC of every service: refused to callers of no or another mesh, and never about another user's things."""

import asyncio
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from sandbox.mesh import Mesh
from tests.e2e.conftest import People, User
from tests.e2e.rpcs import call, refusals, rpcs

pytestmark = pytest.mark.xdist_group("mesh")

SERVICES = ("billing", "moderation", "chat")

# RPCs about one thing of a user's, how they are asked for it, and what else makes the request a sound one.
THINGS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "queqiao.billing.v1.BillingService/GetReceipt": ("request_id", {}),
    "queqiao.billing.v1.BillingService/Release": ("request_id", {}),
    "queqiao.billing.v1.BillingService/ReverseTurn": ("request_id", {}),
    "queqiao.billing.v1.BillingService/Settle": (
        "request_id",
        {"usage": {"input_tokens": 1, "output_tokens": 1}, "outcome": 1, "source": 1},
    ),
    "queqiao.billing.v1.PaymentService/GetOrder": ("out_trade_no", {}),
    "queqiao.chat.v1.ChatService/CancelTurn": ("request_id", {}),
    "queqiao.chat.v1.ChatService/DeleteConversation": ("conversation_id", {}),
    "queqiao.chat.v1.ChatService/GetConversation": ("conversation_id", {}),
    "queqiao.chat.v1.ChatService/ListMessages": ("conversation_id", {}),
    "queqiao.chat.v1.ChatService/RateMessage": ("conversation_id", {"number": 2, "rating": 1}),
    "queqiao.chat.v1.ChatService/ResumeTurn": ("request_id", {}),
    "queqiao.chat.v1.ChatService/UpdateConversation": ("conversation_id", {"title": "mine now"}),
}
# RPCs that list what is the user's.
LISTS = {
    "queqiao.billing.v1.BillingService/GetUsage",
    "queqiao.billing.v1.BillingService/GetWallet",
    "queqiao.billing.v1.BillingService/ListTransactions",
    "queqiao.billing.v1.PaymentService/ListOrders",
    "queqiao.chat.v1.ChatService/ListConversations",
    "queqiao.chat.v1.ChatService/SearchConversations",
    "queqiao.moderation.v1.AuditService/ListRefusals",
}
# RPCs that begin or end something of the user's own, or judge a text of theirs.
OWN = {
    "queqiao.billing.v1.BillingService/GrantCredit",
    "queqiao.billing.v1.BillingService/OpenWallet",
    "queqiao.billing.v1.BillingService/Reserve",
    "queqiao.billing.v1.PaymentService/CreateOrder",
    "queqiao.chat.v1.ChatService/CreateConversation",
    "queqiao.chat.v1.ChatService/EraseUser",
    "queqiao.chat.v1.ChatService/StreamTurn",
    "queqiao.moderation.v1.ModerationService/CheckInput",
    "queqiao.moderation.v1.ModerationService/Moderate",
    "queqiao.moderation.v1.ModerationService/ReviewInput",
    "queqiao.moderation.v1.ModerationService/ReviewOutput",
}


class Papers:
    """Certificates of one authority, for services that trust another one if told so."""

    def __init__(self, folder: Path, trusted: trustme.CA | None = None) -> None:
        folder.mkdir()
        self.authority = trustme.CA()
        issued = self.authority.issue_cert("127.0.0.1", "localhost")
        self.key, self.certificate, self.trusted = (folder / name for name in ("tls.key", "tls.crt", "ca.crt"))
        issued.private_key_pem.write_to_path(self.key)
        self.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        (trusted or self.authority).cert_pem.write_to_path(self.trusted)

    @property
    def env(self) -> dict[str, str]:
        return {
            "TLS_KEY_FILE": str(self.key),
            "TLS_CERT_FILE": str(self.certificate),
            "TLS_CA_FILE": str(self.trusted),
        }

    @property
    def credentials(self) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(
            self.trusted.read_bytes(), self.key.read_bytes(), self.certificate.read_bytes()
        )


async def test_no_rpc_answers_whoever_is_not_of_the_mesh_and_the_mesh_still_talks(
    mesh: Mesh, user: User, tmp_path: Path
) -> None:
    ours = Papers(tmp_path / "ours")
    strangers = Papers(tmp_path / "strangers", trusted=ours.authority)
    targets = {}
    for name in ("billing", "moderation"):
        targets[name] = await mesh.replica(name, f"{name}-private", **ours.env)
    own = ours.env | {f"{name.upper()}_TARGET": target for name, target in targets.items()}
    targets["chat"] = await mesh.replica("chat", "chat-private", **own)
    gateway = await mesh.replica("gateway", "gateway-private", **own, CHAT_TARGET=targets["chat"])

    def ask() -> Iterator[tuple[str, str]]:
        for target in targets.values():
            with ExitStack() as closing:
                ours_channel = closing.enter_context(grpc.secure_channel(target, ours.credentials))
                offered = rpcs(ours_channel)
                assert len(offered) > 8
                nobody = grpc.ssl_channel_credentials(ours.trusted.read_bytes())
                for channel in (
                    grpc.insecure_channel(target),
                    grpc.secure_channel(target, nobody),
                    grpc.secure_channel(target, strangers.credentials),
                ):
                    yield from refusals(closing.enter_context(channel), offered)

    answers = await asyncio.to_thread(lambda: list(ask()))
    assert {status for _, status in answers} == {"UNAVAILABLE"}
    assert len(answers) > 3 * 50
    body = {"model": "simulated", "messages": [{"role": "user", "content": "[[sim text=好]]"}]}
    async with user.http.post(f"{gateway}/v1/chat/completions", json=body) as answer:
        assert answer.status == 200, await answer.text()


async def test_no_rpc_tells_or_changes_anything_of_another_user(mesh: Mesh, people: People) -> None:
    mine, theirs = await people.login(), await people.login()
    conversation = f"talk-{secrets.token_hex(4)}"
    async with mine.ask("[[sim text=好]]", conversation_id=conversation) as answer:
        assert answer.status == 200
        request_id = answer.headers["X-Request-Id"]
    order = {"package_id": "small", "channel": "native"}
    async with mine.http.post(f"{mine.url}/v1/orders", json=order) as answer:
        assert answer.status == 201, await answer.text()
        out_trade_no = (await answer.json())["id"]
    ids = {"request_id": request_id, "conversation_id": conversation, "out_trade_no": out_trade_no}
    before = await mine.settled_balance()

    def ask(target: str, user_id: str) -> Iterator[tuple[str, str]]:
        with grpc.insecure_channel(target) as channel:
            for name, method in rpcs(channel).items():
                if "user_id" not in method.input_type.fields_by_name:
                    continue
                if name in OWN:
                    yield name, "own"
                    continue
                thing, more = THINGS.get(name, ("", {}))
                named = {thing: ids[thing]} if thing else {}
                try:
                    answers = call(channel, method, user_id=user_id, **named, **more)
                except grpc.RpcError as error:
                    refusal: Any = error
                    yield name, refusal.code().name
                else:
                    yield name, str(answers)

    said: dict[str, str] = {}
    for service in SERVICES:
        said |= await asyncio.to_thread(
            lambda target: dict(ask(target, theirs.id)), mesh.env[f"{service.upper()}_TARGET"]
        )
    # Whoever adds an RPC about users says here which kind it is of.
    assert set(said) == {*THINGS, *LISTS, *OWN}
    assert {name: said[name] for name in THINGS} == dict.fromkeys(THINGS, "NOT_FOUND")
    for name in LISTS:
        assert not [value for value in (*ids.values(), mine.id) if value in said[name]], name
    assert await mine.settled_balance() == before
    async with mine.http.get(f"{mine.url}/v1/conversations/{conversation}") as answer:
        assert answer.status == 200
