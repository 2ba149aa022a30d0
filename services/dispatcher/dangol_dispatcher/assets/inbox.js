// The inbox page: the list of what was sent, one message as its channel shows it, the clock, and why.
import { el, look } from "./channels.js";
import { channelName, channelNames, current, listTime, moment, say, shortMoment, translate, turn } from "./words.js";

const byId = (id) => document.getElementById(id);
const state = { letters: [], people: [], newest: 0, tag: "", chosen: null, letter: null, person: "", key: "", known: null };
const OWN = { "X-Dangol-Page": "inbox" }; // no other site's page can send it

function kept() { try { return sessionStorage.getItem("dangol-key") ?? ""; } catch { return ""; } }

async function ask(path, options = {}) {
  const headers = { ...OWN, ...(state.key ? { Authorization: `Bearer ${state.key}` } : {}), ...options.headers };
  return fetch(path, { ...options, headers, cache: "no-store", credentials: "same-origin" });
}

function wanted(before) {
  const query = new URLSearchParams({ q: byId("find").value.trim(), channel: byId("channel").value, profile: state.person });
  if (before) query.set("before", before);
  return `/inbox/messages.json?${query}`;
}

async function refresh() {
  const answer = await ask(wanted(), { headers: state.tag ? { "If-None-Match": state.tag } : {} });
  if (answer.status === 304) return;
  if (answer.status === 401 || answer.status === 403) { askKey(); return; }
  if (!answer.ok) throw new Error(answer.status);
  byId("key").hidden = true;
  byId("board").hidden = false;
  const found = await answer.json();
  const fresh = state.known !== null && found.newest > state.known;
  Object.assign(state, { letters: found.messages, people: found.people, known: found.newest, tag: answer.headers.get("ETag") ?? "" });
  if (fresh) announce(say("fresh"));
  draw(fresh);
  if (fresh) void tick();
}

async function more() {
  const answer = await ask(wanted(state.letters.at(-1).id));
  const found = (await answer.json()).messages;
  state.letters.push(...found);
  draw(false);
  byId("more").hidden = found.length < 50;
}

function askKey() {
  const form = byId("key");
  if (state.key) announce(say("wrong"));
  state.key = "";
  form.hidden = false;
  byId("board").hidden = true;
}

function draw(fresh) {
  drawPeople();
  const now = state.letters[0]?.at ?? Date.now();
  byId("list").replaceChildren(...state.letters.map((one, index) => row(one, now, fresh && index === 0)));
  byId("more").hidden = state.letters.length < 50;
  if (!state.letters.length) drawEmpty();
  else if (!state.letter) byId("reading").replaceChildren(el("p", { class: "pick" }, say("pick")));
}

function row(one, now, fresh) {
  const open = el("button", { type: "button", class: "row", "aria-current": one.id === state.chosen ? "true" : false, onclick: () => choose(one.id) },
    el("span", { class: `icon ${one.channel}`, "aria-hidden": "true" }),
    el("span", { class: "row-text" },
      el("span", { class: "row-top" }, el("b", {}, one.name || one.person || one.to || say("nobody")), el("time", { datetime: one.at }, listTime(one.at, now))),
      el("span", { class: "row-title" }, one.title || one.preview),
      el("span", { class: "row-under" }, channelName(one.channel), one.journey ? ` · ${one.journey}` : "", one.title && one.preview ? ` · ${one.preview}` : "")));
  return el("li", { class: fresh ? "fresh" : "" }, open);
}

function drawPeople() {
  const chip = (profile, label, count) => el("button", { type: "button", "aria-pressed": String(state.person === profile), onclick: () => { state.person = profile; reset(); } },
    label, count ? el("span", { class: "count" }, String(count)) : null);
  const people = state.people.length > 1 || state.person ? state.people.slice(0, 12) : [];
  byId("people").replaceChildren(...(people.length ? [chip("", say("everyone"))] : []),
    ...people.map((one) => chip(one.profile, one.name || one.person || say("nobody"), one.letters)));
}

function drawEmpty() {
  if (state.known) { byId("reading").replaceChildren(el("p", { class: "pick" }, say("none"))); return; }
  const cli = `dangol track minji "Signed Up" name=민지 email=minji@example.test --consent email`;
  const body = JSON.stringify({ userId: "minji", event: "Signed Up", context: { traits: { name: "민지", email: "minji@example.test", marketing_agreed: true } } });
  const curl = `curl -u "$DANGOL_WRITE_KEY:" ${location.origin}/v1/track -H 'Content-Type: application/json' -d '${body}'`;
  byId("reading").replaceChildren(el("div", { class: "empty" }, el("div", { class: "envelope", "aria-hidden": "true" }),
    el("h2", {}, say("empty")), el("p", {}, say("teach")), command(cli), el("p", { class: "quiet" }, say("or")), command(curl)));
}

function command(text) {
  const copy = el("button", { type: "button", onclick: async () => { await navigator.clipboard?.writeText(text); announce(say("copied")); } }, say("copy"));
  return el("div", { class: "command" }, el("code", { tabindex: "0" }, text), copy);
}

async function choose(id) {
  state.chosen = id;
  const answer = await ask(`/inbox/messages/${id}.json`);
  if (!answer.ok) return;
  state.letter = await answer.json();
  history.replaceState(null, "", `#${id}`);
  draw(false);
  read();
  document.body.classList.add("open");
  byId("reading").focus({ preventScroll: true });
}

function brandOf(letter) {
  const from = /^"?([^"<]+?)"?\s*</.exec(letter.parts.from ?? "")?.[1];
  return letter.sender || from || "단골";
}

function read() {
  const letter = state.letter;
  const fact = (name, value) => (value ? [el("dt", {}, say(name)), el("dd", {}, value)] : []);
  const facts = el("dl", { class: "facts" }, ...fact("to", [letter.name, letter.person, letter.to].filter(Boolean).filter((one, at, all) => all.indexOf(one) === at).join(" · ")),
    ...fact("journey", letter.journey), ...fact("step", letter.step), ...fact("template", letter.template), ...fact("category", letter.category && say(letter.category)),
    ...fact("gateway", letter.gateway), ...fact("at", moment(letter.at)));
  const told = el("div", { id: "why" });
  const why = letter.person && letter.journey ? el("a", { class: "ask", href: whyUrl(letter), onclick: (event) => { event.preventDefault(); void explain(letter, told); } }, say("why")) : null;
  byId("reading").replaceChildren(
    el("button", { type: "button", class: "back", onclick: () => { document.body.classList.remove("open"); byId("list").querySelector("[aria-current]")?.focus(); } }, `‹ ${say("back")}`),
    el("div", { class: "letter" }, el("div", { class: "stage" }, look(letter, brandOf(letter))),
      el("aside", { class: "about" }, el("h3", {}, el("span", { class: `icon ${letter.channel}`, "aria-hidden": "true" }), channelName(letter.channel)), facts, why, told)));
}

const whyUrl = (letter) => `/api/why?${new URLSearchParams({ user_id: letter.person, journey: letter.journey, lang: current() })}`;

async function explain(letter, place) {
  const answer = await ask(whyUrl(letter)).catch(() => null);
  const said = answer?.ok ? await answer.json() : null;
  const lines = (said?.timeline ?? []).map((line) => el("li", {}, el("time", {}, moment(line.at ?? line.local_at)), line.text));
  place.replaceChildren(...(lines.length ? [el("ol", { class: "timeline" }, ...lines)] : []), said?.summary ? el("p", { class: "summary" }, said.summary) : "",
    el("p", { class: "quiet" }, say("why_other")), command(`dangol why ${letter.person} ${letter.journey}`));
}

async function tick() {
  const answer = await ask("/api/clock").catch(() => null);
  byId("clock").hidden = !answer?.ok;
  if (!answer?.ok) return false;
  const { now, next_due: due } = await answer.json();
  byId("now").textContent = shortMoment(now);
  byId("now").title = moment(now);
  byId("next").disabled = !due;
  byId("next").title = due ? moment(due) : say("nothing");
  return true;
}

async function forward(body) {
  const buttons = [byId("next"), byId("day")];
  buttons.forEach((one) => { one.disabled = true; });
  announce(say("moving"));
  const answer = await ask("/api/clock/forward", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const said = await answer.json();
  announce(answer.ok ? `${moment(said.now)} · ${said.moments} ${say("moved")}` : said.message);
  buttons.forEach((one) => { one.disabled = false; });
  await Promise.all([refresh(), tick()]);
}

let fading = 0;
function announce(text) {
  const place = byId("said");
  place.textContent = text;
  place.classList.add("shown");
  clearTimeout(fading);
  fading = setTimeout(() => place.classList.remove("shown"), 3500);
}

function reset() { state.tag = ""; void refresh(); }

function words() {
  translate(document);
  byId("tongue").textContent = say("other");
  byId("find").placeholder = say("find");
  const chosen = byId("channel").value;
  byId("channel").replaceChildren(el("option", { value: "" }, say("all")), ...channelNames().map((name) => el("option", { value: name }, channelName(name))));
  byId("channel").value = chosen;
  draw(false);
  if (state.letter) read();
}

// One quiet question a second while the page is looked at: the answer is 304 until something came.
async function watch() {
  try {
    if (!document.hidden && !byId("board").hidden) await refresh();
    document.body.classList.remove("gone");
  } catch {
    if (!document.body.classList.contains("gone")) announce(say("gone"));
    document.body.classList.add("gone");
  }
  setTimeout(watch, document.hidden ? 5000 : 1000);
}

state.key = kept();
words();
byId("tongue").addEventListener("click", () => { turn(); words(); });
byId("find").addEventListener("input", reset);
byId("channel").addEventListener("change", reset);
byId("more").addEventListener("click", more);
byId("next").addEventListener("click", () => forward({ next: true }));
byId("day").addEventListener("click", () => forward({ seconds: 86400 }));
byId("key").addEventListener("submit", (event) => {
  event.preventDefault();
  state.key = byId("key-text").value.trim();
  try { sessionStorage.setItem("dangol-key", state.key); } catch { /* for this page only */ }
  reset();
});
void watch();
void tick();
setInterval(() => { if (!document.hidden && !byId("clock").hidden) void tick(); }, 15000);
const linked = Number(location.hash.slice(1));
if (linked) void choose(linked);
