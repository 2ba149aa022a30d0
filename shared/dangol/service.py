"""What a service is handed when it starts, and what it gives back."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from fastapi import APIRouter

from dangol.db import Clock, Db
from dangol.front import Handler
from dangol.settings import Settings
from dangol.stream import Stream


@dataclass(frozen=True)
class House:
    """Open things a service may use; they are the opener's to close."""

    settings: Settings
    db: Db
    stream: Stream
    clock: Clock
    embedded: bool = True  # all roles in one process
    inbox_only: Callable[[], bool] = lambda: False  # while the clock is being moved, every gateway is the inbox


class Service(Protocol):
    """One role. `dangol_<name>.main:open_service(house)` is an async context manager of it."""

    name: str
    router: APIRouter
    hot: Mapping[str, Handler]  # posts answered ahead of the router, by their whole path

    async def run(self, stop: asyncio.Event) -> None:
        """Work in the background until `stop`; a raise ends the process."""

    async def ready(self) -> str | None:
        """Why it can't serve now, in a sentence; None when it can."""
        ...

    def stuck(self) -> str | None:
        """Why it stands still though broker and database are well; None when it does not."""
        ...

    async def next_due(self) -> datetime | None:
        """The earliest moment at which something of its becomes due."""
        ...

    async def idle(self, now: datetime) -> bool:
        """Whether nothing is read and undone, and nothing is due at `now`."""
        ...
