"""Saying from inside a transaction what became of messages: their decisions and the events of their fate."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from dangol import metrics
from dangol.outbox import Outbox
from dangol.stream import Outgoing
from dangol_dispatcher.ledger import Turn, Waiting
from dangol_dispatcher.model import Recipient
from dangol_dispatcher.telling import BY, decisions, fate_event, whom


async def tell(
    outbox: Outbox,
    conn: AsyncConnection,
    turns: Sequence[tuple[Waiting, Turn]],
    people: Mapping[str, Recipient | None],
    now: datetime,
) -> None:
    """Put all of it into the outbox: events first, for a journey waits for them."""
    events: list[Outgoing] = []
    decided: list[Outgoing] = []
    counted: Counter[tuple[str, str]] = Counter()
    for waiting, turn in turns:
        message = waiting.request.message
        person = whom(message, people.get(waiting.profile))
        if turn.fate:
            last = turn.told[-1] if turn.told else None
            properties = {
                "channel": turn.channel,
                "gateway": last.gateway if last else None,
                "reason": str(turn.reason),
            }
            events.append(fate_event(message, person, turn.fate, now, properties))
        decided += decisions(message, person, waiting.profile, turn.told, waiting.decided, now)
        counted.update((one.verdict, str(one.reason).partition(":")[0]) for one in turn.told)
    for (verdict, reason), times in counted.items():
        metrics.DECISIONS.labels(BY, verdict, reason).inc(times)
    await outbox.put(conn, events + decided)
