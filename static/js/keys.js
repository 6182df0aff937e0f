// Single-letter keys. A link, button or <summary> with data-key="r" is pressed by that key; what it is called in the
// list of keys is data-key-label, else its own text. Other modules add keys by onKey().
// The reader can switch them off (WCAG 2.1.4); the choice stays in this browser.
const SETTING = "countersign.keys";
const added = [];

export const enabled = () => {
  try {
    return localStorage.getItem(SETTING) !== "off";
  } catch {
    return true; // storage is forbidden: keys stay on for this page
  }
};

/** `when()` tells whether the key means something on the page as it is now. */
export function onKey(key, label, act, when = () => true) {
  added.push({ key, label, act, when });
}

/** True for a plain letter that is meant for the page: not typed into a field, not part of a browser's shortcut. */
export function forPage(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return false;
  if (document.querySelector("dialog[open]")) return false;
  return enabled() && !event.target.closest?.("input, select, textarea, [contenteditable]");
}

/** The element that this key presses: the first one that can be seen and is not disabled. */
export function target(key) {
  const found = document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`);
  return [...found].find((element) => element.checkVisibility() && !element.disabled);
}

function press(event) {
  if (event.key === "?" && forPage(event)) {
    event.preventDefault();
    help();
    return;
  }
  if (event.repeat || !forPage(event)) return;
  const key = event.key.toLowerCase();
  const own = added.find((entry) => entry.key === key && entry.when());
  const element = target(key);
  if (own) own.act(event);
  else if (element && !("hold" in element.dataset)) { // hold.js follows its key itself, down and up
    element.focus();
    element.click();
  } else return;
  event.preventDefault();
}

export function help() {
  const dialog = document.getElementById("keys");
  if (!dialog || dialog.open) return;
  const rows = [["?", "This list"], ...added.filter((entry) => entry.when()).map(({ key, label }) => [key, label])];
  for (const element of document.querySelectorAll("[data-key]")) {
    if (element.checkVisibility()) rows.push([element.dataset.key, name(element)]);
  }
  dialog.querySelector("[data-keys-list]").replaceChildren(...rows.flatMap(([key, label]) => row(key, label)));
  dialog.querySelector("[data-keys-switch]").checked = enabled();
  dialog.showModal();
}

function name(element) {
  if (element.dataset.keyLabel) return element.dataset.keyLabel;
  const copy = element.cloneNode(true);
  for (const key of copy.querySelectorAll("kbd")) key.remove();
  return (element.getAttribute("aria-label") ?? copy.textContent).trim();
}

function row(key, label) {
  const term = document.createElement("dt");
  const cap = document.createElement("kbd");
  const meaning = document.createElement("dd");
  cap.textContent = key.length === 1 ? key.toUpperCase() : key;
  meaning.textContent = label;
  term.append(cap);
  return [term, meaning];
}

document.addEventListener("keydown", press);
document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-keys-switch]")) return;
  try {
    localStorage.setItem(SETTING, event.target.checked ? "on" : "off");
  } catch { /* storage is forbidden: the choice lasts as long as nothing */ }
});
