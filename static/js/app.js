// The one script of every page. Each module looks for its own data- attributes and does nothing without them.
import "./hold.js";
import { help } from "./keys.js";
import "./live.js";
import "./menus.js";
import "./queue.js";
import "./times.js";

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-keys-help]")) help();
});

// Refusals come with HX-Retarget and are shown; every other failure is told in the same place in our own words.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, boosted } = event.detail;
  if (xhr.status >= 400 && (boosted || xhr.getResponseHeader("HX-Retarget"))) event.detail.shouldSwap = true;
});
document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.getResponseHeader("HX-Retarget")) return;
  tell("The console could not answer. What was saved before is kept. Look at the page anew before you repeat this.");
});
document.addEventListener("htmx:sendError", () => {
  tell("The console cannot be reached. Nothing you see here is lost; try again when the connection is back.");
});
document.addEventListener("htmx:beforeRequest", (event) => {
  // A new act by the person answers the old notice; a piece that refetches itself does not.
  if (event.detail.requestConfig.verb !== "get") document.getElementById("refusal")?.replaceChildren();
});

function tell(text) {
  const notice = document.createElement("div");
  notice.className = "notice stop";
  notice.dataset.dismissible = "";
  notice.append(text);
  const place = document.getElementById("refusal");
  place?.replaceChildren(notice);
  if (place) decorate(place);
}

// Buttons that only work with scripts are added by scripts: close on notices, copy on code blocks.
function decorate(root) {
  for (const notice of root.querySelectorAll("[data-dismissible]:not(:has(.dismiss))")) {
    notice.append(button("dismiss", "×", "Dismiss", () => notice.remove()));
  }
  for (const block of root.querySelectorAll("[data-copy]:not(:has(.copy))")) {
    const text = block.dataset.copy || block.textContent;
    const copy = button("btn copy", "Copy", "", async () => {
      await navigator.clipboard.writeText(text);
      copy.textContent = "Copied";
      setTimeout(() => { copy.textContent = "Copy"; }, 2000);
    });
    block.prepend(copy);
  }
}

function button(className, text, label, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = className;
  made.textContent = text;
  if (label) made.setAttribute("aria-label", label);
  made.addEventListener("click", act);
  return made;
}

decorate(document);
document.addEventListener("htmx:load", (event) => decorate(event.detail.elt.parentElement ?? document));
