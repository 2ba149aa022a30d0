"""The legal packs: each row a named rule with its date and its source. Product defaults, not legal advice."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time

from dangol_dispatcher.quiet import Quiet
from dangol_dispatcher.windows import Hours

ON_A_PHONE = frozenset({"sms", "lms", "push", "web_push", "alimtalk", "brand_message"})


@dataclass(frozen=True, slots=True)
class Source:
    """Where a rule comes from, and on what date it was last held against its source."""

    law: str
    checked: date


@dataclass(frozen=True, slots=True)
class Pack:
    """A country's rules as this product keeps them by default."""

    name: str
    quiet: tuple[Quiet, ...] = ()
    informational_only: Mapping[str, str] | None = None  # channel → rule: no marketing there
    sources: Mapping[str, Source] | None = None


KR = Pack(
    name="kr",
    quiet=(
        # The ban is 21:00-08:00; ten minutes of guard, for a gateway may be slow. E-mail is exempt from this rule only.
        Quiet(
            rule="kr.night",
            hours=Hours(time(20, 50), time(8)),
            channels=ON_A_PHONE,
            lifted_by_night_consent=True,
            strictest=("Asia/Seoul",),
        ),
    ),
    informational_only={"alimtalk": "kr.alimtalk_informational"},
    sources={
        "kr.night": Source("Network Act Art. 50(3), Decree Art. 61(2)", date(2026, 11, 22)),
        "kr.alimtalk_informational": Source("Kakao's review guide for Alimtalk", date(2026, 11, 22)),
        "consent.opt_in": Source("Network Act Art. 50(1)", date(2026, 11, 22)),
        "consent.refusal": Source("Network Act Art. 50(2)", date(2026, 11, 22)),
    },
)

US = Pack(
    name="us",
    quiet=(
        # Not before 8:00 or after 21:00 at the called party's place, with a guard band.
        Quiet(
            rule="us.tcpa_hours",
            hours=Hours(time(20, 45), time(8, 5)),
            channels=frozenset({"sms", "lms"}),
            strictest=("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"),
            workspace_speaks=False,
        ),
    ),
    sources={"us.tcpa_hours": Source("47 CFR 64.1200(c)(1)", date(2026, 11, 22))},
)

PACKS = {pack.name: pack for pack in (KR, US)}
