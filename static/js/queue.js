// The review queue: [data-queue] holds links `.item` with hx-get, hx-target="#main" and hx-push-url="true", one of
// them aria-current. J and K follow the next and the previous one; the next sheet is fetched ahead, so that it is there
// at once. A sheet fetched ahead is used within 20 seconds; what is signed is bound by its digest in any case.
// That request carries X-Prefetch, so that the server does not count it as read; showing it later sends a HEAD that it does.
import { onKey } from "./keys.js";

const FRESH = 20_000;
const ahead = new Map(); // address → { html, at }

const items = () => [...document.querySelectorAll("[data-queue] .item")];
const current = () => items().findIndex((item) => item.hasAttribute("aria-current"));
const beside = (step) => items()[current() + step];

onKey("j", "Next review", () => beside(1)?.click(), () => items().length > 0);
onKey("k", "Previous review", () => current() > 0 && beside(-1).click(), () => items().length > 0);

async function fetchAhead() {
  const next = beside(1)?.getAttribute("hx-get");
  const known = ahead.get(next);
  if (!next || (known && performance.now() - known.at < FRESH)) return;
  const answer = await fetch(next, { headers: { "HX-Request": "true", "HX-Target": "main", "X-Prefetch": "1" } });
  if (answer.ok && !answer.redirected) ahead.set(next, { html: await answer.text(), at: performance.now() });
}

function mark(item) {
  for (const other of items()) other.removeAttribute("aria-current");
  item.setAttribute("aria-current", "true");
}

function choose(item) {
  mark(item);
  item.scrollIntoView({ block: "nearest" });
}

document.addEventListener("htmx:beforeRequest", (event) => {
  const item = event.detail.elt.closest?.("[data-queue] .item");
  if (!item) return;
  choose(item);
  const address = item.getAttribute("hx-get");
  const ready = ahead.get(address);
  ahead.delete(address);
  if (!ready || performance.now() - ready.at > FRESH) return;
  event.preventDefault();
  show(address, ready.html);
});

function show(address, html) {
  const sheet = document.getElementById("main");
  window.htmx.trigger(sheet, "htmx:abort"); // of a sheet that is still on its way and is no longer wanted
  window.htmx.swap(sheet, html, { swapStyle: "innerHTML" });
  history.pushState({ htmx: true }, "", address);
  fetch(address, { method: "HEAD", headers: { "HX-Request": "true", "HX-Target": "main" } }).catch(() => {});
  settle(sheet);
}

function settle(sheet) {
  sheet.scrollTop = 0;
  const title = sheet.querySelector("h1");
  if (title) document.title = `${title.textContent.trim()} · Countersign`;
  setTimeout(fetchAhead, 150);
}

// A queue that fetched itself anew says what was open when it was asked for; meanwhile another one may have been chosen.
let kept = null;
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.target.matches("[data-queue]")) kept = items()[current()]?.id;
});
document.addEventListener("htmx:afterSwap", (event) => {
  const still = event.detail.target?.matches("[data-queue]") && kept && document.getElementById(kept);
  if (still) mark(still);
  if (event.detail.target?.matches("main.sheet") && event.detail.xhr) settle(event.detail.target);
});
if (items().length) setTimeout(fetchAhead, 300);
