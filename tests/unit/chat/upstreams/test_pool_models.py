"""Which models there are, and who is asked for one."""

import pytest

from services.chat.errors import UpstreamError
from services.chat.upstreams.settings import ProviderSettings
from services.chat.upstreams.settings import Role as ProviderRole
from tests.fakes.model_providers import Scene, ScriptedClient
from tests.unit.chat.upstreams.pools import KEY_REFUSED, UNREACHABLE, ask


async def test_one_provider_that_is_down_does_not_hide_the_others_models() -> None:
    scene = Scene()
    clients = [ScriptedClient() for _ in range(3)]
    for name, client, model in zip("abc", clients, ("x", "y", "z"), strict=True):
        client.models = (model,)
        role = ProviderRole.FALLBACK if name == "c" else ProviderRole.MAIN
        scene.add(ProviderSettings(name, "http://provider.invalid/v1", (), role=role), client)
    pool = scene.pool()
    clients[0].listing_fails = UNREACHABLE
    listed = [([model.id for model in each.models], each.last) for each in await pool.list_models()]
    assert listed == [(["y"], False), (["z"], True)]
    clients[0].listing_fails = None
    await pool.list_models()
    clients[0].listing_fails = UNREACHABLE
    assert [model.id for each in await pool.list_models() for model in each.models] == ["x", "y", "z"]


async def test_without_any_list_the_error_is_told() -> None:
    scene = Scene()
    client = ScriptedClient()
    client.listing_fails = UNREACHABLE
    scene.add(ProviderSettings("a", "http://provider.invalid/v1", ()), client)
    with pytest.raises(UpstreamError):
        await scene.pool().list_models()


async def test_a_refused_key_does_not_keep_another_from_listing() -> None:
    scene = Scene()
    first, second = ScriptedClient(), ScriptedClient()
    first.listing_fails = KEY_REFUSED
    scene.add(ProviderSettings("a", "http://provider.invalid/v1", ()), first, second)
    pool = scene.pool()
    for _ in range(2):
        assert [model.id for each in await pool.list_models() for model in each.models] == ["m"]
    assert (first.listings, second.listings) == (1, 2)


async def test_only_who_serves_a_model_is_asked_for_it() -> None:
    scene = Scene()
    a, b = ScriptedClient("甲"), ScriptedClient("乙")
    a.models, b.models = ("x",), ("m",)
    for name, client in (("a", a), ("b", b)):
        scene.add(ProviderSettings(name, "http://provider.invalid/v1", ()), client)
    pool = scene.pool()
    await pool.list_models()
    assert [await ask(pool) for _ in range(4)] == ["乙"] * 4
