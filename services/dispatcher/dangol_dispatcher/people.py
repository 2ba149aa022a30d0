"""Person facts: the newest version wins, and two people who are one are joined."""

from collections.abc import Iterable

from msgspec.structs import replace

from dangol.messages import Facts
from dangol_dispatcher.model import Recipient


def with_facts(known: Recipient | None, facts: Facts) -> Recipient:
    """The person after these facts; older ones change nothing, but that the person was erased or joined."""
    if known is None:
        known = Recipient(profile=facts.profile, workspace=facts.workspace, key=facts.key)
    if known.erased or facts.erased:
        return erased(known, facts.version)
    if facts.merged_into:
        return replace(known, version=max(known.version, facts.version), merged_into=facts.merged_into)
    if facts.version <= known.version and known.version:
        return known
    return Recipient(
        profile=facts.profile,
        workspace=facts.workspace,
        key=facts.key,
        version=facts.version,
        user_id=facts.user_id,
        anonymous_ids=facts.anonymous_ids,
        addresses=facts.addresses,
        zone=facts.zone,
        locale=facts.locale,
        traits=facts.traits,
        merged_into=known.merged_into,
    )


def erased(known: Recipient, version: int) -> Recipient:
    """All of the person forgotten; that they were erased is kept, so that nothing late brings them back."""
    return Recipient(
        profile=known.profile,
        workspace=known.workspace,
        key="",
        version=max(known.version, version),
        merged_into=known.merged_into,
        erased=True,
    )


def everyone_in(facts: Iterable[Facts]) -> set[str]:
    """All profiles these facts are about: to be locked together, in the order of their ids."""
    return {profile for one in facts for profile in (one.profile, one.merged_into) if profile}
