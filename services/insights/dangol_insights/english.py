"""The sentences in English: a frame for each verdict, a clause for each reason. PURE."""

from collections.abc import Mapping

from dangol.decisions import Reason, Verdict

MOMENT = "{day} {month} {time}"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
CHANNELS = {
    "email": "email",
    "sms": "text message",
    "lms": "long text message",
    "push": "push",
    "web_push": "web push",
    "alimtalk": "Kakao alimtalk",
    "brand_message": "Kakao brand message",
    "in_app": "in-app message",
    "slack": "Slack",
    "teams": "Teams",
    "webhook": "webhook",
}

ENTERED = "“{event}” entered “{journey}”."
NOT_ENTERED = "“{event}” did not enter “{journey}”: {because}."

# The first frame whose names are all known is taken.
FRAMES: Mapping[Verdict, tuple[str, ...]] = {
    Verdict.REJECTED: (
        "“{event}” was taken, but not the {field} it stated: {because}.",
        "“{event}” was rejected: {because}.",
        "What was posted was rejected: {because}.",
    ),
    Verdict.CONSIDERED: ("“{event}” was held against the journeys that begin with it.", "Journeys were considered."),
    Verdict.WAITED: (
        "In “{journey}”, step “{step}” waits until {until}, or until {others}.",
        "In “{journey}”, step “{step}” waits until {until}.",
        "In “{journey}”, step “{step}” waits for: {ways}.",
        "In “{journey}”, step “{step}” waits.",
    ),
    Verdict.CHOSE: (
        "In “{journey}”, step “{step}” went on: {way}.",
        "In “{journey}”, step “{step}” went on: {because}.",
    ),
    Verdict.ASKED: (
        "In “{journey}”, step “{step}” asked for the message “{template}”.",
        "In “{journey}”, step “{step}” asked for a message.",
    ),
    Verdict.ISSUED: (
        "In “{journey}”, a coupon of “{pool}” was promised, good until {expires_at}.",
        "In “{journey}”, a coupon of “{pool}” was promised.",
        "In “{journey}”, a coupon was promised.",
    ),
    Verdict.SET: ("In “{journey}”, the profile's {traits} was set.", "In “{journey}”, the profile was changed."),
    Verdict.EXITED: (
        "Left “{journey}” as “{as}”: {because}.",
        "Left “{journey}”: {because}.",
    ),
    Verdict.FINISHED: ("Came to the end of “{journey}”.",),
    Verdict.CONVERTED: ("Reached the goal of “{journey}”, worth {value}.", "Reached the goal of “{journey}”."),
    Verdict.MERGED: ("In “{journey}”, {because}.", "Two profiles turned out to be one person and were joined."),
    Verdict.LOOP: ("“{journey}” was stopped: {because}.", "It was stopped: {because}."),
    Verdict.HELD: (
        "The {channel} of step “{step}” is held until {until}: {because}.",
        "The message of step “{step}” is held until {until}: {because}.",
        "The message of step “{step}” is held: {because}.",
    ),
    Verdict.DROPPED: (
        "The message of step “{step}” was not sent, on no channel: {each}.",
        "The {channel} of step “{step}” was not sent: {because}.",
        "The message of step “{step}” was not sent: {because}.",
    ),
    Verdict.SKIPPED: ("The {channel} of step “{step}” was passed over: {because}.",),
    Verdict.SENT: (
        "The {channel} of step “{step}” was sent through {gateway}.",
        "The {channel} of step “{step}” was sent.",
    ),
    Verdict.RETRIED: (
        "The {channel} of step “{step}” will be tried again at {at}: {because}.",
        "The {channel} of step “{step}” will be tried again: {because}.",
    ),
    Verdict.FAILED: (
        "The {channel} of step “{step}” failed: {because}.",
        "The message of step “{step}” failed: {because}.",
        "“{event}” could not be handled and was set aside: {because}.",
        "Something could not be handled and was set aside: {because}.",
    ),
    Verdict.UNKNOWN: (
        "The {channel} of step “{step}” was perhaps sent: {because}.",
        "The message of step “{step}” was perhaps sent: {because}.",
    ),
    Verdict.RECEIVED: (
        "The {channel} of step “{step}” was {kind}.",
        "The message of step “{step}” was {kind}.",
    ),
    Verdict.CONSENT: ("Consent changed for {channels}: {because}.", "Consent changed: {because}."),
}

# The first clause whose names are all known is taken.
CLAUSES: Mapping[Reason, tuple[str, ...]] = {
    Reason.MATCHED: ("it matched",),
    Reason.DUE: ("its moment came",),
    Reason.ELSE: ("no other way was true",),
    Reason.WHERE_NOT_MET: ("the condition {where} was not met", "its condition was not met"),
    Reason.UNKNOWN_VALUE: (
        "{detail} is not known, and the condition {where} needs it",
        "{detail} is not known, and its condition needs it",
        "a value its condition needs is not known",
    ),
    Reason.NO_KEY: ("the event does not bring {key}, which tells one run from another", "the event brings no key"),
    Reason.ALREADY_INSIDE: ("already inside: the newest event was noted",),
    Reason.ENTERED_BEFORE: ("entered before, at {at}, and may not again so soon", "entered before, and may not again"),
    Reason.TOO_MANY: ("inside it {at_most} times already, under other keys", "inside it too many times already"),
    Reason.TOO_LATE: ("it happened at {at}, too long before we heard of it", "we heard of it too late"),
    Reason.ALREADY_OVER: ("what ends it ({by}) had already happened", "what ends it had already happened"),
    Reason.BACKFILLED: ("it was imported as history, which triggers nothing",),
    Reason.DUPLICATE: ("it is a repeat of what was taken before",),
    Reason.ID_REUSED: ("its message id was used before for something else",),
    Reason.PAUSED: ("the journey is paused",),
    Reason.EXIT_EVENT: ("“{event}” happened, which ends it", "what ends it happened"),
    Reason.END: ("it is over",),
    Reason.MERGED_AWAY: ("the same run went on in the joined profile",),
    Reason.ERASED: ("the person was erased",),
    Reason.UNPUBLISHED: ("the journey, or this step of it, is no longer published",),
    Reason.ALLOWED: ("every rule allows it",),
    Reason.NO_CONSENT: ("there is no consent on record for {purpose}", "there is no consent on record"),
    Reason.WITHDRAWN: ("consent was withdrawn at {at}", "consent was withdrawn"),
    Reason.NO_NIGHT_CONSENT: (
        "it is night there ({between}), and there is no consent to be reached at night",
        "it is night there, and there is no consent to be reached at night",
    ),
    Reason.SUPPRESSED: (
        "this address is suppressed since it failed or complained ({kind})",
        "this address is suppressed",
    ),
    Reason.HOLDOUT: ("the person is of the control group, which gets nothing",),
    Reason.CAPPED: (
        "the cap “{rule}” allows {at_most}, and {used} are used",
        "the cap “{rule}” allows {at_most}",
        "the cap on messages is reached",
    ),
    Reason.QUIET_HOURS: (
        "these are quiet hours ({between})",
        "this is held while {condition}",
        "these are quiet hours",
    ),
    Reason.EXPIRED: ("it would have come too late: it was worth saying until {at}", "it would have come too late"),
    Reason.KILL_SWITCH: ("an operator stopped sending ({switch})", "an operator stopped sending"),
    Reason.NO_ADDRESS: ("no address is known for {channel}", "no address is known yet"),
    Reason.BAD_ADDRESS: ("no message can be sent to it",),
    Reason.UNVERIFIED_ADDRESS: ("the address was claimed by a browser and is not verified",),
    Reason.NO_CONTENT: ("the template “{template}” says nothing on this channel", "the template says nothing here"),
    Reason.NO_GATEWAY: ("no gateway is set up for this channel",),
    Reason.UNKNOWN_TEMPLATE: ("there is no template “{template}”", "there is no such template"),
    Reason.TEMPLATE_ERROR: ("the template could not be filled: {error}", "the template could not be filled"),
    Reason.MISSING_VALUE: (
        "the template names {detail}, which is not there and has no default",
        "the template names a value that is not there and has no default",
    ),
    Reason.POOL_EMPTY: ("the coupons of “{pool}” are used up", "the coupons are used up"),
    Reason.FACTS_AWAITED: ("what is known of the person is still on its way",),
    Reason.CANCELLED: ("it was no longer wanted: the journey was left", "it was no longer wanted"),
    Reason.OUTRANKED: ("a message of higher priority went first",),
    Reason.RULES_UNREADABLE: ("the rules could not be read, and without them nothing is sent",),
    Reason.ACCEPTED: ("the gateway took it",),
    Reason.REJECTED_PERMANENTLY: ("the gateway refused it for good: {said}", "the gateway refused it for good"),
    Reason.TEMPORARY_FAILURE: ("the gateway could not take it now: {said}", "the gateway could not take it now"),
    Reason.GATEWAY_DOWN: ("the gateway is down and left alone for a while",),
    Reason.CREDENTIALS: ("the gateway refused our credentials",),
    Reason.GAVE_UP: ("every try failed",),
    Reason.AMBIGUOUS: ("the gateway did not answer after it may have taken it",),
    Reason.INVALID: ("{known_code}", "{message} ({hint})", "{message}", "{detail}", "it was not valid"),
    Reason.RAISED: ("handling it failed: {error}", "handling it failed"),
    Reason.LOOPED: ("its own events led back to it too often",),
}

# What a way of a fork or a wait says, by its first word; {what} is the rest of it.
WAYS = {
    "event": "“{what}” happened",
    "opened": "the message of “{what}” was opened",
    "clicked": "the message of “{what}” was clicked",
    "delivered": "the message of “{what}” was delivered",
    "when": "{what} is true",
    "after": "{what} passed",
    "until": "the moment of {what} came",
    "sent": "its message was sent",
    "holdout": "its message was left out for the control group",
    "dropped": "its message was not sent",
    "failed": "its message could not be sent",
    "expired": "its message came too late to be sent",
    "unknown": "its message was perhaps sent",
    "otherwise": "its message was not sent, and the steps for that case follow",
    "no fate heard": "nothing was heard of its message",
    "else": "no other way was true",
    "none": "none of its ways was true",
}
CONDITION = "{what} is true"
UNITS = {"d": "{n} days", "h": "{n} hours", "m": "{n} minutes", "s": "{n} seconds"}
ONE = {"d": "1 day", "h": "1 hour", "m": "1 minute", "s": "1 second"}
PURPOSES = {"marketing": "marketing"}
CODES: Mapping[str, str] = {}  # what is posted is told in English already
KINDS = {
    "delivered": "delivered",
    "opened": "opened",
    "clicked": "clicked",
    "bounced": "bounced",
    "complained": "complained about",
}
NOBODY = "Nothing is on record about {person}. An event names its person by userId or anonymousId: was one posted?"
NOTHING = "There are events of {person}, and no journey begins with any of them: {events}."
NOT_CONSIDERED = (
    "{person} was never held against “{journey}”: it begins with “{event}”, and no such event of theirs was taken."
)
SILENT = "“{journey}” decided nothing about {person} yet."
