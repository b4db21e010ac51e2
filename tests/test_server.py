"""An api accepts from copies of the sockets that it was given."""

import socket

from service.server import ACCEPTS, accept_many


def test_a_listener_is_replaced_by_copies_so_that_nobody_can_connect_once_they_are_closed() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()

    copies = accept_many([listener])

    addresses = [each.getsockname() for each in copies]
    for each in copies:
        each.close()
    with socket.socket() as client:
        refused = client.connect_ex(address)
    assert (addresses, listener.fileno()) == ([address] * ACCEPTS, -1)
    assert refused != 0
