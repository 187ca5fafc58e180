"""Where Redis is, as `REDIS_URL` says it."""

import re

import pytest

from services.runtime.config import MeshSettings, load
from services.runtime.errors import ConfigurationError
from services.runtime.redis_address import Form, RedisUrl, redis_address


def test_one_server_is_what_redis_py_reads() -> None:
    address = redis_address("redis://user:p%2Fw@host:6380/3")
    assert (address.form, address.where) == (Form.SERVER, "host")
    assert address.options == {"host": "host", "port": 6380, "db": 3, "username": "user", "password": "p/w"}
    assert redis_address("unix:///run/redis.sock?db=2").options["path"] == "/run/redis.sock"


def test_a_cluster_is_some_of_its_nodes() -> None:
    address = redis_address("redis+cluster://user:pw@one:7000,two,[::1]:7002")
    assert address.form is Form.CLUSTER
    assert address.nodes == (("one", 7000), ("two", 6379), ("::1", 7002))
    assert address.options == {"username": "user", "password": "pw"}


def test_sentinels_say_what_they_call_the_service_and_have_a_password_of_their_own() -> None:
    address = redis_address("redis+sentinel://:pw@one,two:26380/main/4?sentinel_password=theirs")
    assert address.nodes == (("one", 26379), ("two", 26380))
    assert (address.form, address.service) == (Form.SENTINEL, "main")
    assert address.options == {"password": "pw", "db": 4}
    assert address.sentinel_options == {"password": "theirs"}
    assert redis_address("redis+sentinel://one/main").options == {"db": 0}


@pytest.mark.parametrize("form", ["rediss://h:1/0", "rediss+cluster://h:1", "rediss+sentinel://h:1/main"])
def test_each_form_may_be_encrypted(form: str) -> None:
    options = redis_address(f"{form}?ssl_ca_certs=/ca.pem").options
    assert options["connection_class"].__name__ == "SSLConnection"
    assert options["ssl_ca_certs"] == "/ca.pem"


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("http://host", "it must be redis://"),
        ("host:6379", "it must be redis://"),
        ("redis://host:port/0", "it must be redis://"),
        ("redis://host/database", "it must be redis://"),
        ("redis://:hunter2/more@host:1/0", "percent-encoded"),
        ("redis://host?hunter2=1", "what follows ?"),
        ("redis://host?sentinel_password=hunter2", "what follows ?"),
        ("redis+cluster://one:1,,two:2", "host:port, separated by commas"),
        ("redis+cluster://:hunter2@one:x", "host:port, separated by commas"),
        ("redis+cluster://one:1/3", "a cluster has database 0 alone"),
        ("redis+cluster://one:1?db=3", "a cluster has database 0 alone"),
        ("redis+sentinel://one:1", "followed by /name"),
        ("redis+sentinel://one:1/main/first", "followed by /name"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence_without_a_secret(url: str, complaint: str) -> None:
    class Settings(MeshSettings):
        redis_url: RedisUrl

    with pytest.raises(ValueError, match=re.escape(complaint)) as told:
        redis_address(url)
    assert "hunter2" not in str(told.value)
    assert "\n" not in str(told.value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REDIS_URL", url)
        with pytest.raises(ConfigurationError, match="REDIS_URL is wrong") as refused:
            load(Settings)
    assert "hunter2" not in str(refused.value)


def test_no_address_shows_its_passwords() -> None:
    address = redis_address("redis+sentinel://:hunter2@one/main?sentinel_password=hunter2")
    assert "hunter2" not in repr(address)
    assert "hunter2" not in address.where
