"""Steps that ask the dispatcher for a message: asking, hearing of its fate, taking it back."""

from datetime import datetime, timedelta

from dangol.decisions import Reason, Verdict
from dangol.events import Event, Fate, Origin
from dangol.messages import Cancel, CouponIssue, Message
from dangol.names import message_id, named
from dangol_journey.journey import Coupon, Journey, Send, Webhook
from dangol_journey.model import Enrolment, Onward, Sent
from dangol_journey.scope import values_of
from dangol_journey.turn import Turn, decide, tell_facts

FATE_WITHIN = timedelta(hours=24)  # a marketing message lives that long unless its step says otherwise
FATE_MARGIN = timedelta(hours=1)  # a fate still not heard then was lost: the person goes on
ENDS = {Fate.SENT: "sent", Fate.DROPPED: "dropped", Fate.FAILED: "failed", Fate.EXPIRED: "expired"}
ENDS |= {Fate.UNKNOWN: "unknown"}
SEEN = {Fate.DELIVERED: "delivered", Fate.OPENED: "opened", Fate.CLICKED: "clicked"}
UNSENT = frozenset({"dropped", "failed", "expired"})


def ask(turn: Turn, journey: Journey, enrolment: Enrolment, step: Send | Webhook) -> None:
    """Ask for the step's message, and wait for its fate: at the latest until the message is worthless, and a margin."""
    if turn.person.version == 0:
        tell_facts(turn, None)
    message, cut = _message(turn, journey, enrolment, step)
    enrolment.sends[step.name] = Sent(message=message.id)
    expires_at = message.expires_at or enrolment.step_at + FATE_WITHIN
    enrolment.due_at = max(expires_at, turn.now) + FATE_MARGIN
    turn.out.spoken.append(message)
    decide(turn, Verdict.ASKED, Reason.MATCHED, enrolment, message=message.id, template=message.template, cut=cut)


def _message(turn: Turn, journey: Journey, enrolment: Enrolment, step: Send | Webhook) -> tuple[Message, list[str]]:
    person = turn.person
    values, cut = values_of(turn, enrolment)
    message = Message(
        workspace=person.workspace,
        id=message_id(enrolment.id, step.name, enrolment.visit),
        profile=person.id,
        person_version=person.version,
        key=person.key,
        user_id=person.user_id,
        anonymous_id=None if person.user_id else next(iter(person.anonymous_ids), None),
        journey=enrolment.journey,
        version=enrolment.version,
        enrolment=enrolment.id,
        step=step.name,
        visit=enrolment.visit,
        at=enrolment.step_at,
        expires_at=None if step.within is None else enrolment.step_at + step.within,
        template=step.template if isinstance(step, Send) else "",
        by=step.by if isinstance(step, Send) else ("webhook",),
        to=step.to if isinstance(step, Send) else None,
        values=values,
        coupons=_coupons(enrolment),
        priority=journey.priority,
        holdout=enrolment.holdout,
        webhook=None if isinstance(step, Send) else {"gateway": step.gateway, "json": step.json},
    )
    return message, cut


def promise(turn: Turn, enrolment: Enrolment, step: Coupon) -> None:
    """Promise a coupon: the code is bound by the dispatcher when it is first said; the expiry is known now."""
    expires_at = step.expires_at if step.valid_for is None else enrolment.step_at + step.valid_for
    issue = named("coupon", enrolment.id, step.name, enrolment.visit)
    result = {"pool": step.pool, "issue": issue}
    enrolment.results[step.name] = result | ({"expires_at": expires_at.isoformat()} if expires_at else {})
    decide(turn, Verdict.ISSUED, Reason.MATCHED, enrolment, pool=step.pool, expires_at=expires_at)


def _coupons(enrolment: Enrolment) -> dict[str, CouponIssue]:
    return {
        name: CouponIssue(pool=result["pool"], issue=result["issue"], expires_at=_moment(result.get("expires_at")))
        for name, result in enrolment.results.items()
        if "issue" in result
    }


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def told(turn: Turn) -> tuple[Enrolment, str] | None:
    """Note what the event tells of a message of ours: the enrolment and its step; None where it tells nothing."""
    event = turn.event
    if event is None or event.origin is not Origin.SERVICE or (event.name not in ENDS and event.name not in SEEN):
        return None
    says = event.properties
    for enrolment in turn.person.enrolments:
        sent = enrolment.sends.get(str(says.get("step")))
        if enrolment.id == says.get("enrolment") and sent and sent.message == says.get("message_id"):
            _note(sent, event)
            return enrolment, str(says["step"])
    return None


def _note(sent: Sent, event: Event) -> None:
    """States only rise: an end is final, but for `unknown`; an open no person made is none."""
    says, name = event.properties, Fate(event.name)
    if name in SEEN:
        if says.get("machine") is not True:
            setattr(sent, SEEN[name], True)
            sent.opened |= sent.clicked  # who clicked has opened
        fate = "sent"
    elif name is Fate.DROPPED and str(says.get("reason", "")).startswith(Reason.HOLDOUT):
        fate = "holdout"
    else:
        fate = ENDS[name]
    if sent.fate in (None, "unknown"):
        sent.fate, sent.sent_at = fate, event.at if fate == "sent" else None
        sent.channel = says.get("channel", sent.channel)
        sent.reason = says.get("reason", sent.reason)


def after_fate(turn: Turn, enrolment: Enrolment, step: Send | Webhook) -> Onward | None:
    """Where a known fate leads, from its own moment on; None while it is not known."""
    fate = enrolment.sends[step.name].fate
    if fate is None:
        return None
    at = max(turn.moment, enrolment.step_at)
    unsent = fate in UNSENT and isinstance(step, Send) and step.has_otherwise
    to = step.otherwise if unsent and isinstance(step, Send) else step.next
    decide(turn, Verdict.CHOSE, Reason.MATCHED, enrolment, way="otherwise" if unsent else fate)
    return Onward(to, at)


def after_silence(turn: Turn, enrolment: Enrolment, step: Send | Webhook) -> Onward:
    """No fate was heard in time: goes on as after an unknown one, since it may have been sent."""
    enrolment.sends[step.name].fate = "unknown"
    decide(turn, Verdict.CHOSE, Reason.DUE, enrolment, way="no fate heard")
    return Onward(step.next, turn.moment)


def take_back(turn: Turn, enrolment: Enrolment, reason: str) -> None:
    """Cancel what was asked and whose fate is open."""
    for sent in enrolment.sends.values():
        if sent.fate is None:
            turn.out.spoken.append(
                Cancel(
                    workspace=turn.person.workspace,
                    id=sent.message,
                    profile=turn.person.id,
                    key=turn.person.key,
                    reason=reason,
                    at=turn.moment,
                )
            )
