// <button data-hold data-key="a">: signing is held, not clicked, so that no slip of a finger signs.
// Hold by pointer, by its key, or by Enter or Space for 600 ms, then let go; leaving the button or Escape gives up.
// The act happens on release: WCAG 2.5.2 asks for a way out until then, and touch screens grant the activation that a
// passkey prompt needs only there. Whoever cannot hold (switch, voice, screen reader: a click without a press, or a
// press that was short) arms the button for eight seconds and presses a second time, at least 600 ms later.
// When done the button sends a cancelable "held" event; unless that is prevented, its form is submitted.
import { forPage, target } from "./keys.js";

const [LONG, ARMED] = [600, 8000]; // ms
const resting = new WeakMap(); // button → its own content, while it says something else
let current = null; // { button, since, timer, by }

function begin(button, by) {
  if (current || button.disabled || button.getAttribute("aria-disabled") === "true") return;
  const timer = setTimeout(() => say(button, "full", "Let go to sign"), LONG);
  current = { button, by, since: performance.now(), timer };
  if (button.dataset.holdState !== "armed") say(button, "holding", "Keep holding…");
}

function end(by) {
  if (current?.by !== by) return false;
  const { button, since, timer } = current;
  clearTimeout(timer);
  current = null;
  (performance.now() - since >= LONG ? finish : arm)(button);
  return true;
}

function giveUp() {
  if (!current) return;
  clearTimeout(current.timer);
  rest(current.button);
  current = null;
}

function arm(button) {
  const apart = performance.now() - Number(button.dataset.armedAt ?? -ARMED);
  if (apart < LONG) return; // a double click is one slip, not two decisions
  if (apart < ARMED) return finish(button);
  const stamp = String(performance.now());
  button.dataset.armedAt = stamp;
  say(button, "armed", "Press again to sign");
  setTimeout(() => button.dataset.armedAt === stamp && !current && rest(button), ARMED);
}

function finish(button) {
  rest(button);
  const held = new CustomEvent("held", { bubbles: true, cancelable: true });
  if (button.dispatchEvent(held)) button.form?.requestSubmit(button);
}

function say(button, state, text) {
  if (!resting.has(button)) {
    resting.set(button, [...button.childNodes]);
    button.style.minInlineSize = `${button.offsetWidth}px`;
  }
  button.dataset.holdState = state;
  button.replaceChildren(text);
}

function rest(button) {
  if (resting.has(button)) button.replaceChildren(...resting.get(button));
  resting.delete(button);
  button.removeAttribute("style"); // its pinned width: in htmx's copy of the page it would count as an inline style
  for (const name of ["holdState", "armedAt"]) delete button.dataset[name];
}

const holdable = (event) => event.target.closest?.("[data-hold]");
document.addEventListener("pointerdown", (event) => {
  const button = holdable(event);
  if (!button || event.button !== 0) return;
  button.setPointerCapture(event.pointerId);
  begin(button, "pointer");
});
document.addEventListener("pointermove", ({ clientX: x, clientY: y }) => {
  if (current?.by !== "pointer") return;
  const { left, right, top, bottom } = current.button.getBoundingClientRect();
  if (x < left || x > right || y < top || y > bottom) giveUp();
});
document.addEventListener("pointerup", () => end("pointer"));
document.addEventListener("pointercancel", giveUp);
window.addEventListener("blur", giveUp);
document.addEventListener("contextmenu", (event) => holdable(event) && event.preventDefault());

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") return giveUp();
  const pressed = ["Enter", " "].includes(event.key) ? holdable(event) : null;
  const button = pressed ?? (forPage(event) ? target(event.key.toLowerCase()) : null);
  if (!button || !("hold" in button.dataset)) return;
  event.preventDefault();
  if (!event.repeat) begin(button, event.key);
});
document.addEventListener("keyup", (event) => end(event.key) && event.preventDefault());

// A press has already spoken for itself; only a click that came without one arms the button.
document.addEventListener("click", (event) => {
  const button = holdable(event);
  if (!button) return;
  event.preventDefault();
  if (event.detail === 0 && !current) arm(button);
}, true);
