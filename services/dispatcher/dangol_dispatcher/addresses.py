"""Which of a person's addresses a channel can use."""

from collections.abc import Mapping

from dangol.decisions import Reason
from dangol.messages import Address, Channel
from dangol_dispatcher.model import Recipient, Skip

KIND: Mapping[str, str] = {
    Channel.EMAIL: "email",
    Channel.SMS: "phone",
    Channel.LMS: "phone",
    Channel.ALIMTALK: "phone",
    Channel.BRAND_MESSAGE: "phone",
    Channel.PUSH: "device",
    Channel.WEB_PUSH: "device",
}


def endpoint_of(recipient: Recipient, channel: str) -> str | Skip:
    """Where this channel reaches the person, the newest verified address; else why it cannot."""
    if channel == Channel.IN_APP:
        return recipient.profile
    fitting = [address for address in recipient.addresses if fits(address, channel)]
    verified = [address for address in fitting if address.verified]
    if verified:
        return max(verified, key=lambda address: address.at).value
    return Skip(Reason.UNVERIFIED_ADDRESS if fitting else Reason.NO_ADDRESS, {"rule": "address"})


def fits(address: Address, channel: str) -> bool:
    """Whether an address is of the kind a channel needs; a browser's device takes web push, the others push."""
    if address.kind != KIND.get(channel):
        return False
    if address.kind == "device":
        return (address.detail.get("platform") == "web") == (channel == Channel.WEB_PUSH)
    return True
