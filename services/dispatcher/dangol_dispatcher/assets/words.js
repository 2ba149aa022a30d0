// The page's words, in Korean and in English.
const WORDS = {
  ko: {
    other: "English", title: "받은편지함", skip: "메시지로 건너뛰기", letters: "메시지", find: "사람, 주소, 내용 찾기", channel: "채널",
    all: "모든 채널", everyone: "모두", more: "더 보기", clock: "지금", next: "다음 순간으로", day: "+24시간", key: "비밀 키", open: "열기",
    wrong: "열쇠가 맞지 않습니다.", moving: "시계를 옮기는 중…", moved: "개의 순간이 지났습니다", nothing: "더 올 일이 없습니다.", fresh: "새 메시지",
    pick: "왼쪽에서 메시지를 고르면 받는 사람이 보는 모습 그대로 보입니다.", empty: "아직 보낸 메시지가 없습니다",
    teach: "터미널에서 이벤트를 하나 보내 보세요. 잠시 뒤 여기에 메시지가 나타납니다.", or: "또는 HTTP로 (쓰기 키는 dangol up 이 알려 줍니다)",
    copy: "복사", copied: "복사했습니다", none: "찾는 메시지가 없습니다.", back: "목록", why: "왜 받았나요?", why_other: "터미널에서도 물어볼 수 있습니다",
    to: "받는 사람", from: "보낸 사람", journey: "여정", step: "단계", template: "템플릿", gateway: "게이트웨이", at: "보낸 시각", category: "분류",
    marketing: "광고", transactional: "안내", mail: "메일", text: "텍스트", headers: "헤더", source: "원문", images: "", unsubscribe: "수신거부 헤더",
    gone: "서버에 닿지 않습니다. 다시 시도하는 중…", today: "오늘", message_from: "보낸 곳", arrived: "알림톡 도착", brand: "브랜드 메시지", delivered: "전달됨",
    link: "누르면 열리는 곳", html_frame: "받은 메일", nobody: "이름 없음",
    channels: {
      email: "이메일", sms: "문자", lms: "장문 문자", push: "앱 푸시", web_push: "웹 푸시", alimtalk: "알림톡", brand_message: "브랜드 메시지",
      in_app: "인앱", slack: "Slack", teams: "Teams", webhook: "웹훅",
    },
  },
  en: {
    other: "한국어", title: "Inbox", skip: "Skip to the message", letters: "Messages", find: "Find a person, address or words", channel: "Channel",
    all: "All channels", everyone: "Everyone", more: "More", clock: "Now", next: "To the next moment", day: "+24 h", key: "Secret key", open: "Open",
    wrong: "That key does not open it.", moving: "Moving the clock…", moved: "due moments done", nothing: "Nothing more is due.", fresh: "New message",
    pick: "Pick a message to see it as the person does.", empty: "Nothing was sent yet",
    teach: "Post an event from a terminal. A moment later the message is here.", or: "or over HTTP (dangol up prints the write key)",
    copy: "Copy", copied: "Copied", none: "No message matches.", back: "List", why: "Why was this sent?", why_other: "Ask in a terminal too",
    to: "To", from: "From", journey: "Journey", step: "Step", template: "Template", gateway: "Gateway", at: "Sent", category: "Category",
    marketing: "marketing", transactional: "transactional", mail: "Mail", text: "Text", headers: "Headers", source: "Source", unsubscribe: "Unsubscribe header",
    gone: "The server does not answer. Trying again…", today: "Today", message_from: "From", arrived: "AlimTalk", brand: "Brand message", delivered: "Delivered",
    link: "Opens", html_frame: "The mail", nobody: "no name",
    channels: {
      email: "Email", sms: "SMS", lms: "LMS", push: "Push", web_push: "Web push", alimtalk: "AlimTalk", brand_message: "Brand message",
      in_app: "In-app", slack: "Slack", teams: "Teams", webhook: "Webhook",
    },
  },
};

const KEY = "dangol-inbox-language";
let language = remembered() || (navigator.language.startsWith("ko") ? "ko" : "en");

function remembered() {
  try { return localStorage.getItem(KEY); } catch { return null; }
}

export const current = () => language;
export const say = (name) => WORDS[language][name] ?? name;
export const channelName = (name) => WORDS[language].channels[name] ?? name;
export const channelNames = () => Object.keys(WORDS.en.channels);

export function turn() {
  language = language === "ko" ? "en" : "ko";
  try { localStorage.setItem(KEY, language); } catch { /* private browsing: for this page only */ }
}

export function translate(root) {
  document.documentElement.lang = language;
  for (const node of root.querySelectorAll("[data-say]")) node.textContent = say(node.dataset.say);
}

const stamp = (options) => new Intl.DateTimeFormat(language === "ko" ? "ko-KR" : "en-GB", options);
export const clockTime = (at) => stamp({ hour: "2-digit", minute: "2-digit", hour12: false }).format(new Date(at));
export const day = (at) => stamp({ month: "long", day: "numeric", weekday: "long" }).format(new Date(at));
export const moment = (at) => stamp({ year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false }).format(new Date(at));
// What the clock shows: short enough for a telephone.
export const shortMoment = (at) => stamp({ month: "short", day: "numeric", weekday: "short", hour: "2-digit", minute: "2-digit", hour12: false }).format(new Date(at));
export function listTime(at, now) {
  const near = Math.abs(new Date(now) - new Date(at)) < 20 * 3600 * 1000;
  return near ? clockTime(at) : stamp({ month: "short", day: "numeric" }).format(new Date(at));
}
