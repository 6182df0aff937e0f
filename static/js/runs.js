// The run page: the chosen span, keys through the waterfall, and bars that grow while the run does.
import { onKey } from "./keys.js";

const PACE = 4000; // ms between two looks at bars that grow; changes of state come by themselves (live.js)
const spans = () => [...document.querySelectorAll(".fall .span")];
const failed = () => spans().filter((span) => "failed" in span.dataset);
const chosen = () => document.querySelector(".fall .span[aria-current]");

function choose(span) {
  if (!span) return;
  for (const other of spans()) other.toggleAttribute("aria-current", false);
  span.setAttribute("aria-current", "true");
}

function go(list, step) {
  const at = spans().indexOf(chosen());
  const ahead = list.filter((span) => (spans().indexOf(span) - at) * step > 0);
  const next = step > 0 ? ahead[0] : ahead.at(-1);
  next?.focus({ preventScroll: true });
  next?.scrollIntoView({ block: "nearest" });
  next?.click();
}

const any = () => spans().length > 0;
const broken = () => failed().length > 0;
onKey("j", "Next span", () => go(spans(), 1), any);
onKey("k", "Previous span", () => go(spans(), -1), any);
onKey("n", "Next failure", () => go(failed(), 1), broken);
onKey("p", "Previous failure", () => go(failed(), -1), broken);

document.addEventListener("click", (event) => choose(event.target.closest?.(".fall .span")));

// On a phone what is behind a span lies below the waterfall.
document.addEventListener("htmx:afterSettle", ({ detail }) => {
  const asked = detail.requestConfig?.elt?.matches?.(".span");
  if (asked && matchMedia("(max-width: 720px)").matches) detail.target.scrollIntoView({ block: "start" });
});

setInterval(() => {
  const picture = document.getElementById("picture");
  if (document.hidden || !picture?.querySelector("rect.open") || picture.querySelector("details[open]")) return;
  window.htmx?.trigger(picture, "live");
}, PACE);
