"""Door: how a child that runs a file alone gets connections to the one endpoint there is, without a network. Standard library only.

The child asks on a socket of its own, and is handed one end of a socket pair; it can open, bind or connect none itself.
"""

from __future__ import annotations

import socket
import threading
from typing import Final

__all__ = ["hand_in", "use_door"]

_WANTED: Final = b"?"
_GIVEN: Final = b"!"


def hand_in(door: socket.socket) -> socket.socket | None:
    """Answer what the child asked: our end of a new connection, blocking; None when it will not ask again.

    Args:
        door: Our end, not blocking, of a pair of kind SOCK_SEQPACKET.

    Raises:
        BlockingIOError: If it has not asked, or takes nothing of what it asked for.
    """
    if not door.recv(len(_WANTED)):
        return None
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            socket.send_fds(door, [_GIVEN], [theirs.fileno()])
        except OSError:
            ours.close()
            raise
    return ours


def use_door(descriptor: int) -> None:
    """Have `socket.create_connection`, which every client of HTTP uses, ask at the door, whatever the address.

    Args:
        descriptor: The child's end.
    """
    door = socket.socket(fileno=descriptor)
    turn = threading.Lock()

    def create_connection(_address: object, timeout: float | None = None, *_others: object, **_options: object) -> socket.socket:
        with turn:
            door.send(_WANTED)
            _, descriptors, _, _ = socket.recv_fds(door, len(_GIVEN), 1)
        connection = _Connection(fileno=descriptors[0])
        connection.settimeout(timeout)
        return connection

    socket.create_connection = create_connection  # type: ignore[assignment]  # of its parameters, those that clients pass


class _Connection(socket.socket):
    """Has no options of TCP."""

    def setsockopt(self, *arguments: object) -> None:
        """Do nothing."""
