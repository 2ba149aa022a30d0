"""Where keys live: the homes of many at once are those of each."""

from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import strategies as st

from dangol.kafka.home import WORTH_IT, homes_of


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=30), st.integers(1, 64))
def test_the_homes_of_many_are_those_of_each(keys: list[bytes], partitions: int) -> None:
    """Caught: a shift without its mask, which lets the neighbour's bits in."""
    keys = keys + [key[::-1] for key in keys] * WORTH_IT  # enough of one length to be hashed together
    assert homes_of(keys, partitions) == [(murmur2(key) & 0x7FFFFFFF) % partitions for key in keys]


def test_no_keys_have_no_homes() -> None:
    assert homes_of([], 12) == []
