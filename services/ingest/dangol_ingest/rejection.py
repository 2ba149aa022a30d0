"""A reject → the decision that keeps it findable. PURE."""

import re

from dangol.codec import encode
from dangol.decisions import Decision, Reason, Verdict
from dangol.events import person_key
from dangol.names import named
from dangol.stream import Outgoing
from dangol.topics import Topic
from dangol_ingest.model import Arrival, Believed, Reject

# A key in the body of what was rejected is nobody's to read.
_KEYS = re.compile(r'("(?:write_?key|api_?key)"\s*:\s*")[^"]*', re.IGNORECASE)


def decision(reject: Reject, arrival: Arrival) -> Decision:
    """`rejected`, with the code, the sentence, the place, the hint and the item's beginning as details."""
    details = {
        "code": reject.code,
        "message": reject.message,
        "where": reject.where,
        "hint": reject.hint,
        "item": _KEYS.sub(r"\1…", reject.item),
        "key_id": arrival.key_id,
    }
    return Decision(
        workspace=arrival.workspace,
        id=_name(reject, arrival),
        at=arrival.received_at,
        by="ingest",
        verdict=Verdict.REJECTED,
        reason=f"{Reason.INVALID}: {reject.code}",
        key=person_key(arrival.workspace, reject.user_id, reject.anonymous_id),
        user_id=reject.user_id,
        anonymous_id=reject.anonymous_id,
        input=reject.id,
        details={name: value for name, value in details.items() if value},
    )


def outgoing(believed: Believed, arrival: Arrival) -> list[Outgoing]:
    """What one request appends to the log: its events, and its rejects as decisions."""
    told = (decision(reject, arrival) for reject in believed.rejects)
    return [*believed.events, *(Outgoing(Topic.DECISIONS, one.key, encode(one), one.id) for one in told)]


def _name(reject: Reject, arrival: Arrival) -> str:
    """A client's retry of the same bad item is the same decision, where the item can be told from others."""
    if reject.id:
        return named("rejected", arrival.workspace, reject.id, reject.code)
    return named("rejected", arrival.seed, reject.index)
