"""What races are run on: the ground of the contract suite."""

from tests.contract.conftest import ground, settings

__all__ = ["ground", "settings"]
