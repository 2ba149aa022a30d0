"""May it be sent? Every rule asked of a message at the moment of its hand-off, each answer with its reason."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from dangol.decisions import Reason
from dangol.messages import Channel
from dangol_dispatcher.addresses import endpoint_of
from dangol_dispatcher.caps import Full, full_caps
from dangol_dispatcher.consent import MARKETING, consent_channel, needs_consent, refusal
from dangol_dispatcher.model import Answer, Choice, Drop, Go, Hold, Recipient, SendRequest, Skip, Standing
from dangol_dispatcher.quiet import quiet_until
from dangol_dispatcher.rulebook import Rules, TemplateRule
from dangol_dispatcher.windows import zone_of

NO_ADDRESS_YET = timedelta(minutes=10)  # browsers post `Signed Up` beside `identify`
ASK_AGAIN = timedelta(minutes=15)  # where what is waited for also wakes the message when it comes
PREFERRED = "preferred"
# To staff and to machines: an endpoint the author names, no consent, no caps, no quiet hours.
NO_PERSON = frozenset({Channel.WEBHOOK, Channel.SLACK, Channel.TEAMS})


def choose(request: SendRequest, standing: Standing, rules: Rules, now: datetime) -> Choice:
    """The rules' answer over the channels in the order of preference: the first that can reach this person."""
    if stop := _stopped(request, standing, now):
        return Choice(stop)
    skipped: list[tuple[str, Skip]] = []
    for channel in channels_of(request, standing.recipient, rules):
        answer = may_send(request, standing, rules, channel, now)
        if not isinstance(answer, Skip):
            return Choice(_unless_holdout(request, answer), tuple(skipped))
        skipped.append((channel, answer))
    awaits = any(_address_would_help(request, standing, rules, channel, why, now) for channel, why in skipped)
    return Choice(_nowhere(request, skipped, now, awaits=awaits), tuple(skipped))


def may_send(request: SendRequest, standing: Standing, rules: Rules, channel: str, now: datetime) -> Answer | Skip:
    """Whether it may be sent on this one channel, now. Pure: the same facts, the same answer."""
    if channel in request.passed:
        return Skip(request.passed[channel])
    if switch := switched_off(request, channel, rules, standing):
        return Hold(request.expires_at, Reason.KILL_SWITCH, {"rule": "kill_switch", "switch": switch})
    if request.message.journey in rules.paused:
        return Hold(request.expires_at, Reason.PAUSED, {"rule": "pause", "journey": request.message.journey})
    if why := _cannot(request, channel, rules):
        return why
    endpoint = _endpoint(request, standing, channel)
    if isinstance(endpoint, Skip):
        return endpoint
    if (consent_channel(channel), endpoint) in standing.suppressed:
        return Skip(Reason.SUPPRESSED, {"rule": "suppression"})
    for asks in (_consent, _hold_while, _quiet, _caps):
        if (answer := asks(request, standing, rules, channel, now)) is not None:
            return answer
    return Go(channel, endpoint)


def channels_of(request: SendRequest, recipient: Recipient | None, rules: Rules) -> tuple[str, ...]:
    """The channels to be tried, in order; `preferred` is the person's own choice, then all the template speaks on."""
    if request.pinned:
        return (request.pinned[0],)
    if request.message.webhook is not None:
        return (Channel.WEBHOOK,)
    template = rules.templates.get(request.message.template)
    channels: list[str] = []
    for channel in request.message.by or (PREFERRED,):
        if channel != PREFERRED:
            channels.append(channel)
            continue
        own = recipient.traits.get("preferred_channel") if recipient else None
        speaks = template.channels if template else ()
        channels += [own] if isinstance(own, str) and own in speaks else []
        channels += speaks
    return tuple(dict.fromkeys(channels))


def switched_off(request: SendRequest, channel: str, rules: Rules, standing: Standing) -> str | None:
    """The kill switch that stops this, if one is on."""
    if not standing.switches:
        return None
    message = request.message
    places = {
        "all",
        f"channel:{channel}",
        f"journey:{message.journey}",
        f"template:{message.template}",
        f"category:{request.category}",
        f"gateway:{gateway_of(request, channel, rules)}",
    }
    return min(places & standing.switches, default=None)


def gateway_of(request: SendRequest, channel: str, rules: Rules) -> str | None:
    """The gateway by which this message leaves on a channel: a webhook step names its own."""
    if request.message.webhook is not None:
        named = request.message.webhook.get("gateway")
        return named if named in rules.gateways else rules.default_gateway
    return rules.gateway_for(channel)


def first_queue(request: SendRequest, recipient: Recipient | None, rules: Rules) -> str:
    """The gateway whose queue a new message joins: of the first channel that may do; empty where there is none.

    A guess that costs nothing when wrong: whoever decides otherwise moves it.
    """
    leaves_by = ""
    for channel in channels_of(request, recipient, rules):
        if _cannot(request, channel, rules) is not None:
            continue
        leaves_by = leaves_by or gateway_of(request, channel, rules) or ""
        reachable = recipient is None or not isinstance(_endpoint(request, Standing(recipient), channel), Skip)
        if reachable:
            return gateway_of(request, channel, rules) or ""
    return leaves_by


def _stopped(request: SendRequest, standing: Standing, now: datetime) -> Hold | Drop | None:
    """What is so whatever the channel: unwanted or worthless by now, forgotten, or ahead of the facts it relies on."""
    if request.cancelled:
        return Drop(Reason.CANCELLED, {"because": request.cancelled})
    if now >= request.expires_at:
        return Drop(Reason.EXPIRED, {"rule": "expiry", "at": request.expires_at.isoformat()})
    recipient = standing.recipient
    if recipient is not None and recipient.erased:
        return Drop(Reason.ERASED, {"rule": "erasure"})
    if request.message.webhook is None and not request.message.to and _ahead(request, recipient):
        return Hold(
            min(now + ASK_AGAIN, request.expires_at), Reason.FACTS_AWAITED, {"version": request.message.person_version}
        )
    return None


def _ahead(request: SendRequest, recipient: Recipient | None) -> bool:
    if recipient is None:
        return True
    joined = recipient.profile != request.message.profile  # versions of two profiles cannot be compared
    return not joined and recipient.version < request.message.person_version


def _cannot(request: SendRequest, channel: str, rules: Rules) -> Skip | Drop | None:
    """Why nothing can be said on this channel at all."""
    if gateway_of(request, channel, rules) is None:
        return Skip(Reason.NO_GATEWAY, {"rule": "gateway"})
    if request.message.webhook is not None:
        return None
    template = rules.templates.get(request.message.template)
    if template is None:
        return Drop(Reason.UNKNOWN_TEMPLATE, {"template": request.message.template})
    if channel not in template.channels:
        return Skip(Reason.NO_CONTENT, {"template": template.name})
    return _informational_only(template, channel, rules)


def _informational_only(template: TemplateRule, channel: str, rules: Rules) -> Skip | None:
    if template.category != MARKETING:
        return None
    named = ((pack.informational_only or {}).get(channel) for pack in rules.packs)
    rule = next((rule for rule in named if rule), None)
    return Skip(Reason.NO_CONTENT, {"rule": rule, "category": template.category}) if rule else None


def _endpoint(request: SendRequest, standing: Standing, channel: str) -> str | Skip:
    if request.pinned:
        return request.pinned[1]
    if request.message.webhook is not None:
        return str(request.message.webhook.get("gateway", ""))
    if request.message.to:
        return request.message.to
    if channel in NO_PERSON:
        return channel
    if standing.recipient is None:
        return Skip(Reason.NO_ADDRESS)
    return endpoint_of(standing.recipient, channel)


def _consent(request: SendRequest, standing: Standing, rules: Rules, channel: str, now: datetime) -> Skip | None:
    if not needs_consent(channel, request.category):
        return None
    return refusal(channel, MARKETING, standing)


def _hold_while(request: SendRequest, standing: Standing, rules: Rules, channel: str, now: datetime) -> Hold | None:
    if request.category != MARKETING or rules.hold_while is None or standing.recipient is None:
        return None
    if not rules.hold_while.holds(standing.recipient):
        return None
    details = {"rule": "hold_while", "condition": rules.hold_while.source}
    return Hold(min(now + ASK_AGAIN, request.expires_at), Reason.QUIET_HOURS, details)


def _quiet(request: SendRequest, standing: Standing, rules: Rules, channel: str, now: datetime) -> Hold | Skip | None:
    """Until the hours end; where that is too late for this message, another channel may still do."""
    hold = quiet_until(rules.quiets, channel, request.category, standing, rules.zone, now)
    if hold is None or hold.until < request.expires_at:
        return hold
    return Skip(hold.reason, {**hold.details, "expires_at": request.expires_at.isoformat()})


def _caps(request: SendRequest, standing: Standing, rules: Rules, channel: str, now: datetime) -> Answer | Skip | None:
    template = rules.templates.get(request.message.template)
    if request.counted == channel or channel in NO_PERSON or template is None or template.ignores_caps:
        return None
    workspace = zone_of(rules.zone) or ZoneInfo("UTC")
    person = zone_of(standing.recipient.zone if standing.recipient else None) or workspace
    full = full_caps(rules.caps, request, channel, standing.recent, (person, workspace), now)
    if not full:
        return None
    answers: Sequence[Answer | Skip] = [_over(found, request, now) for found in full]
    return max(answers, key=_strictness)


def _over(full: Full, request: SendRequest, now: datetime) -> Answer | Skip:
    """What a used-up cap asks for: the next channel, to wait where a slot comes in time, or to drop."""
    details = {"rule": full.cap.name, "at_most": full.cap.at_most, "used": full.used, "until": full.free_at.isoformat()}
    if full.cap.over == "next":
        return Skip(Reason.CAPPED, details)
    in_time = isinstance(full.cap.over, timedelta) and full.free_at <= request.asked_at + full.cap.over
    if in_time and full.free_at < request.expires_at:
        return Hold(full.free_at, Reason.CAPPED, details)
    return Drop(Reason.CAPPED, details)


def _strictness(answer: Answer | Skip) -> tuple[int, datetime]:
    order: dict[Callable[..., object], int] = {Hold: 0, Skip: 1, Drop: 2}
    return order[type(answer)], answer.until if isinstance(answer, Hold) else datetime.min.replace(tzinfo=UTC)


def _unless_holdout(request: SendRequest, answer: Answer) -> Answer:
    """The control group walks all the rules, and is stopped only where it would have been sent to."""
    if request.message.holdout and isinstance(answer, Go):
        return Drop(Reason.HOLDOUT, {"rule": "holdout", "channel": answer.channel})
    return answer


def _address_would_help(
    request: SendRequest, standing: Standing, rules: Rules, channel: str, why: Skip, now: datetime
) -> bool:
    """Whether an address that may still come would let it go: not where the person is known, and never agreed."""
    if why.reason != Reason.NO_ADDRESS:
        return False
    unknown = standing.recipient is None or not standing.recipient.addresses
    return unknown or _consent(request, standing, rules, channel, now) is None


def _nowhere(request: SendRequest, skipped: Sequence[tuple[str, Skip]], now: datetime, *, awaits: bool) -> Hold | Drop:
    """No channel reaches this person: wait where an address may still come, else give up with the first reason."""
    if not skipped:
        return Drop(Reason.NO_CONTENT, {"template": request.message.template})
    until = request.asked_at + NO_ADDRESS_YET
    if awaits and now < min(until, request.expires_at):
        return Hold(min(until, request.expires_at), Reason.NO_ADDRESS, {"rule": "address", "until": until.isoformat()})
    channel, first = skipped[0]
    reasons = {name: why.reason for name, why in skipped}
    return Drop(first.reason, {**first.details, "channel": channel, "channels": reasons})
