"""What is published, as compiled for dispatcher: read again whenever the number in force has moved."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.definitions import DefinitionSet, load, number
from dangol_dispatcher.rulebook import Rules
from dangol_dispatcher.rules import compile_rules
from dangol_dispatcher.template import Templates, compile_templates


@dataclass(frozen=True, slots=True)
class Workspace:
    """One workspace's rules and templates."""

    rules: Rules
    templates: Templates = field(default_factory=Templates)
    definitions: DefinitionSet | None = None


class Published:
    """The workspaces at the number in force."""

    def __init__(self, default_gateway: str | None) -> None:
        self.number = -1
        self.workspaces: dict[str, Workspace] = {}
        self._default_gateway = default_gateway
        self._moved: Callable[[], None] = lambda: None

    def on_move(self, moved: Callable[[], None]) -> None:
        """Call `moved` after each reload."""
        self._moved = moved

    async def current(self, conn: AsyncConnection) -> int:
        """Bring it up to date, and hold the number in force until the transaction ends: its first statement."""
        in_force = await number(conn)
        if in_force != self.number:
            sets = await load(conn)
            self.workspaces = {
                name: Workspace(compile_rules(one, self._default_gateway), compile_templates(one), one)
                for name, one in sets.items()
            }
            self.number = in_force
            self._moved()
        return in_force

    def of(self, workspace: str) -> Workspace:
        """A workspace; one that never published has no rules but the product's own."""
        found = self.workspaces.get(workspace)
        return found or Workspace(Rules(workspace, self.number, default_gateway=self._default_gateway))
