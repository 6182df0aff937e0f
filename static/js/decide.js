// The decide bar of a review. Each way to decide is a <details class="ask"> that opens above the bar; without scripts
// it works by itself. Here: the cursor goes where one types, Escape goes back, presets write a beginning, and nothing
// that was typed is lost when the review is decided elsewhere.
const bar = () => document.getElementById("decide");
const typed = () => [...(bar()?.querySelectorAll("textarea") ?? [])].map((field) => field.value.trim()).find(Boolean);

function prepare(root) {
  for (const part of root.querySelectorAll(".presets, [data-close]")) part.hidden = false;
}

function enter(ask) {
  const wrong = ask.querySelector("[aria-invalid]");
  (wrong ?? ask.querySelector("textarea, input:not([type=hidden])"))?.focus();
}

document.addEventListener("toggle", (event) => {
  if (event.target.matches?.("details.ask") && event.target.open) enter(event.target);
}, true);

document.addEventListener("click", (event) => {
  const preset = event.target.closest("[data-preset]");
  if (preset) begin(preset.closest(".field").querySelector("textarea"), preset.dataset.preset);
  const close = event.target.closest("[data-close]");
  if (close) leave(close.closest("details"));
});

document.addEventListener("keydown", (event) => {
  const ask = event.key === "Escape" ? event.target.closest?.("details.ask[open]") : null;
  if (ask) leave(ask);
});

function leave(ask) {
  ask.open = false;
  ask.querySelector("summary").focus();
}

function begin(field, text) {
  const starts = [...field.closest(".field").querySelectorAll("[data-preset]")].map((preset) => preset.dataset.preset);
  const known = starts.find((start) => field.value.startsWith(start)) ?? "";
  field.value = `${text} ${field.value.slice(known.length).trimStart()}`;
  field.focus();
  field.setSelectionRange(field.value.length, field.value.length);
}

let draft = "";
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  if (event.detail.target?.id !== "decide") return;
  // The word that it is decided may be faster than the answer to one's own decision, which finds its way by the form.
  if (bar()?.querySelector(".htmx-request")) event.detail.shouldSwap = false;
  else draft = typed() ?? "";
});
document.addEventListener("htmx:oobAfterSwap", (event) => {
  if (event.detail.target?.id !== "decide") return;
  const kept = bar()?.querySelector("[data-draft]");
  if (!draft || !kept) return;
  kept.querySelector("[data-draft-text]").textContent = draft;
  kept.hidden = false;
  draft = "";
});

document.addEventListener("htmx:afterSettle", (event) => {
  prepare(document);
  // What had the focus is gone: the reader goes on at the top of what came instead, or at what has to be corrected.
  if (document.activeElement && document.activeElement !== document.body) return;
  const ask = bar()?.querySelector("details.ask[open]");
  if (ask) enter(ask);
  else if (event.target.id === "before") event.target.querySelector("h2").focus();
  else document.querySelector("#main h1[tabindex]")?.focus();
});
prepare(document);
