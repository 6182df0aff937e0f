// verify.html: a ZIP or a folder is chosen or dropped, and checked here.
import { Mismatch, counted } from "./bytes.js";
import { Policy, VKey } from "./notes.js";
import { endOf, make, offer, pairs, verdictItem } from "./showing.js";
import { Source } from "./source.js";
import { Verification } from "./verify.js";
import { Unreadable } from "./zip.js";

const find = (selector) => document.querySelector(selector);
const [drop, progress, result] = ["[data-drop]", "[data-progress]", "[data-result]"].map(find);
const fields = ["keys", "policy", "since"].map((name) => document.getElementById(name));
const TITLES = {
  integrity: "Integrity", completeness: "Completeness", identity: "Identity of the log", history: "History", witnesses: "Witnesses", decisions: "Decisions", disclosures: "Personal values",
};
let open = null; // gives the source that was chosen last
let turn = 0;

find("[data-archive]").addEventListener("change", ({ target }) => choose(target.files[0] && (() => Source.ofArchive(target.files[0]))));
find("[data-folder]").addEventListener("change", ({ target }) => choose(target.files.length && (() => Source.ofDirectory(inFolder(target.files)))));
for (const field of fields) field.addEventListener("change", () => choose(open));
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    drop.toggleAttribute("data-over", name === "dragover");
  });
}
document.addEventListener("drop", ({ dataTransfer }) => {
  const entry = dataTransfer.items[0]?.webkitGetAsEntry?.();
  if (entry?.isDirectory) choose(async () => Source.ofDirectory(await walk(entry, "")));
  else if (dataTransfer.files.length) choose(() => Source.ofArchive(dataTransfer.files[0]));
});

// The paths of a chosen folder begin with its own name.
const inFolder = (files) => [...files].map((file) => [file.webkitRelativePath.split("/").slice(1).join("/"), file]);

async function walk(entry, within) {
  const reader = entry.createReader();
  const found = [];
  for (let some = null; some === null || some.length; found.push(...some)) some = await asked((good, bad) => reader.readEntries(good, bad));
  const listed = await Promise.all(
    found.map(async (one) => {
      const name = within + one.name;
      return one.isDirectory ? walk(one, `${name}/`) : [[name, await asked((good, bad) => one.file(good, bad))]];
    }),
  );
  return listed.flat();
}

async function asked(question) {
  try {
    return await new Promise(question);
  } catch {
    throw new Unreadable("This browser does not let a page read a folder that was dropped. Choose it by the button.");
  }
}

async function choose(opened) {
  if (!opened) return;
  open = opened;
  const mine = ++turn;
  result.hidden = true;
  try {
    const given = read();
    const begun = performance.now();
    say("Reading …");
    const source = await open();
    const verification = await Verification.of(source, { ...given, progress: (records) => mine === turn && report(records, verification) });
    await verification.run();
    if (mine !== turn) return;
    show(verification, (performance.now() - begun) / 1000);
    say("");
  } catch (fault) {
    if (mine === turn) refuse(fault);
  }
}

function report(records, verification) {
  const asked = verification?.manifest.records ?? 0;
  say(`${counted(records)}${asked ? ` of ${counted(asked)}` : ""} records read …`);
}

function read() {
  const [keys, policy, since] = fields.map((field) => field.value);
  return {
    keys: keys.split(/\s+/).filter(Boolean).map((key) => new VKey(key)),
    policy: policy.trim() ? new Policy(policy) : null,
    since: since.trim() ? `${since.trim()}\n` : "",
  };
}

function refuse(fault) {
  if (!(fault instanceof Mismatch || fault instanceof Unreadable)) console.error(fault);
  const known = fault instanceof Mismatch ? "What you gave could not be read." : "This could not be read as a bundle.";
  result.replaceChildren(make("div", { className: "end failed", children: [make("span", { text: known }), make("p", { text: fault.message })] }));
  result.hidden = false;
  say("");
}

function say(text) {
  progress.textContent = text;
}

function show(verification, seconds) {
  const { manifest, verdicts, records, firstBad } = verification;
  const [state, words] = endOf(Object.values(verdicts), "This bundle is not what it says.");
  const bad = firstBad && make("p", { text: `First bad record: ${firstBad[0]} ${firstBad[1]}` });
  const save = make("button", { type: "button", className: "btn", text: "Save the checkpoint" });
  save.addEventListener("click", () => offer("checkpoint", verification.note));
  result.replaceChildren(
    make("div", { className: `end ${state}`, children: [make("span", { text: words }), bad] }),
    make("div", { className: "panel", children: [facts(manifest, records, seconds)] }),
    make("ul", { className: "verdicts", children: Object.entries(verdicts).map(([aspect, verdict]) => verdictItem(TITLES[aspect], verdict)) }),
    make("div", { className: "panel", children: [make("p", { text: "Keep the checkpoint. Hand it in with the next export, and that one will prove that nothing was rewritten since." }), make("p", { className: "btns", children: [save] })] }),
  );
  result.hidden = false;
}

function facts(manifest, records, seconds) {
  const { told } = manifest;
  return pairs([
    ["Log", manifest.origin],
    ["Range", `records ${counted(manifest.begin)} to ${counted(manifest.end - 1)} of ${counted(manifest.size)}`],
    ["Export", `${told.export ?? ""} by ${told.made_by ?? ""}, ${told.made_at ?? ""}`],
    ["Read", `${counted(records)} records in ${seconds.toFixed(1)} seconds`],
  ]);
}
