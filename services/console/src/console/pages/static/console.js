// Keeps the page live: on every change the same page is fetched and what differs is put in place, row by row, so that
// open details, the focus and what is being typed stay. Without this script a reload does the same.
"use strict";

const PAUSE = 700;
let waiting = null;
let busy = false;

function span(seconds) {
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return "0 s";
}

function tick() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    const seconds = (Date.now() - Date.parse(time.dateTime)) / 1000;
    if (Number.isNaN(seconds)) continue;
    const text = seconds >= 0 ? `${span(seconds)} ago` : `in ${span(-seconds)}`;
    if (time.textContent !== text) time.textContent = text;
  }
}

function inUse(element) {
  const active = document.activeElement;
  return element.contains(active) && active.matches("input") && active.value !== "";
}

// A clock that went on is no change of the row.
function plain(element) {
  const copy = element.cloneNode(true);
  for (const time of copy.querySelectorAll("time")) time.textContent = "";
  for (const details of copy.querySelectorAll("details[open]")) details.open = false;
  return copy.outerHTML;
}

function replaceRow(old, fresh) {
  if (plain(old) === plain(fresh) || inUse(old)) return old;
  const opened = [...old.querySelectorAll("details")].map((details) => details.open);
  [...fresh.querySelectorAll("details")].forEach((details, i) => { details.open = opened[i] ?? false; });
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const path = focused ? [...old.querySelectorAll("*")].indexOf(focused) : -1;
  old.replaceWith(fresh);
  if (path >= 0) fresh.querySelectorAll("*")[path]?.focus();
  return fresh;
}

function merge(section, fresh) {
  const parent = section.querySelector("[data-key]")?.parentElement;
  const freshParent = fresh.querySelector("[data-key]")?.parentElement;
  if (!parent || !freshParent) {
    if (section.innerHTML !== fresh.innerHTML && !inUse(section)) section.replaceWith(fresh);
    return;
  }
  const known = new Map([...parent.querySelectorAll(":scope > [data-key]")].map((row) => [row.dataset.key, row]));
  const wanted = [...freshParent.querySelectorAll(":scope > [data-key]")];
  const keys = new Set(wanted.map((row) => row.dataset.key));
  for (const [key, row] of known) if (!keys.has(key)) row.remove();
  let before = parent.querySelector(":scope > [data-key]");
  for (const row of wanted) {
    const old = known.get(row.dataset.key);
    const now = old ? replaceRow(old, document.adoptNode(row)) : document.adoptNode(row);
    if (before === old) before = now;
    if (now === before) before = now.nextElementSibling;
    else parent.insertBefore(now, before);
  }
}

async function refresh() {
  if (busy) return later();
  busy = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const section of document.querySelectorAll("[data-live]")) {
      const fresh = page.querySelector(`[data-live="${section.dataset.live}"]`);
      if (fresh) merge(section, document.adoptNode(fresh));
    }
    tick();
  } catch (error) {
    later(5000);
  } finally {
    busy = false;
  }
}

function later(pause = PAUSE) {
  waiting ??= setTimeout(() => { waiting = null; refresh(); }, pause);
}

if (document.querySelector("[data-live]")) {
  const stream = new EventSource("/api/stream");
  for (const name of ["run", "mapping", "dead-letter", "import", "reload"]) stream.addEventListener(name, () => later());
  // After a break nobody knows what was missed.
  let broken = false;
  stream.addEventListener("error", () => { broken = true; });
  stream.addEventListener("ready", () => { if (broken) later(); broken = false; });
  setInterval(tick, 1000);
  setInterval(() => later(), 15000);
}
// "Sent again" is said once, not after every reload.
if (new URLSearchParams(location.search).has("done")) {
  const url = new URL(location.href);
  url.searchParams.delete("done");
  history.replaceState(null, "", url);
}
