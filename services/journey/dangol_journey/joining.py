"""Two profiles become one, and a person who asked to be forgotten is."""

from datetime import datetime

from msgspec.structs import replace

from dangol.decisions import Reason, Verdict
from dangol.events import person_key
from dangol_journey.addresses import place
from dangol_journey.consents import keep
from dangol_journey.endings import missed_exits
from dangol_journey.journey import Definitions
from dangol_journey.model import Advanced, Enrolment, Person, Remembered
from dangol_journey.profile import ADDRESS_TRAITS, MAX_REMEMBERED
from dangol_journey.sending import take_back
from dangol_journey.traits import joined
from dangol_journey.turn import Turn, decide, entering, facts_of, live, tell_facts


def merge(definitions: Definitions, winner: Person, loser: Person, now: datetime) -> Advanced:
    """The winner with all that was the loser's. `Advanced.absorbed` is the loser as it must be saved.

    Of two live enrolments in one journey and key the earlier stays, the other leaves as merged. The newer
    trait, the newer consent wins, a refusal on a tie; counts and sums add up. Of what a stranger's browser may have
    said of itself, addresses stay claims and consents do not count; its refusals do.
    """
    doubtful, said = _is_doubtful(winner, loser), _said(winner, loser)
    person = replace(
        winner,
        user_id=winner.user_id or loser.user_id,
        key=winner.key if winner.user_id or not loser.user_id else loser.key,
        anonymous_ids=list(dict.fromkeys([*winner.anonymous_ids, *loser.anonymous_ids])),
        zone=winner.zone or loser.zone,
        locale=winner.locale or loser.locale,
        stated=winner.stated if doubtful else {**loser.stated, **winner.stated},
        entered={pair: max(at, winner.entered.get(pair, at)) for pair, at in loser.entered.items()},
        remembered=_remembered(winner, loser),
        enrolments=sorted((_copy(one) for one in [*winner.enrolments, *loser.enrolments]), key=entering),
        created_at=min(winner.created_at, loser.created_at),
    )
    person.entered = {**winner.entered, **person.entered}
    turn = Turn(definitions, now, now, None, Advanced(person))
    _join_facts(definitions, person, said)
    _join_enrolments(turn)
    tell_facts(turn, None, tuple(said.consents))
    absorbed = replace(loser, enrolments=[], wake_at=None, version=loser.version + 1, merged_into=person.id)
    turn.out.spoken.append(replace(facts_of(definitions, absorbed), doubtful=doubtful))
    decide(turn, Verdict.MERGED, Reason.MATCHED, about=loser.id, merged=loser.id)
    missed_exits(turn)
    person.wake_at = min((one.due_at for one in live(person) if one.due_at), default=None)
    turn.out.absorbed = absorbed
    return turn.out


def erase(definitions: Definitions, person: Person, now: datetime) -> Advanced:
    """The person without anything known of it: out of every journey, nothing more said, the facts say so."""
    kept = replace(person, enrolments=[_copy(one) for one in person.enrolments])
    turn = Turn(definitions, now, now, None, Advanced(kept))
    for enrolment in live(kept):
        take_back(turn, enrolment, Reason.ERASED)
        _leave(turn, enrolment, "exited", Reason.ERASED, Verdict.EXITED)
    gone = Person(
        id=person.id,
        workspace=person.workspace,
        key=person.key,
        version=person.version + 1,
        created_at=person.created_at,
        enrolments=[_bare(one) for one in kept.enrolments],
        erased=True,
    )
    turn.out.spoken.append(facts_of(definitions, gone))  # under the old key, behind what was said there before
    gone.key = person_key(person.workspace, None, person.id)
    turn.out.person = gone
    turn.out.decisions = [
        replace(one, key=gone.key, user_id=None, anonymous_id=None, details={}) for one in turn.out.decisions
    ]
    return turn.out


def _is_doubtful(winner: Person, loser: Person) -> bool:
    """Whether the loser is a visitor whose browser may be anybody's, and not one the winner's own word came from."""
    return loser.user_id is None and bool(loser.first_key_id) and loser.first_key_id != winner.first_key_id


def _said(winner: Person, loser: Person) -> Person:
    """The loser with those of its facts that count for the winner."""
    if not _is_doubtful(winner, loser):
        return loser
    return replace(
        loser,
        traits={name: value for name, value in loser.traits.items() if name not in ADDRESS_TRAITS},
        addresses=[replace(one, verified=False) for one in loser.addresses],
        consents=[one for one in loser.consents if not one.granted],
    )


def _join_facts(definitions: Definitions, person: Person, loser: Person) -> None:
    """Traits, computed traits, addresses and consents of both."""
    person.traits, person.trait_times = dict(person.traits), dict(person.trait_times)
    for name, value in loser.traits.items():
        at = loser.trait_times.get(name, loser.created_at)
        if name not in person.traits or at > person.trait_times.get(name, person.created_at):
            person.traits[name], person.trait_times[name] = value, at
    person.computed = dict(person.computed)
    for trait in {trait.name: trait for traits in definitions.traits.values() for trait in traits}.values():
        state = joined(trait.aggregate, person.computed.get(trait.name), loser.computed.get(trait.name))
        if state is not None:
            person.computed[trait.name] = state
    for address in loser.addresses:
        person.addresses = place(person.addresses, address)
    for statement in loser.consents:
        person.consents = keep(person.consents, statement)


def _join_enrolments(turn: Turn) -> None:
    """Of two live in one journey and key the earlier stays."""
    stay: dict[tuple[str, str], Enrolment] = {}
    for enrolment in live(turn.person):
        first = stay.setdefault((enrolment.journey, enrolment.key), enrolment)
        if first is not enrolment:
            take_back(turn, enrolment, Reason.MERGED_AWAY)
            _leave(turn, enrolment, "merged", Reason.MERGED_AWAY, Verdict.MERGED)


def _leave(turn: Turn, enrolment: Enrolment, status: str, reason: Reason, verdict: Verdict) -> None:
    enrolment.status, enrolment.end_reason, enrolment.ended_at = status, reason, turn.now
    enrolment.due_at, enrolment.goal_until = None, None
    decide(turn, verdict, reason, enrolment)


def _remembered(one: Person, other: Person) -> list[Remembered]:
    both = {item.id: item for item in [*one.remembered, *other.remembered]}
    return sorted(both.values(), key=lambda item: (item.at, item.id))[-MAX_REMEMBERED:]


def _copy(one: Enrolment) -> Enrolment:
    sends = {step: replace(sent) for step, sent in one.sends.items()}
    return replace(one, visits=dict(one.visits), results=dict(one.results), sends=sends)


def _bare(one: Enrolment) -> Enrolment:
    """An enrolment without what the person did: that it was there stays."""
    return replace(one, entry={}, latest={}, seen=[], results={}, sends={}, key="", entry_input="", goal_until=None)
