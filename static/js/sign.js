// <form data-sign="…/challenge">: when its button was held (hold.js), the server prepares what is signed, the browser
// asks for the passkey, and the form goes out with both. The challenge is fetched while the button is still held, so
// that the prompt comes at once; it holds what was typed, so other words need another one.
import { explain, sign } from "./passkeys.js";

const early = new WeakMap(); // form → { said, asked }
const formOf = (event) => event.target.closest?.("[data-hold]")?.closest("form[data-sign]");
const said = (form) => new URLSearchParams([...new FormData(form)].filter(([name]) => !["prepared", "assertion"].includes(name)));

async function ask(form) {
  const answer = await fetch(form.dataset.sign, { method: "POST", body: said(form), headers: { Accept: "application/json" } });
  const told = await answer.json().catch(() => ({ text: "The console could not answer. Nothing was signed; try again." }));
  if (!answer.ok) throw new Refused(told.text);
  return told;
}

class Refused extends Error {}

function askEarly(form) {
  const asked = ask(form);
  asked.catch(() => {}); // told when the button is let go
  early.set(form, { said: String(said(form)), asked });
}

document.addEventListener("pointerdown", (event) => {
  const form = formOf(event);
  if (form?.checkValidity()) askEarly(form);
});

document.addEventListener("held", async (event) => {
  const form = formOf(event);
  if (!form) return;
  event.preventDefault();
  if (!form.reportValidity()) return;
  const button = event.target;
  button.setAttribute("aria-disabled", "true");
  tell(form, "");
  try {
    const known = early.get(form);
    early.delete(form);
    const { prepared, options } = await (known?.said === String(said(form)) ? known.asked : ask(form));
    form.elements.prepared.value = prepared;
    form.elements.assertion.value = JSON.stringify(await sign(options));
    form.requestSubmit();
  } catch (fault) {
    tell(form, fault instanceof Refused ? fault.message : fault instanceof TypeError && !navigator.onLine
      ? "The console cannot be reached. Nothing was signed." : explain(fault));
  } finally {
    button.removeAttribute("aria-disabled");
  }
});

function tell(form, text) {
  const place = (form.closest("#decide") ?? form).querySelector("[data-problem]");
  place.textContent = text;
  place.hidden = !text;
}
