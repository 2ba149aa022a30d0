"""A mail step by step, and as the standard library writes it: what the quick ways are held to, byte for byte."""

from collections.abc import Callable
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime

from dangol_dispatcher import html_mail
from dangol_dispatcher.mail import Mail, address, named_address


def by_the_library(mail: Mail, at: datetime) -> bytes:
    """Its bytes; without our link to refuse, which the library would put in RFC 2047's words."""
    name, sender = named_address(mail.sender)
    locals = (text.rpartition("@")[0].rpartition("<")[2] for text in (mail.to, mail.sender, mail.reply_to))
    message = EmailMessage(policy=SMTP if all(one.isascii() for one in locals) else SMTPUTF8)
    message["Subject"] = mail.subject
    message["From"] = _address(name, sender)
    message["To"] = _address("", address(mail.to))
    if mail.reply_to:
        message["Reply-To"] = _address(*named_address(mail.reply_to))
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{mail.delivery}@{sender.rpartition('@')[2]}>"
    for key, value in mail.headers.items():
        message[key] = value
    message.set_content(mail.text or " ", cte="base64" if not mail.text.isascii() else None)
    if mail.html:
        encoding = "base64" if not mail.html.isascii() else "quoted-printable"
        message.add_alternative(mail.html, subtype="html", cte=encoding)
        message.set_boundary(f"=_{mail.delivery}")
    return message.as_bytes()


def _address(name: str, addr: str) -> Address:
    local, _, domain = addr.rpartition("@")
    return Address(display_name=name, username=local, domain=domain)


def html_and_text(
    source: str, preheader: str, tracked: Callable[[int, str], str] | None, *, mjml: bool
) -> tuple[str, str, list[str]]:
    """A mail's HTML without its footer, its text and the URLs that are counted, from a text that is whole."""
    html = html_mail.from_mjml(source) if mjml else html_mail.inlined(source)
    html = html_mail.with_preheader(html, preheader)
    text = html_mail.text_of(html_mail.with_links(html, None)[0])
    html, urls = html_mail.with_links(html, tracked)
    return html, text, urls
