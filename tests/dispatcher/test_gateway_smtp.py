"""SMTP against servers that take, refuse, hang and lose replies."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from dangol.errors import Invalid
from dangol_dispatcher.gateway_smtp import MailServer, SmtpGateway
from dangol_dispatcher.model import Accepted, Ambiguous, Content, Later, Outcome, Rejected
from dangol_dispatcher.smtp_replies import is_dead_mailbox
from dangol_dispatcher.targets import Targets
from tests.support.claims import a_claim, a_mail
from tests.support.receivers import smtp_server
from tests.support.server import free_port
from tests.support.smtp_script import CLOSE, HANG, Script, scripted_server

HERE = Targets(loopback=True)


def gateway(url: str, **given: float) -> SmtpGateway:
    return SmtpGateway("mail", MailServer.of(url), HERE, **({"final_reply": 5.0, "commands": 5.0} | given))  # type: ignore[arg-type]


async def handed(url: str, content: Content | None = None, **given: float) -> Outcome:
    mail = gateway(url, **given)
    try:
        (outcome,) = await mail.send_many([a_claim(content or a_mail())])
    finally:
        await mail.close()
    return outcome


async def said(**replies: str) -> tuple[Outcome, Script]:
    async with scripted_server(**replies) as server:
        return await handed(server.url, final_reply=0.3, commands=0.5), server


async def test_a_real_server_takes_the_very_mail() -> None:
    content = a_mail(text="안녕하세요\n.점으로 시작하는 줄\n")
    with smtp_server() as mailbox:
        outcome = await handed(mailbox.url, content)
    assert isinstance(outcome, Accepted)
    (mail,) = mailbox.to("a@example.test")
    assert mail.get_content().splitlines() == ["안녕하세요", ".점으로 시작하는 줄"]
    assert mail["Message-ID"] == "<d1@example.test>"


@contextmanager
def tls_server(folder: Path, *, implicit: bool = False) -> Iterator[str]:
    """A real server whose certificate, for 127.0.0.1, is `folder`/cert.pem; gives its host and port."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    cert = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, none = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "cert.pem").write_bytes(cert.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, none))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    port = free_port()
    # at once inside TLS, or by STARTTLS, without which it takes nothing
    given = {"ssl_context": context} if implicit else {"tls_context": context, "require_starttls": True}
    controller = Controller(Sink(), hostname="127.0.0.1", port=port, **given)
    controller.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        controller.stop()


@pytest.mark.parametrize("how", ["smtp://{}", "smtp://{}?tls=required", "smtps://{}"])
async def test_a_real_server_takes_it_inside_tls(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # caught: no EHLO after STARTTLS, which forgets the one before it; none at all on smtps
    with tls_server(tmp_path, implicit=how.startswith("smtps")) as place:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        outcome = await handed(how.format(place))
    assert isinstance(outcome, Accepted), outcome


async def test_a_real_server_takes_it_without_tls() -> None:
    # caught: MAIL without EHLO
    with smtp_server() as mailbox:
        outcome = await handed(f"{mailbox.url}?tls=no")
    assert isinstance(outcome, Accepted), outcome


async def test_a_server_that_knows_no_ehlo_is_greeted_as_of_old() -> None:
    async with scripted_server(EHLO="502 5.5.1 what?") as server:
        outcome = await handed(f"{server.url}?tls=no")
        assert isinstance(outcome, Accepted), outcome
        assert server.verbs[:3] == ["EHLO", "HELO", "MAIL"]


async def test_dots_are_doubled_on_the_way() -> None:
    outcome, server = await said()
    assert outcome == Accepted("Q1", "250 2.0.0 ok: queued as Q1")
    assert b"\r\n..hidden dot\r\n" in server.taken[0]


async def test_connections_are_kept() -> None:
    async with scripted_server() as server:
        mail = gateway(server.url)
        for number in range(5):
            await mail.send_many([a_claim(a_mail(), f"m{number}")])
        await mail.close()
        assert server.connections == 1
        assert len(server.taken) == 5


async def test_many_at_once_use_no_more_connections_than_allowed() -> None:
    async with scripted_server() as server:
        mail = SmtpGateway("mail", MailServer.of(server.url), HERE, concurrency=3)
        outcomes = await mail.send_many([a_claim(a_mail(), f"m{number}") for number in range(20)])
        await mail.close()
        assert all(isinstance(one, Accepted) for one in outcomes)
        assert server.connections <= 3


@pytest.mark.parametrize(
    ("replies", "expected", "suppress"),
    [
        ({"RCPT": "550 5.1.1 no such user"}, Rejected, True),
        ({"RCPT": "550 no such user here"}, Rejected, True),
        ({"RCPT": "550 5.7.1 policy"}, Rejected, False),
        ({"RCPT": "451 4.3.0 try again"}, Later, None),
        ({"MAIL": "452 4.3.1 full"}, Later, None),
        ({"MAIL": "553 5.1.8 sender refused"}, Rejected, False),
        ({"DATA": "451 not now"}, Later, None),
        ({"DOT": "451 4.3.0 not now"}, Later, None),
        ({"DOT": "550 5.7.1 spam"}, Rejected, False),
        ({"GREETING": "421 4.3.2 closing"}, Later, None),
        ({"RCPT": CLOSE}, Later, None),
        ({"DATA": CLOSE}, Later, None),
        ({"DATA": HANG}, Later, None),
        ({"GREETING": HANG}, Later, None),
        ({"DOT": CLOSE}, Ambiguous, None),
        ({"DOT": HANG}, Ambiguous, None),
    ],
)
async def test_case_73_each_reply_means_what_the_standard_says(
    replies: dict[str, str], expected: type[Outcome], suppress: bool | None
) -> None:
    """Caught: 4xx taken for a refusal; a lost last reply taken for not sent."""
    outcome, _ = await said(**replies)
    assert isinstance(outcome, expected), outcome
    if isinstance(outcome, Rejected):
        assert outcome.suppress is suppress


async def test_case_73_421_closes_the_connection() -> None:
    """Caught: 421 taken for a refusal."""
    async with scripted_server(RCPT="421 4.7.0 too many") as server:
        mail = gateway(server.url)
        for number in range(2):
            (outcome,) = await mail.send_many([a_claim(a_mail(), f"m{number}")])
            assert isinstance(outcome, Later)
        await mail.close()
        assert server.connections == 2


async def test_a_kept_connection_the_server_closed_is_no_failure() -> None:
    async with scripted_server() as server:
        mail = gateway(server.url)
        await mail.send_many([a_claim(a_mail())])
        server.once["MAIL"] = CLOSE
        (outcome,) = await mail.send_many([a_claim(a_mail(), "m2")])
        await mail.close()
        assert isinstance(outcome, Accepted)
        assert server.connections == 2


async def test_refused_credentials_are_ours_not_the_persons() -> None:
    async with scripted_server(EHLO="250-here\r\n250 AUTH PLAIN", AUTH="535 5.7.8 refused") as server:
        url = server.url.replace("smtp://", "smtp://me@")
        mail = SmtpGateway("mail", MailServer.of(url, "wrong"), HERE)
        (outcome,) = await mail.send_many([a_claim(a_mail())])
        await mail.close()
    assert outcome == Rejected("535 5.7.8 refused", credentials=True)


async def test_nobody_listening_means_nothing_was_taken() -> None:
    async with scripted_server() as server:
        url = server.url
    assert isinstance(await handed(url), Later)


async def test_a_private_mail_server_is_refused_unless_allowed() -> None:
    async with scripted_server() as server:
        mail = SmtpGateway("mail", MailServer.of(server.url), Targets())
        (outcome,) = await mail.send_many([a_claim(a_mail())])
        assert isinstance(outcome, Rejected)
        assert server.connections == 0


async def test_a_starttls_that_is_required_and_not_offered_sends_nothing() -> None:
    async with scripted_server() as server:
        outcome = await handed(f"{server.url}?tls=required")
        assert isinstance(outcome, Later)
        assert not server.taken


async def test_an_address_beyond_ascii_needs_a_server_that_takes_it() -> None:
    content = a_mail("민지@example.test")
    async with scripted_server() as server:
        assert isinstance(await handed(server.url, content), Rejected)
    async with scripted_server(EHLO="250-here\r\n250 SMTPUTF8") as server:
        assert isinstance(await handed(server.url, content), Accepted)
        mail = message_from_bytes(server.taken[0], policy=policy.SMTPUTF8)
        assert mail["To"] == "민지@example.test"


def test_urls_say_how_to_connect() -> None:
    assert MailServer.of("smtps://mail.example") == MailServer("mail.example", 465, "implicit")
    assert MailServer.of("smtp://u%40x@mail.example:25?tls=no", "p") == MailServer("mail.example", 25, "no", "u@x", "p")
    for wrong in ("http://mail.example", "smtp://", "smtp://mail.example?tls=perhaps"):
        with pytest.raises(Invalid):
            MailServer.of(wrong)


def test_case_73_the_final_reply_is_waited_for_ten_minutes() -> None:
    """Caught: a minute."""
    mail = SmtpGateway("mail", MailServer.of("smtp://mail.example"), HERE)
    assert mail.deadline.total_seconds() > 600


def test_a_full_mailbox_is_not_a_dead_one() -> None:
    assert not is_dead_mailbox(552, "5.2.2 mailbox full", recipient=True)
    assert is_dead_mailbox(550, "5.2.1 disabled", recipient=True)
    assert not is_dead_mailbox(550, "no such user", recipient=False)


async def test_credentials_that_cannot_be_looked_at_now_are_for_later() -> None:
    """faults D72: 454 is the server's trouble: nothing is failed for it."""
    async with scripted_server(EHLO="250-here\r\n250 AUTH PLAIN", AUTH="454 4.7.0 try again") as server:
        mail = SmtpGateway("mail", MailServer.of(server.url.replace("smtp://", "smtp://me@"), "right"), HERE)
        (outcome,) = await mail.send_many([a_claim(a_mail())])
        await mail.close()
    assert isinstance(outcome, Later)


async def test_case_73_421_on_a_kept_connection_is_answered_by_a_new_one() -> None:
    """faults D73: the server had timed the kept one out.

    Caught: what a kept connection answered taken for the last word.
    """
    async with scripted_server() as server:
        mail = gateway(server.url)
        await mail.send_many([a_claim(a_mail())])
        server.once["MAIL"] = "421 4.4.2 timeout"
        (outcome,) = await mail.send_many([a_claim(a_mail(), "m2")])
        await mail.close()
        assert isinstance(outcome, Accepted)
        assert server.connections == 2


@pytest.mark.parametrize("verb", ["MAIL", "DATA", "DOT"])
async def test_a_delivery_cut_short_leaves_no_connection_open(verb: str) -> None:
    # caught: the call given up by its lease, and its connection neither closed nor kept
    async with scripted_server(**{verb: HANG}) as server:
        mail = gateway(server.url)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await mail.send_many([a_claim(a_mail())])
        await asyncio.wait_for(server.left.wait(), 5)
        await mail.close()


async def test_a_delivery_cut_short_sends_no_more_of_its_mail() -> None:
    # caught: the connection closed as usual, which first sends all that is buffered, the final dot too
    given_up, rest = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in (b"220", b"250", b"250", b"250", b"354"):
            writer.write(reply + b" go on\r\n")
            await reader.readline()
        await given_up.wait()
        try:
            rest.set_result(await reader.read())
        except ConnectionError:
            rest.set_result(b"")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    mail = gateway(f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    claim = a_claim(a_mail(text="many words\n" * 1_500_000))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await mail.send_many([claim])
    given_up.set()
    assert not (await asyncio.wait_for(rest, 10)).endswith(b"\r\n.\r\n")
    server.close()
    await server.wait_closed()


async def test_a_domain_beyond_ascii_is_said_as_the_mail_says_it() -> None:
    # caught: RCPT with the domain as it was typed, which asks for SMTPUTF8
    async with scripted_server() as server:
        assert isinstance(await handed(server.url, a_mail("a@단골.example")), Accepted)
    assert b"RCPT TO:<a@xn--bb0bu7i.example>\r\n" in server.lines
