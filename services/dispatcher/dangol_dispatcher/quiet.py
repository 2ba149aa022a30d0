"""Quiet hours: when marketing may not arrive, in the person's own day."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from dangol.decisions import Reason
from dangol_dispatcher.consent import night_allowed
from dangol_dispatcher.model import Hold, Standing
from dangol_dispatcher.windows import Hours, until_end, zone_of


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours in which these channels stay silent. `strictest`: the zones that must all be awake when none is known."""

    rule: str
    hours: Hours
    channels: frozenset[str]
    category: str = "marketing"
    lifted_by_night_consent: bool = False
    strictest: tuple[str, ...] = ()
    workspace_speaks: bool = True  # whether the workspace's zone may stand for a person's that is not known


def quiet_until(
    quiets: Iterable[Quiet], channel: str, category: str, standing: Standing, workspace_zone: str | None, now: datetime
) -> Hold | None:
    """The hold of the quiet hours that end last; None when none is kept now."""
    holds = []
    for quiet in quiets:
        if channel not in quiet.channels or category != quiet.category:
            continue
        if quiet.lifted_by_night_consent and night_allowed(channel, standing.consents):
            continue
        if hold := _hold(quiet, _zones(quiet, standing, workspace_zone), now):
            holds.append(hold)
    return max(holds, key=lambda hold: hold.until, default=None)


def _hold(quiet: Quiet, zones: tuple[str, ...], now: datetime) -> Hold | None:
    ends = [(until_end(quiet.hours, zone, now), name) for name in zones if (zone := zone_of(name))]
    until, zone_name = max(((end, name) for end, name in ends if end), default=(None, ""))
    if until is None:
        return None
    reason = Reason.NO_NIGHT_CONSENT if quiet.lifted_by_night_consent else Reason.QUIET_HOURS
    between = f"{quiet.hours.start:%H:%M}-{quiet.hours.end:%H:%M}"
    return Hold(until, reason, {"rule": quiet.rule, "until": until.isoformat(), "zone": zone_name, "between": between})


def _zones(quiet: Quiet, standing: Standing, workspace_zone: str | None) -> tuple[str, ...]:
    """The zone of the person, else of the workspace; where neither is known, all that the rule must fear."""
    known = standing.recipient.zone if standing.recipient else None
    for name in (known, workspace_zone if quiet.workspace_speaks else None):
        if name and zone_of(name):
            return (name,)
    return quiet.strictest or ("UTC",)
