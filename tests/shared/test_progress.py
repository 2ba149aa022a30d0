"""What a Kafka reader may claim to have read: never more than an answer to a question asked after that moment."""

from datetime import UTC, datetime, timedelta

from dangol.kafka.progress import Progress, moment_of

MS = timedelta(milliseconds=1)
AT = datetime(2026, 3, 1, tzinfo=UTC)
T = int(AT.timestamp() * 1000)


def test_nothing_is_claimed_before_an_answer() -> None:
    assert Progress(0).reached() is None


def test_one_answer_says_nothing_of_when_it_was_asked() -> None:
    progress = Progress(5)
    progress.poll(5, T)
    assert progress.reached() is None


def test_the_second_answer_was_asked_after_the_first() -> None:
    progress = Progress(5)
    progress.poll(5, T)
    progress.poll(5, T + 25)
    assert progress.reached() == AT


def test_the_same_answer_twice_is_one() -> None:
    progress = Progress(5)
    progress.poll(5, T)
    progress.poll(5, T)
    assert progress.reached() is None


def test_behind_the_end_only_records_count() -> None:
    progress = Progress(5)
    progress.poll(7, T)
    progress.poll(7, T + 25)
    assert progress.behind()
    assert progress.reached() is None
    progress.returned(5, AT - 3 * MS)
    assert progress.reached() == AT - 3 * MS
    progress.returned(6, AT - 2 * MS)
    assert progress.reached() == AT


def test_a_claim_only_rises() -> None:
    progress = Progress(5)
    progress.poll(5, T)
    progress.poll(5, T + 25)
    assert progress.reached() == AT
    progress.poll(9, T + 50)
    progress.returned(5, AT - MS)
    assert progress.reached() == AT


def test_a_moment_in_utc() -> None:
    assert moment_of(T + 1) == AT + MS
