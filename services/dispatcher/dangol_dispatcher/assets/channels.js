// How a message looks on its channel. Everything said by others goes in as text, never as markup.
import { clockTime, day, say } from "./words.js";

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null && value !== false) node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

// Only the web, mail and telephone: a link of another kind is shown, not followed.
const followed = /^(https?:\/\/|mailto:|tel:)/i;

function linked(text) {
  const line = el("span", { class: "say" });
  for (const piece of String(text ?? "").split(/(https?:\/\/[^\s<>"')]+)/)) {
    line.append(followed.test(piece) ? el("a", { href: piece, target: "_blank", rel: "noopener noreferrer" }, piece) : piece);
  }
  return line;
}

function button(one) {
  const name = String(one?.name ?? one?.title ?? "");
  const link = one?.link ?? one?.url_mobile ?? one?.url ?? "";
  if (followed.test(link)) return el("a", { class: "kakao-button", href: link, target: "_blank", rel: "noopener noreferrer" }, name);
  return el("span", { class: "kakao-button", title: String(link) }, name);
}

function phone(kind, at, ...inside) {
  const bar = el("div", { class: "bar", "aria-hidden": "true" }, el("span", {}, clockTime(at)), el("span", { class: "cut" }), el("span", { class: "bars" }));
  return el("div", { class: `phone ${kind}` }, bar, el("div", { class: "screen" }, ...inside), el("div", { class: "home", "aria-hidden": "true" }));
}

function sms(letter, brand) {
  const subject = letter.parts.subject ? el("strong", {}, letter.parts.subject) : null;
  return phone("texting", letter.at,
    el("div", { class: "who" }, el("span", { class: "face", "aria-hidden": "true" }, brand.slice(0, 1)), el("b", {}, brand)),
    el("div", { class: "day" }, `${day(letter.at)} ${clockTime(letter.at)}`),
    el("div", { class: "bubble" }, subject, linked(letter.parts.text)),
    el("div", { class: "under" }, `${letter.channel === "lms" ? "LMS" : "SMS"} · ${say("delivered")}`));
}

function push(letter, brand) {
  const { title, body, link, image } = letter.parts;
  return phone("locked", letter.at,
    el("div", { class: "big" }, el("span", {}, day(letter.at)), el("b", {}, clockTime(letter.at))),
    el("div", { class: "note" },
      el("span", { class: "app", "aria-hidden": "true" }, brand.slice(0, 1)),
      el("div", {}, el("div", { class: "note-top" }, el("b", {}, title || brand), el("span", {}, clockTime(letter.at))), linked(body),
        image ? el("div", { class: "pictured" }, String(image)) : null)),
    link ? el("p", { class: "leads" }, `${say("link")} `, linked(link)) : null);
}

function kakao(letter, brand) {
  const alim = letter.channel === "alimtalk";
  const head = alim ? el("div", { class: "talk-head" }, say("arrived")) : null;
  const image = letter.parts.image ? el("div", { class: "pictured" }, String(letter.parts.image)) : null;
  const buttons = (Array.isArray(letter.parts.buttons) ? letter.parts.buttons : []).map(button);
  return phone("kakao", letter.at,
    el("div", { class: "room" }, el("b", {}, brand)),
    el("div", { class: "day" }, day(letter.at)),
    el("div", { class: "talk-row" },
      el("span", { class: "face", "aria-hidden": "true" }, brand.slice(0, 1)),
      el("div", {}, el("div", { class: "talk-name" }, brand),
        el("div", { class: "talk-line" },
          el("div", { class: `talk ${alim ? "alim" : "brand"}` }, head, image, el("div", { class: "talk-text" }, linked(letter.parts.text)), ...buttons),
          el("span", { class: "talk-time" }, clockTime(letter.at))))));
}

function inApp(letter, brand) {
  const { title, body, link } = letter.parts;
  return phone("app-open", letter.at, el("div", { class: "card" }, el("span", { class: "app", "aria-hidden": "true" }, brand.slice(0, 1)),
    el("h3", {}, title || brand), linked(body), link ? el("p", { class: "leads" }, linked(link)) : null));
}

function chat(letter, brand) {
  return el("div", { class: "chat" }, el("div", { class: "chat-room" }, letter.to || `#${letter.channel}`),
    el("div", { class: "chat-line" }, el("span", { class: "face square", "aria-hidden": "true" }, brand.slice(0, 1)),
      el("div", {}, el("b", {}, brand), " ", el("span", { class: "quiet" }, clockTime(letter.at)), el("div", {}, linked(letter.parts.text)))));
}

function webhook(letter) {
  let body = letter.parts.body ?? JSON.stringify(letter.parts);
  try { body = JSON.stringify(JSON.parse(body), null, 2); } catch { /* shown as it is */ }
  return el("div", { class: "request" }, el("div", { class: "request-line" }, el("b", {}, "POST"), " ", letter.to || letter.gateway), el("pre", { tabindex: "0" }, body));
}

function mail(letter) {
  const { parts } = letter;
  const panes = [];
  if (letter.html_url) {
    // An empty sandbox but for links opening elsewhere; the server sends the same again as a header.
    panes.push([say("mail"), () => el("iframe", { class: "sheet", title: say("html_frame"), sandbox: "allow-popups allow-popups-to-escape-sandbox", referrerpolicy: "no-referrer", src: `/inbox/${letter.html_url}` })]);
  }
  panes.push([say("text"), () => el("div", { class: "sheet plain" }, linked(parts.text))]);
  panes.push([say("headers"), () => el("dl", { class: "sheet headers" }, ...letter.headers.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]))]);
  panes.push([say("source"), () => el("pre", { class: "sheet", tabindex: "0" }, letter.raw)]);
  const refuse = parts.headers?.["List-Unsubscribe"];
  return el("article", { class: "mail" },
    el("header", {}, el("h3", {}, parts.subject),
      el("div", { class: "mail-from" }, el("span", { class: "face", "aria-hidden": "true" }, (parts.from || "?").slice(0, 1)),
        el("div", {}, el("b", {}, parts.from), el("div", { class: "quiet" }, `${say("to")} ${parts.to}`)), el("time", { class: "quiet" }, clockTime(letter.at))),
      refuse ? el("p", { class: "refuse" }, `${say("unsubscribe")}: `, linked(refuse.replace(/^<|>$/g, ""))) : null),
    tabs(panes));
}

function tabs(panes) {
  const pane = el("div", { class: "pane", role: "tabpanel", id: "pane" });
  const list = el("div", { class: "tabs", role: "tablist" });
  const show = (chosen) => {
    [...list.children].forEach((tab, index) => { tab.setAttribute("aria-selected", index === chosen); tab.tabIndex = index === chosen ? 0 : -1; });
    pane.replaceChildren(panes[chosen][1]());
  };
  panes.forEach(([name], index) => list.append(el("button", { type: "button", role: "tab", "aria-controls": "pane", onclick: () => show(index) }, name)));
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = ([...list.children].indexOf(document.activeElement) + step + panes.length) % panes.length;
    list.children[next].focus();
    show(next);
  });
  show(0);
  return el("div", {}, list, pane);
}

const LOOKS = { email: mail, sms, lms: sms, push, web_push: push, alimtalk: kakao, brand_message: kakao, in_app: inApp, slack: chat, teams: chat, webhook };

// The look of a letter; `brand` is who speaks.
export const look = (letter, brand) => (LOOKS[letter.channel] ?? webhook)(letter, brand);
