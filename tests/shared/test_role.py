"""Where a role listens: alone at its port, unless it says that it shares it."""

import socket
from dataclasses import replace

import pytest

from dangol.errors import Unavailable
from dangol.role import listen
from dangol.settings import read_settings

SETTINGS = read_settings({"DANGOL_LOG": "kafka://a:9092", "DANGOL_DB": "postgresql://db/dangol", "DANGOL_PORT": "0"})


@pytest.mark.parametrize(("first", "second", "both"), [(True, True, True), (False, False, False), (True, False, False)])
def test_a_port_is_shared_by_those_who_all_say_so(first: bool, second: bool, both: bool) -> None:
    """Caught: the option set whether or not it was asked for, and never."""
    with listen(replace(SETTINGS, share_port=first)) as one:
        taken = replace(SETTINGS, port=one.getsockname()[1], share_port=second)
        one.listen()
        if both:
            with listen(taken) as other:
                other.listen()
                assert other.getsockname() == one.getsockname()
                assert other.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
        else:
            with pytest.raises(Unavailable, match="can't be bound"):
                listen(taken)
