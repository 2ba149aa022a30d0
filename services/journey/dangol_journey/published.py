"""The definitions in force, compiled; and the older versions of journeys that somebody is inside of."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from dangol import definitions as numbered
from dangol.definitions import DefinitionSet
from dangol_journey.journey import Definitions
from dangol_journey.model import Enrolment

Compile = Callable[[DefinitionSet, Iterable[DefinitionSet]], Definitions]


@dataclass(slots=True)
class Published:
    """What is compiled at one number. `older`: by workspace, the sets at the numbers of older versions in use."""

    compile: Compile
    number: int = -1
    sets: dict[str, DefinitionSet] = field(default_factory=dict)
    older: dict[str, dict[int, DefinitionSet]] = field(default_factory=dict)
    compiled: dict[str, Definitions] = field(default_factory=dict)

    async def refresh(self, conn: AsyncConnection) -> None:
        """Compile anew when the number moved. The first statement of a transaction: publishers wait until its end."""
        number = await numbered.number(conn)
        if number != self.number:
            self.sets = await numbered.load(conn)
            self.compiled.clear()
            self.number = number

    def of(self, workspace: str) -> Definitions:
        """The definitions of a workspace; nothing published is an empty set."""
        if workspace not in self.compiled:
            current = self.sets.get(workspace) or DefinitionSet(self.number, workspace, ())
            self.compiled[workspace] = self.compile(current, tuple(self.older.get(workspace, {}).values()))
        return self.compiled[workspace]

    async def pin(self, conn: AsyncConnection, workspace: str, enrolments: Iterable[Enrolment]) -> None:
        """Load the versions these enrolments walk, where they are not compiled yet."""
        definitions = self.of(workspace)
        versions = {e.version for e in enrolments if not _known(definitions, e)}
        for version in versions - self.older.get(workspace, {}).keys():
            found = await numbered.load(conn, workspace, at=version)
            if workspace in found:
                self.older.setdefault(workspace, {})[version] = found[workspace]
                self.compiled.pop(workspace, None)


def _known(definitions: Definitions, enrolment: Enrolment) -> bool:
    present = definitions.journeys.get(enrolment.journey)
    if present is not None and present.version == enrolment.version:
        return True
    return (enrolment.journey, enrolment.version) in definitions.versions
