// A dossier, opened: what it says, and whether that is so. Everything in it is shown as text.
import { Mismatch, counted, decode, jsonObject, unbase64 } from "./bytes.js";
import { DossierCheck, QUESTIONS, bodyText } from "./dossier.js";
import { DECIDED } from "./leaves.js";
import { VKey } from "./notes.js";
import { endOf, make, pairs, verdictItem } from "./showing.js";

const find = (selector) => document.querySelector(selector);
const field = document.getElementById("keys");
const NOTHING = "–";

field.addEventListener("change", run);
window.addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("[data-content] details")) folded.open = true;
});
run();

async function run() {
  try {
    const given = JSON.parse(document.getElementById("data").textContent);
    const keys = field.value.split(/\s+/).filter(Boolean).map((key) => new VKey(key));
    const check = await new DossierCheck(given, keys).run();
    judge(check);
    show(check);
  } catch (fault) {
    const words = fault instanceof Mismatch ? fault.message : "Its data cannot be read.";
    end("failed", "This file cannot be checked.", words);
  }
}

function end(state, words, more, ...children) {
  const banner = make("div", { className: `end ${state}`, role: "status", children: [make("span", { text: words }), more && make("p", { text: more })] });
  find("[data-result]").replaceChildren(banner, ...children);
}

function judge({ verdicts }) {
  const [state, words] = endOf(Object.values(verdicts), "This file is not what it says.");
  const bad = Object.values(verdicts).map((verdict) => verdict.firstBad).filter(Boolean).sort(([one], [other]) => parseInt(one, 10) - parseInt(other, 10))[0];
  const items = Object.entries(verdicts).map(([name, verdict]) => verdictItem(QUESTIONS[name], verdict));
  end(state, words, bad && `First bad record: ${bad[0]} ${bad[1]}`, make("ul", { className: "verdicts", children: items }));
}

function show(check) {
  const { given, leaves } = check;
  find("[data-title]").replaceChildren(...make("span", { text: given.rendering.sentence }).childNodes);
  document.title = `Dossier ${given.action}`;
  find("[data-made]").replaceChildren(...make("span", { text: `Action ${given.action}. Made ${moment(given.made_at)} by ${given.made_by}.` }).childNodes);
  const listed = [...leaves].sort(([one], [other]) => one - other);
  find("[data-content]").replaceChildren(
    asked(given, listed),
    seen(check),
    ...given.decisions.filter((entry) => leaves.has(check.placeOf(entry))).map((entry) => decision(check, entry, check.placeOf(entry))),
    sent(check, listed),
    said(given),
    records(listed, check),
    signed(check),
  );
}

const SENT_EMPTY = ["nothing", "undecoded"]; // these say something also where they are null
const moment = (text) => `${String(text).slice(0, 19).replace("T", " ")} UTC`;
const pretty = (value) => make("pre", { text: JSON.stringify(value, null, 2) });
const part = (title, ...children) => make("section", { className: "panel", children: [make("h2", { text: title }), ...children] });
const fold = (title, ...children) => make("details", { children: [make("summary", { text: title }), ...children] });

function asked({ rendering, document: agreed }, listed) {
  const [, held] = listed.find(([, leaf]) => leaf.decision?.rule) ?? [];
  const [, proposed] = listed.find(([, leaf]) => leaf.action === "approvals:action:proposed") ?? [];
  const told = pairs([
    ["Operation", proposed?.detail.operation ?? ""],
    ["To", agreed?.base_url ?? ""],
    ["Prepared by", agreed?.agent ?? ""],
    ["Proposed", proposed ? moment(proposed.ts) : ""],
    ["Policy", held ? `rule ${held.decision.rule}: ${held.decision.effect}` : ""],
    ["Ended as", listed.findLast(([, leaf]) => leaf.action.startsWith("approvals:action:"))?.[1].state ?? ""],
  ]);
  return part("What was asked", changes(rendering.facts), told, agreed && fold("All arguments, as agreed", pretty(agreed.arguments)));
}

function changes(facts) {
  const told = facts.filter(({ was, becomes, format }) => SENT_EMPTY.includes(format) || (was ?? null) !== null || (becomes ?? null) !== null);
  const rows = told.sort((one, other) => Boolean(other.critical) - Boolean(one.critical)).map(change);
  const head = make("thead", { children: [make("tr", { children: ["What", "Before", "After"].map((text) => make("th", { text, scope: "col" })) })] });
  return make("table", { children: [head, make("tbody", { children: rows })] });
}

function change(fact) {
  const how = fact.format === "undecoded" ? " (not decoded)" : fact.by === "schema" ? " (by its schema)" : "";
  const label = make("th", { text: `${fact.label}${how}`, scope: "row" });
  const [before, after] = [value(fact, fact.was), SENT_EMPTY.includes(fact.format) ? JSON.stringify(fact.becomes ?? null, null, 1) : value(fact, fact.becomes)];
  if (!SENT_EMPTY.includes(fact.format) && JSON.stringify(fact.was) === JSON.stringify(fact.becomes)) {
    return make("tr", { children: [label, make("td", { text: after, colSpan: 2, children: [make("span", { className: "dim", text: " stays" })] })] });
  }
  return make("tr", { children: [label, make("td", { text: before }), make("td", { text: after, className: "becomes" })] });
}

// Browsers know how many digits a currency has; what was signed are the minor units, which stand beside it.
function money(minor, currency) {
  const code = String(currency).toUpperCase();
  if (!/^[A-Z]{3}$/.test(code)) return String(minor);
  const { maximumFractionDigits: digits } = new Intl.NumberFormat("en", { style: "currency", currency: code }).resolvedOptions();
  const text = String(Math.abs(minor)).padStart(digits + 1, "0");
  const [whole, rest] = [text.slice(0, text.length - digits), text.slice(text.length - digits)];
  return `${minor < 0 ? "-" : ""}${counted(Number(whole))}${digits ? `.${rest}` : ""} ${code} (${counted(minor)} minor units)`;
}

function value({ format, currency, name }, given) {
  if (given === null || given === undefined) return NOTHING;
  if (format === "identity" && name) return `${name} (${given})`;
  if (format === "money" && Number.isSafeInteger(given)) return money(given, currency);
  if (format === "time" && Number.isFinite(given)) return moment(new Date(given * 1000).toISOString());
  return typeof given === "string" ? given : JSON.stringify(given, null, 1);
}

// Nothing, of bytes that cannot be read: that they are not what was signed, the verdict above says.
function payloadOf(entry) {
  try {
    return jsonObject(unbase64(entry.payload), "the payload");
  } catch (fault) {
    if (fault instanceof Mismatch) return {};
    throw fault;
  }
}

function decision(check, entry, place) {
  const [payload, leaf] = [payloadOf(entry), check.leaves.get(place)];
  const reason = check.personal(place, "reason");
  const told = pairs([
    ["Name", payload.name ?? check.personal(place, "name") ?? "erased"],
    ["Person", leaf.actor.id],
    ["In place of", leaf.detail.on_behalf_of ? `${check.personal(place, "in_place_of") ?? "erased"} (${leaf.detail.on_behalf_of})` : ""],
    ["Time", moment(leaf.ts)],
    ["Meaning", payload.meaning ? `“${payload.meaning}”` : ""],
    ["Signed by", { passkey: "passkey", password: "password, which no outsider can check", session: "being signed in, without a signature" }[leaf.decision.level] ?? leaf.decision.level],
    ["Reason", reason === null ? (leaf.c?.reason ? "erased" : "") : reason],
    ["Record", `${check.index(place)}`],
  ]);
  return part({ approve: "Approved", refuse: "Refused", recuse: "Left to others", change: "Changed" }[payload.decision] ?? "Decided", told, fold("What was signed, byte for byte", make("pre", { text: decode(unbase64(entry.payload)) })));
}

function seen({ given: { evidence, rendering }, digests }) {
  const shown = evidence.map((one) => fold(String(one.title ?? "Evidence"), pretty(one.value)));
  return part("What the signer saw", make("p", { className: "dim", text: `The sentence and the table above, as the template ${rendering.template} shows them, and this evidence.` }), ...shown, rendering.context && fold("What it stood in", pretty(rendering.context)), pairs([["Digest of what was shown", digests.render_digest ?? ""], ["Digest of the evidence", digests.evidence_digest ?? ""]]));
}

function written(request) {
  const query = request.query ? `?${request.query}` : "";
  const head = [request.content_type, ...request.headers.map(([name, value]) => `${name}: ${value}`)].filter(Boolean);
  return [`${request.method} ${request.scheme}://${request.host}:${request.port}${request.path}${query}`, ...head, "", bodyText(request)].join("\n").trim();
}

function sent(check, listed) {
  const { request } = check.given;
  const calls = listed.filter(([, leaf]) => leaf.action.startsWith("integrations:call:"));
  const told = calls.map(([place, leaf]) => [`Record ${check.index(place)}`, callText(leaf)]);
  return part(
    "What was sent, and the answer",
    request && make("pre", { text: written(request) }),
    pairs([["Digest agreed", check.agreed ?? ""], ...told]),
  );
}

function callText({ ts, state, detail }) {
  const parts = [moment(ts), state.replace("_", " ")];
  if (detail.request_digest) parts.push(`request ${detail.request_digest}`);
  if (detail.status) parts.push(`answered ${detail.status}`);
  if (detail.receipt_digest) parts.push(`receipt ${detail.receipt_digest}, found by ${detail.found_by}`);
  if (detail.error) parts.push(detail.error);
  return parts.join(" · ");
}

const said = ({ says }) => says && part("What the agent wrote", make("p", { className: "dim", text: "Untrusted, and under no signature." }), make("pre", { text: says }));

function records(listed, check) {
  const items = listed.map(([place, leaf]) => {
    const { index, text } = check.placed.get(place);
    const summary = make("summary", { children: [make("span", { text: `${counted(index)}  ${leaf.action}` }), make("span", { className: "dim", text: moment(leaf.ts) })] });
    return make("li", { children: [make("details", { children: [summary, make("pre", { text })] })] });
  });
  return part("Records", make("ol", { className: "records", children: items }));
}

const signed = ({ given: { trees } }) =>
  part(
    "Checkpoint and keys",
    ...trees.flatMap(({ checkpoint, policy }) => [make("h3", { text: "The log, as it was signed" }), make("pre", { text: checkpoint }), make("h3", { text: "Keys" }), make("pre", { text: policy })]),
  );
