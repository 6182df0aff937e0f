// <section data-verify="…/proof/" data-consistency="…" data-leaf="#leaf" data-leaf-hash="…">: a record's page checks its
// record here, in the browser, as soon as it is open. A record that waits for the tree is asked for again.
import { checkpointOf, parseProof } from "./notes.js";
import { earlierTrees, recall, remember } from "./memory.js";
import { Alarm, Away, checkRecord } from "./record.js";

const PAUSES = [500, 1000, 2000, 5000]; // ms; the last one is kept to
const ALARMS = {
  leaf: ["This record is not what the log took over.", "Its bytes do not fit the signed tree. Rely on nothing that this page says."],
  key: ["This log is signed by somebody else.", "No key that vouches for it is known to this browser. Either the key was replaced without telling anybody, or this is another log."],
  witness: ["A signature in the name of a witness is false.", "Somebody wants this tree to look as if it were known outside."],
  history: ["This is another history than the one that this browser saw earlier.", "Records were changed or dropped after they were signed, or somebody shows you another log than before. Decide nothing because of what it says."],
};
const TO_DO = "Save what was seen, and hand it to whoever answers for security and to your auditors, by another way than this console. What this browser saw earlier is kept. Ask the witnesses which tree they have signed.";

const place = document.querySelector("[data-verify]");
if (place) verify(place);

async function verify(section) {
  const [state, list] = [section.querySelector("[role=status]"), section.querySelector("ul")];
  if (!window.isSecureContext) return say(state, "wait", "This browser computes hashes only on https or localhost.");
  for (let turn = 0; ; turn++) {
    const done = await once(section, state, list);
    if (done) return undefined;
    await new Promise((resolve) => setTimeout(resolve, PAUSES[Math.min(turn, PAUSES.length - 1)]));
    if (document.hidden) await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
  }
}

async function once(section, state, list) {
  const seen = { at: new Date().toISOString(), page: location.href };
  try {
    const { leafHash: hash, leaf: where, consistency: address } = section.dataset;
    const leaf = document.querySelector(where).dataset.copy;
    const told = await ask(section.dataset.verify);
    if (told.waiting) {
      say(state, "wait", "This record waits for its place in the tree. The log is signed about twice a second; this page looks again by itself.");
      return false;
    }
    const { origin } = originOf(told);
    const known = recall(origin);
    Object.assign(seen, { leaf, hash, told, known });
    const consistency = async (tree, from, to) => (seen.consistency = await askConsistency(address, tree, from, to));
    const found = await checkRecord({ leaf, hash, told, known, consistency });
    const kept = remember(origin, found.remember);
    show(state, list, found, { origin, known, kept });
    return true;
  } catch (fault) {
    if (fault instanceof Away) {
      say(state, "wait", `${fault.message} Nothing is known about this record now; this page tries again.`);
      return false;
    }
    if (!(fault instanceof Alarm)) throw fault;
    alarm(state, fault, seen);
    return true;
  }
}

function originOf(told) {
  try {
    return checkpointOf(parseProof(told.proof).note);
  } catch (fault) {
    throw new Alarm("leaf", fault.message);
  }
}

async function ask(address) {
  let answer;
  try {
    answer = await fetch(address, { headers: { Accept: "application/json" } });
  } catch {
    throw new Away("The console cannot be reached.");
  }
  if (!answer.ok) throw new Away(`The console answered ${answer.status}.`);
  return answer.json();
}

// Null when the console says that it cannot prove this, which is no mishap.
async function askConsistency(address, origin, from, to) {
  let answer;
  try {
    answer = await fetch(`${address}?${new URLSearchParams({ origin, from, to })}`, { headers: { Accept: "application/json" } });
  } catch {
    throw new Away("The console cannot be reached.");
  }
  if (answer.status >= 500 || answer.status === 429) throw new Away(`The console answered ${answer.status}.`);
  return answer.ok ? (await answer.json()).proof : null;
}

function show(state, list, { checks }, { origin, known, kept }) {
  const again = known ? [] : earlierTrees(origin);
  if (again.length) checks.push({ what: "New tree", tone: "wait", text: `This log began anew: this browser knew its tree ${Math.max(...again)}. A restore from a backup does that, and its first record tells of it. Ask who restored it.` });
  if (!kept) checks.push({ what: "Memory", tone: "wait", text: "This browser keeps nothing for this page, so that it cannot compare the next time." });
  const caution = checks.some(({ what, tone }) => tone === "wait" && what !== "History");
  say(state, "", caution ? "Verified in this browser. Read what is marked." : "Verified in this browser.");
  list.replaceChildren(...checks.map(item));
  mark("good", "verified here");
}

function item({ what, text, tone, code }) {
  const [line, title, words] = ["li", "b", "span"].map((name) => document.createElement(name));
  line.className = { good: "good", wait: "wait", none: "absent" }[tone];
  title.textContent = what;
  words.textContent = text;
  line.append(title, words);
  if (code) line.append(Object.assign(document.createElement("code"), { textContent: code }));
  return line;
}

function mark(tone, text) {
  const tag = document.querySelector("[data-checked]");
  tag.className = `tag ${tone}`;
  tag.textContent = text;
}

function alarm(state, fault, seen) {
  const [title, meaning] = ALARMS[fault.kind];
  const notice = document.createElement("div");
  notice.className = "notice stop";
  notice.setAttribute("role", "alert");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "btn stop";
  button.textContent = "Save what was seen";
  button.addEventListener("click", () => save(seen));
  notice.append(paragraph("b", title), paragraph("span", meaning), paragraph("span", fault.message), paragraph("span", TO_DO), button);
  document.querySelector("[data-alarm]").replaceChildren(notice);
  say(state, "stop", `Does not verify. ${fault.message}`);
  mark("stop", "does not verify");
}

function paragraph(name, text) {
  const [line, words] = [document.createElement("p"), document.createElement(name)];
  words.textContent = text;
  line.append(words);
  return line;
}

function save(seen) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(seen, null, 1)], { type: "application/json" }));
  link.download = `seen-${seen.at.replaceAll(":", "")}.json`;
  link.click();
  URL.revokeObjectURL(link.href);
}

function say(state, tone, text) {
  state.className = `proof ${tone}`.trim();
  state.textContent = text;
}
