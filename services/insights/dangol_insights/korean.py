"""The sentences in Korean: a frame for each verdict, a clause for each reason. PURE."""

from collections.abc import Mapping

from dangol.decisions import Reason, Verdict

MOMENT = "{month}월 {day}일 {time}"
MONTHS = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12")
CHANNELS = {
    "email": "이메일",
    "sms": "문자(SMS)",
    "lms": "장문 문자(LMS)",
    "push": "앱 푸시",
    "web_push": "웹 푸시",
    "alimtalk": "알림톡",
    "brand_message": "브랜드 메시지",
    "in_app": "인앱 메시지",
    "slack": "슬랙",
    "teams": "팀즈",
    "webhook": "웹훅",
}

ENTERED = "‘{event}’ 이벤트로 ‘{journey}’ 여정에 들어갔습니다."
NOT_ENTERED = "‘{event}’ 이벤트로 ‘{journey}’ 여정에 들어가지 않았습니다: {because}."

FRAMES: Mapping[Verdict, tuple[str, ...]] = {
    Verdict.REJECTED: (
        "‘{event}’ 이벤트는 받았지만 거기 적힌 {field} 값은 쓰지 않았습니다: {because}.",
        "‘{event}’ 이벤트를 받아들이지 않았습니다: {because}.",
        "보낸 항목을 받아들이지 않았습니다: {because}.",
    ),
    Verdict.CONSIDERED: ("‘{event}’ 이벤트로 시작하는 여정들을 살펴보았습니다.", "여정들을 살펴보았습니다."),
    Verdict.WAITED: (
        "‘{journey}’ 여정의 ‘{step}’ 단계에서 {until}까지 기다립니다. 더 일찍 나아가는 경우: {others}.",
        "‘{journey}’ 여정의 ‘{step}’ 단계에서 {until}까지 기다립니다.",
        "‘{journey}’ 여정의 ‘{step}’ 단계에서 기다립니다: {ways}.",
        "‘{journey}’ 여정의 ‘{step}’ 단계에서 기다립니다.",
    ),
    Verdict.CHOSE: (
        "‘{journey}’ 여정이 ‘{step}’ 단계에서 다음으로 나아갔습니다: {way}.",
        "‘{journey}’ 여정이 ‘{step}’ 단계에서 다음으로 나아갔습니다: {because}.",
    ),
    Verdict.ASKED: (
        "‘{journey}’ 여정의 ‘{step}’ 단계에서 ‘{template}’ 메시지를 요청했습니다.",
        "‘{journey}’ 여정의 ‘{step}’ 단계에서 메시지를 요청했습니다.",
    ),
    Verdict.ISSUED: (
        "‘{journey}’ 여정에서 ‘{pool}’ 쿠폰을 약속했습니다. {expires_at}까지 쓸 수 있습니다.",
        "‘{journey}’ 여정에서 ‘{pool}’ 쿠폰을 약속했습니다.",
        "‘{journey}’ 여정에서 쿠폰을 약속했습니다.",
    ),
    Verdict.SET: (
        "‘{journey}’ 여정에서 프로필의 {traits} 값을 정했습니다.",
        "‘{journey}’ 여정에서 프로필을 바꾸었습니다.",
    ),
    Verdict.EXITED: (
        "‘{journey}’ 여정에서 나왔습니다(‘{as}’): {because}.",
        "‘{journey}’ 여정에서 나왔습니다: {because}.",
    ),
    Verdict.FINISHED: ("‘{journey}’ 여정을 끝까지 마쳤습니다.",),
    Verdict.CONVERTED: (
        "‘{journey}’ 여정의 목표를 이루었습니다(가치 {value}).",
        "‘{journey}’ 여정의 목표를 이루었습니다.",
    ),
    Verdict.MERGED: ("‘{journey}’ 여정에서 {because}.", "같은 사람으로 밝혀진 두 프로필을 하나로 합쳤습니다."),
    Verdict.LOOP: ("‘{journey}’ 여정을 멈추었습니다: {because}.", "멈추었습니다: {because}."),
    Verdict.HELD: (
        "‘{step}’ 단계의 {channel} 채널 발송을 {until}까지 미룹니다: {because}.",
        "‘{step}’ 단계의 메시지를 {until}까지 미룹니다: {because}.",
        "‘{step}’ 단계의 메시지를 미룹니다: {because}.",
    ),
    Verdict.DROPPED: (
        "‘{step}’ 단계의 메시지를 어느 채널로도 보내지 않았습니다: {each}.",
        "‘{step}’ 단계의 메시지를 {channel} 채널로 보내지 않았습니다: {because}.",
        "‘{step}’ 단계의 메시지를 보내지 않았습니다: {because}.",
    ),
    Verdict.SKIPPED: ("‘{step}’ 단계에서 {channel} 채널을 건너뛰었습니다: {because}.",),
    Verdict.SENT: (
        "‘{step}’ 단계의 메시지를 {channel} 채널로 보냈습니다(게이트웨이 {gateway}).",
        "‘{step}’ 단계의 메시지를 {channel} 채널로 보냈습니다.",
    ),
    Verdict.RETRIED: (
        "‘{step}’ 단계의 메시지를 {at}에 {channel} 채널로 다시 보내 봅니다: {because}.",
        "‘{step}’ 단계의 메시지를 {channel} 채널로 다시 보내 봅니다: {because}.",
    ),
    Verdict.FAILED: (
        "‘{step}’ 단계의 메시지를 {channel} 채널로 보내지 못했습니다: {because}.",
        "‘{step}’ 단계의 메시지를 보내지 못했습니다: {because}.",
        "‘{event}’ 이벤트를 처리하지 못해 따로 두었습니다: {because}.",
        "처리하지 못해 따로 두었습니다: {because}.",
    ),
    Verdict.UNKNOWN: (
        "‘{step}’ 단계의 메시지를 {channel} 채널로 보냈는지 알 수 없습니다: {because}.",
        "‘{step}’ 단계의 메시지는 보냈는지 알 수 없습니다: {because}.",
    ),
    Verdict.RECEIVED: (
        "‘{step}’ 단계의 {channel} 채널 메시지: {kind}.",
        "‘{step}’ 단계의 메시지: {kind}.",
    ),
    Verdict.CONSENT: ("{channels} 수신 동의가 바뀌었습니다: {because}.", "수신 동의가 바뀌었습니다: {because}."),
}

CLAUSES: Mapping[Reason, tuple[str, ...]] = {
    Reason.MATCHED: ("조건에 맞았습니다",),
    Reason.DUE: ("정한 때가 되었습니다",),
    Reason.ELSE: ("맞는 다른 길이 없었습니다",),
    Reason.WHERE_NOT_MET: ("조건 {where} 에 맞지 않았습니다", "조건에 맞지 않았습니다"),
    Reason.UNKNOWN_VALUE: (
        "조건 {where} 에 필요한 {detail} 값을 알 수 없습니다",
        "조건에 필요한 {detail} 값을 알 수 없습니다",
        "조건에 필요한 값을 알 수 없습니다",
    ),
    Reason.NO_KEY: ("이벤트에 구분 값 {key} 이(가) 없습니다", "이벤트에 구분 값이 없습니다"),
    Reason.ALREADY_INSIDE: ("이미 여정 안에 있어 최신 이벤트로 반영했습니다",),
    Reason.ENTERED_BEFORE: ("{at}에 들어온 적이 있어 아직 다시 들어올 수 없습니다", "이미 들어온 적이 있습니다"),
    Reason.TOO_MANY: ("이미 다른 구분 값으로 {at_most}번 들어와 있습니다", "이미 너무 여러 번 들어와 있습니다"),
    Reason.TOO_LATE: ("{at}에 일어난 일을 너무 늦게 전해 받았습니다", "너무 늦게 전해 받았습니다"),
    Reason.ALREADY_OVER: ("여정을 끝내는 일({by})이 이미 일어났습니다", "여정을 끝내는 일이 이미 일어났습니다"),
    Reason.BACKFILLED: ("과거 기록으로 들여온 이벤트라 아무것도 시작하지 않습니다",),
    Reason.DUPLICATE: ("이미 받은 이벤트와 같습니다",),
    Reason.ID_REUSED: ("같은 메시지 ID가 이미 다른 내용에 쓰였습니다",),
    Reason.PAUSED: ("여정이 일시 중지되어 있습니다",),
    Reason.EXIT_EVENT: ("여정을 끝내는 ‘{event}’ 이벤트가 일어났습니다", "여정을 끝내는 일이 일어났습니다"),
    Reason.END: ("여정이 끝났습니다",),
    Reason.MERGED_AWAY: ("합쳐진 프로필에서 같은 여정이 이어집니다",),
    Reason.ERASED: ("고객 정보가 삭제되었습니다",),
    Reason.UNPUBLISHED: ("여정 또는 이 단계가 더는 게시되어 있지 않습니다",),
    Reason.ALLOWED: ("모든 규칙이 허용합니다",),
    Reason.NO_CONSENT: ("{purpose} 수신 동의 기록이 없습니다", "수신 동의 기록이 없습니다"),
    Reason.WITHDRAWN: ("{at}에 수신 동의를 철회했습니다", "수신 동의를 철회했습니다"),
    Reason.NO_NIGHT_CONSENT: (
        "야간({between})이고 야간 수신 동의가 없습니다",
        "야간이고 야간 수신 동의가 없습니다",
    ),
    Reason.SUPPRESSED: ("발송이 막힌 주소입니다({kind})", "발송이 막힌 주소입니다"),
    Reason.HOLDOUT: ("대조군이라 아무것도 보내지 않습니다",),
    Reason.CAPPED: (
        "발송 한도 ‘{rule}’({at_most}건)를 이미 {used}건 썼습니다",
        "발송 한도 ‘{rule}’({at_most}건)에 이르렀습니다",
        "발송 한도에 이르렀습니다",
    ),
    Reason.QUIET_HOURS: ("발송 제한 시간({between})입니다", "{condition} 동안 미룹니다", "발송 제한 시간입니다"),
    Reason.EXPIRED: ("{at}까지만 의미 있는 메시지라 이미 늦었습니다", "이미 늦은 메시지입니다"),
    Reason.KILL_SWITCH: ("운영자가 발송을 멈추었습니다({switch})", "운영자가 발송을 멈추었습니다"),
    Reason.NO_ADDRESS: ("{channel} 채널로 보낼 주소를 모릅니다", "보낼 주소를 아직 모릅니다"),
    Reason.BAD_ADDRESS: ("메시지를 보낼 수 있는 주소가 아닙니다",),
    Reason.UNVERIFIED_ADDRESS: ("브라우저가 알려 준 주소라 확인되지 않았습니다",),
    Reason.NO_CONTENT: ("템플릿 ‘{template}’에 이 채널의 내용이 없습니다", "템플릿에 이 채널의 내용이 없습니다"),
    Reason.NO_GATEWAY: ("이 채널에 설정된 게이트웨이가 없습니다",),
    Reason.UNKNOWN_TEMPLATE: ("템플릿 ‘{template}’이(가) 없습니다", "템플릿이 없습니다"),
    Reason.TEMPLATE_ERROR: ("템플릿을 채우지 못했습니다: {error}", "템플릿을 채우지 못했습니다"),
    Reason.MISSING_VALUE: (
        "템플릿에 필요한 {detail} 값이 없고 기본값도 없습니다",
        "템플릿에 필요한 값이 없고 기본값도 없습니다",
    ),
    Reason.POOL_EMPTY: ("‘{pool}’ 쿠폰이 모두 소진되었습니다", "쿠폰이 모두 소진되었습니다"),
    Reason.FACTS_AWAITED: ("고객 정보가 아직 도착하지 않았습니다",),
    Reason.CANCELLED: ("여정에서 나와 더는 필요 없는 메시지입니다", "더는 필요 없는 메시지입니다"),
    Reason.OUTRANKED: ("우선순위가 더 높은 메시지가 먼저입니다",),
    Reason.RULES_UNREADABLE: ("규칙을 읽을 수 없어 보내지 않습니다",),
    Reason.ACCEPTED: ("게이트웨이가 받았습니다",),
    Reason.REJECTED_PERMANENTLY: ("게이트웨이가 거절했습니다: {said}", "게이트웨이가 거절했습니다"),
    Reason.TEMPORARY_FAILURE: ("게이트웨이가 지금은 받지 못합니다: {said}", "게이트웨이가 지금은 받지 못합니다"),
    Reason.GATEWAY_DOWN: ("게이트웨이에 장애가 있어 잠시 쉬고 있습니다",),
    Reason.CREDENTIALS: ("게이트웨이가 인증 정보를 거절했습니다",),
    Reason.GAVE_UP: ("모든 시도가 실패했습니다",),
    Reason.AMBIGUOUS: ("게이트웨이가 받았는지 답을 듣지 못했습니다",),
    Reason.INVALID: ("{known_code}", "{message} ({hint})", "{message}", "{detail}", "올바르지 않습니다"),
    Reason.RAISED: ("처리하다 오류가 났습니다: {error}", "처리하다 오류가 났습니다"),
    Reason.LOOPED: ("스스로 낸 이벤트로 너무 여러 번 되돌아왔습니다",),
}

# What a way of a fork or a wait says, by its first word; {what} is the rest of it.
WAYS = {
    "event": "‘{what}’ 이벤트가 일어남",
    "opened": "‘{what}’ 단계의 메시지를 열어 봄",
    "clicked": "‘{what}’ 단계의 메시지를 눌러 봄",
    "delivered": "‘{what}’ 단계의 메시지가 도착함",
    "when": "조건 {what} 에 맞음",
    "after": "{what}이 지남",
    "until": "{what} 시각이 됨",
    "sent": "메시지를 보냄",
    "holdout": "대조군이라 메시지를 보내지 않음",
    "dropped": "메시지를 보내지 않음",
    "failed": "메시지를 보내지 못함",
    "expired": "메시지를 보낼 때가 지남",
    "unknown": "메시지를 보냈는지 알 수 없음",
    "otherwise": "메시지를 보내지 않아 그때를 위한 단계로 감",
    "no fate heard": "메시지 소식을 듣지 못함",
    "else": "맞는 다른 길이 없음",
    "none": "맞는 길이 없음",
}
CONDITION = "조건 {what} 에 맞음"
UNITS = {"d": "{n}일", "h": "{n}시간", "m": "{n}분", "s": "{n}초"}
ONE: Mapping[str, str] = {}
PURPOSES = {"marketing": "마케팅(광고)"}
CODES: Mapping[str, str] = {
    "no_person": "누구의 일인지 알 수 없습니다(userId도 anonymousId도 없음)",
    "no_event_name": "이벤트 이름이 없습니다",
    "unknown_type": "모르는 종류(type)의 항목입니다",
    "no_previous_id": "alias에 previousId가 없습니다",
    "no_id": "사람을 가리키는 ID가 아닙니다",
    "reserved_name": "브라우저가 쓸 수 없는 이벤트 이름입니다",
    "bad_time": "시각을 읽을 수 없습니다",
    "wrong_type": "값의 종류가 맞지 않습니다",
    "too_long": "ID나 이름이 너무 깁니다",
    "too_deep": "너무 깊이 중첩되어 있습니다",
    "event_too_large": "이벤트가 너무 큽니다",
    "bad_json": "JSON이 아닙니다",
    "not_utf8": "UTF-8이 아닙니다",
    "nul_character": "NUL 문자가 들어 있습니다",
    "lone_surrogate": "잘린 글자가 들어 있습니다",
    "not_a_number": "숫자가 아닌 값(NaN 등)이 들어 있습니다",
    "number_out_of_range": "숫자가 너무 큽니다",
    "bad_csv": "CSV 행을 읽을 수 없습니다",
    "missing_attribute": "CloudEvent에 필요한 속성이 없습니다",
    "unknown_version": "CloudEvents 1.0이 아닙니다",
}
KINDS = {
    "delivered": "도착했습니다",
    "opened": "열어 보았습니다",
    "clicked": "눌러 보았습니다",
    "bounced": "반송되었습니다",
    "complained": "스팸으로 신고했습니다",
}
NOBODY = "{person} 님에 대한 기록이 없습니다. 이벤트를 userId나 anonymousId와 함께 보냈는지 확인해 주세요."
NOTHING = "{person} 님의 이벤트는 있지만 그 이벤트로 시작하는 여정이 없습니다: {events}."
NOT_CONSIDERED = (
    "‘{journey}’ 여정은 ‘{event}’ 이벤트로 시작하는데, {person} 님의 그 이벤트를 받은 적이 없어 살펴볼 일이 없었습니다."
)
SILENT = "‘{journey}’ 여정은 아직 {person} 님에 대해 정한 것이 없습니다."
