// The live list: a snapshot, then one event at a time. The browser reconnects by itself and says what it saw last.

const FINISHED = ["cleared", "withdrawn"];
const STATES = { provisional: "provisional, its window is still open", open: "open", no_data: "no data" };
const DAY = 86400;
const SPANS = [[365 * DAY, "year"], [7 * DAY, "week"], [DAY, "day"], [3600, "hour"], [60, "minute"]];
const SHOWN_MAX = 500;
const PAST_MAX = 10;

const at = (id) => document.getElementById(id);
const alerts = new Map(); // id -> summary
const cards = new Map(); // id -> element
let leftOff = 0;
let later = 0; // timer of the next look at what has cleared

function span(seconds) {
  const [unit, word] = SPANS.find(([s]) => seconds >= 1.5 * s) ?? [60, "minute"];
  const count = Math.max(1, Math.round(seconds / unit));
  return count === 1 ? `1 ${word}` : `${count} ${word}s`;
}

function chance(seconds) {
  return seconds >= 1000 * 365 * DAY ? "by chance less than once in 1000 years" : `by chance once in ${span(seconds)}`;
}

function number(value) {
  return Math.abs(value) >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toPrecision(2);
}

function clock(seconds) {
  return new Date(seconds * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function evidence(lead) {
  if (!lead) return [];
  const seen = lead.observed === null ? lead.observed_text : number(lead.observed);
  if (lead.expected === null) return [[`Seen in ${span(lead.duration_s)}`, seen]];
  const usual = `${number(lead.expected)} (${number(lead.lower)} to ${number(lead.upper)})`;
  return [[`Seen in ${span(lead.duration_s)}`, seen], ["Expected", usual]];
}

function card(alert) {
  const item = make("li", "alert");
  item.dataset.band = alert.band;
  const top = make("div", "top");
  const titles = alert.signal_titles;
  const more = titles.length > 3 ? ` and ${titles.length - 3} more` : "";
  top.append(make("span", "band", `${alert.band} ${Math.round(alert.risk)}`), make("h2", "", titles.slice(0, 3).join(", ") + more));
  const facts = make("ul", "facts");
  const age = make("li");
  age.dataset.onset = alert.onset_s;
  const words = [!alert.why.includes("by chance") && chance(alert.recurrence_s), STATES[alert.state] ?? alert.state, alert.owner && `with ${alert.owner}`];
  facts.append(age, ...words.filter(Boolean).map((text) => make("li", "", text)));
  const details = make("details");
  const list = make("dl");
  const rows = [
    ...evidence(alert.lead),
    ["Began", clock(alert.onset_s)],
    ["Last change", `${clock(alert.updated_s)}: ${alert.reason.replaceAll("_", " ")}`],
    ["Clears", alert.clears],
    ["Series", String(alert.members)],
    ["Number", alert.id],
  ];
  for (const [term, text] of rows) if (text) list.append(make("dt", "", term), make("dd", "", text));
  details.append(make("summary", "", "More"), list);
  item.append(top, make("p", "path", alert.area_path.join(" › ")), make("p", "why", alert.why), facts, details);
  return item;
}

function ages() {
  const now = Date.now() / 1000;
  for (const age of document.querySelectorAll("[data-onset]")) {
    const seconds = now - Number(age.dataset.onset);
    // a demo plays the past: an age by today's clock would say nothing
    age.textContent = seconds > 28 * DAY ? `since ${clock(Number(age.dataset.onset))}` : seconds < 60 ? "just begun" : `for ${span(seconds)}`;
  }
}

function put(alert) {
  const known = alerts.get(alert.id);
  if (known && (known.seq > alert.seq || (known.seq === alert.seq && known.updated_s > alert.updated_s))) return;
  if (FINISHED.includes(alert.state)) return drop(alert.id);
  alerts.set(alert.id, alert);
  const old = cards.get(alert.id);
  const fresh = card(alert);
  if (old) {
    fresh.querySelector("details").open = old.querySelector("details").open;
    const focused = old.contains(document.activeElement);
    old.replaceWith(fresh);
    if (focused) fresh.querySelector("summary").focus({ preventScroll: true });
  }
  cards.set(alert.id, fresh);
}

function drop(id) {
  alerts.delete(id);
  cards.get(id)?.remove();
  cards.delete(id);
}

function show() {
  const list = at("alerts");
  const order = [...alerts.values()].sort((a, b) => b.risk - a.risk || b.recurrence_s - a.recurrence_s || (a.id < b.id ? 1 : -1));
  const focused = document.activeElement;
  order.slice(0, SHOWN_MAX).forEach((alert, place) => {
    const element = cards.get(alert.id);
    if (list.children[place] !== element) list.insertBefore(element, list.children[place] ?? null);
  });
  order.slice(SHOWN_MAX).forEach((alert) => cards.get(alert.id).remove());
  if (focused !== document.activeElement && focused?.isConnected) focused.focus({ preventScroll: true });
  const hidden = leftOff + Math.max(0, order.length - SHOWN_MAX);
  at("count").textContent = `(${order.length + leftOff})`;
  at("note").hidden = hidden === 0;
  at("note").textContent = hidden ? `${hidden} alerts of lower risk are not in this list.` : "";
  at("empty").hidden = order.length > 0;
  at("empty").textContent = "No open alerts.";
  ages();
}

async function past() {
  const answer = await fetch(`/api/alerts?state=cleared&limit=${PAST_MAX}`).catch(() => null);
  if (!answer?.ok) return;
  const { alerts: ended } = await answer.json();
  ended.sort((a, b) => b.updated_s - a.updated_s);
  at("past").replaceChildren(...ended.map(card));
  at("ended").hidden = ended.length === 0;
  ages();
}

function connection(state, text) {
  const place = at("connection");
  if (place.dataset.state === state && place.textContent === text) return;
  place.dataset.state = state;
  place.textContent = text;
}

function snapshot(event) {
  const data = JSON.parse(event.data);
  const ids = new Set(data.alerts.map((alert) => alert.id));
  for (const id of [...alerts.keys()]) if (!ids.has(id)) drop(id);
  leftOff = data.left_off;
  data.alerts.forEach(put);
  show();
  past();
}

function transition(event) {
  const { transition: step, alert } = JSON.parse(event.data);
  if (!alert) return; // history: the list that follows is newer
  put(alert);
  show();
  if (FINISHED.includes(alert.state)) {
    clearTimeout(later);
    later = setTimeout(past, 1000);
  }
  if (step.notify) at("news").textContent = `${step.band}: ${step.signal_titles.join(", ")}, ${step.area_path.at(-1)}. ${step.reason.replaceAll("_", " ")}.`;
}

function update(event) {
  put(JSON.parse(event.data).alert);
  show();
}

function connect() {
  const source = new EventSource("/api/stream");
  source.addEventListener("open", () => connection("open", "live"));
  source.addEventListener("snapshot", snapshot);
  source.addEventListener("transition", transition);
  source.addEventListener("update", update);
  source.addEventListener("error", () => {
    connection("lost", "not connected: this list may be old; trying again …");
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 5000);
  });
}

connect();
setInterval(ages, 30000);
