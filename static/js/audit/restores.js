// Restores: leaf 0 of a tree names the end of the one before it, and who signed that the log goes on from there.
import { Mismatch, counted, encode, equal, hex, jsonObject, unbase64 } from "./bytes.js";
import { checkAssertion, need, same } from "./decisions.js";
import { checkSignatures, parseCheckpoint, parseNote } from "./notes.js";
import { sha256 } from "./sha256.js";

const TAG = encode("countersign/restore/v1\0"); // before the payload, as with decisions
const SIGNED = ["before", "size", "root", "present", "present_size", "present_root"]; // of leaf 0

// What leaf 0 of the tree `origin` tells of the one that `old` is of, whose keys these are: with how many leaves it ended,
// and how.
export async function checkRestored(leaf, old, origin, keys) {
  try {
    const detail = need(leaf, "detail");
    await checkEnd(detail, old, origin, keys);
    const people = await checkPeople(detail, origin);
    const [size, present] = [detail.size, detail.present === old.origin ? need(detail, "present_size") : 0];
    const lost = `${counted(size - present)} signed leaves were lost, as ${people.join(" and ")} signed`;
    return [size, `${old.origin} ended with ${counted(size)} leaves, ${lost}`];
  } catch (fault) {
    throw lacking(fault);
  }
}

// Of leaf 0 alone, where nothing was kept of the tree before: who signed that the log goes on.
export async function checkOpened(leaf, origin) {
  try {
    const people = await checkPeople(need(leaf, "detail"), origin);
    return `The log goes on here after a restore, as ${people.join(" and ")} signed.`;
  } catch (fault) {
    throw lacking(fault);
  }
}

const lacking = (fault) => (fault instanceof TypeError ? new Mismatch(`leaf 0 lacks something (${fault.message}).`) : fault);

// Two of them have to sign.
async function checkPeople(detail, origin) {
  const people = new Set();
  for (const entry of need(detail, "signatures")) people.add(await checkAgreed(entry, detail, origin));
  if (people.size < 2) throw new Mismatch("fewer than two people have signed that a backup was put back.");
  return [...people].sort();
}

async function checkEnd(detail, old, origin, keys) {
  const note = parseNote(need(detail, "note"));
  const [end, before] = [parseCheckpoint(note.body), need(detail, "before")];
  if (before !== end.origin || need(detail, "size") !== end.size || need(detail, "root") !== hex(end.root)) {
    throw new Mismatch("leaf 0 names another end than the checkpoint that it holds.");
  }
  if (before !== old.origin && before !== need(detail, "present")) {
    throw new Mismatch(`this cannot be followed: ${before} came in between, and was lost as a whole.`);
  }
  if (before !== old.origin) {
    throw new Mismatch(
      `the log was restored more than once, and ${origin} goes on from ${before}. Check a bundle of ${before} with it first, ` +
        "and then this one with the checkpoint of that bundle.",
    );
  }
  if (!(await checkSignatures(note, keys)).verified.length) throw new Mismatch(`the checkpoint in leaf 0 is not signed by the key of ${before} that you gave.`);
  if (old.size > end.size || (old.size === end.size && !equal(old.root, end.root))) {
    throw new Mismatch(
      `leaf 0 says that ${before} ended otherwise, with ${counted(end.size)} leaves. The log does not tell the truth: keep this checkpoint.`,
    );
  }
}

// Who signed, and over exactly what leaf 0 tells.
async function checkAgreed(entry, detail, origin) {
  const payload = unbase64(need(entry, "payload"));
  await checkAssertion(entry, sha256(TAG, payload), origin.slice(0, origin.lastIndexOf("/")));
  const said = jsonObject(payload, "the payload");
  const expected = { type: "countersign.restore", after: origin, ...Object.fromEntries(SIGNED.map((name) => [name, need(detail, name)])) };
  for (const [name, told] of Object.entries(expected)) {
    if (!same(need(said, name), told)) throw new Mismatch(`leaf 0 tells another ${name.replace("_", " ")} than what was signed.`);
  }
  return String(need(said, "reviewer")).slice(0, 80);
}
