"""Ports: found without doubles, and obstacles said in one sentence."""

import socket

from sandbox.ports import HOST, cannot_listen, free_ports, listens


def test_ports_found_together_are_different() -> None:
    assert len(set(free_ports(200))) == 200


def test_no_outgoing_connection_is_given_a_port_that_was_found() -> None:
    assert max(free_ports(200)) < 32_768


async def test_whether_anybody_listens_is_told() -> None:
    with socket.create_server((HOST, 0)) as server:
        assert await listens(HOST, server.getsockname()[1])
    assert not await listens(HOST, free_ports(1)[0])


def test_a_free_port_has_no_obstacle() -> None:
    assert cannot_listen(HOST, free_ports(1)[0]) == ""


def test_a_port_in_use_is_named_with_a_way_out() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        obstacle = cannot_listen(HOST, port)
    assert f"Port {port} is in use" in obstacle
    assert "PORT=" in obstacle


def test_a_number_that_is_no_port_is_not_wrapped_around() -> None:
    assert "no such port" in cannot_listen(HOST, 99_999)
    assert "no such port" in cannot_listen(HOST, -1)


def test_an_address_that_is_not_of_this_machine_is_an_obstacle() -> None:
    assert "set HOST" in cannot_listen("192.0.2.1", 8080)
