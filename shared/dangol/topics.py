"""The three topics: what each says, and how its payload becomes bytes and back."""

from enum import StrEnum


class Topic(StrEnum):
    """Where services meet. Keys are log keys (`events.person_key`)."""

    EVENTS = "events"  # Event, keyed by the person's id · ingest, dispatcher, journey → journey, insights
    MESSAGES = "messages"  # Facts | Message | Cancel, keyed by the person's home · journey → dispatcher
    DECISIONS = "decisions"  # Decision, keyed by the person's home · all → insights
