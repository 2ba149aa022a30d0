"""Time zones by name: a person's if it is one, else the workspace's."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def zone_or(name: str | None, otherwise: str) -> str:
    """`name` if it names a zone of the tz database, else `otherwise`, else UTC."""
    for candidate in (name, otherwise):
        if candidate and is_zone(candidate):
            return candidate
    return "UTC"


def is_zone(name: str) -> bool:
    """Whether it names a zone; `Asia/Seoul` does, `Seoul` and `../etc` do not."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
