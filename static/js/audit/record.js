// One record checked against a signed tree, and that tree against what this browser has seen of the log before. Nothing
// that the server says is believed for its own sake. Pure, but for the question `consistency(origin, from, to)`.
import { Mismatch, counted, encode, hex, jsonObject, unbase64 } from "./bytes.js";
import { ED25519, VKey, checkSignatures, checkpointOf, parseCheckpoint, parseNote, parseProof } from "./notes.js";
import { checkConsistency, checkInclusion, leafHash } from "./tree.js";
import { momentOf } from "./verdicts.js";

// What was seen does not fit, and what that means: `leaf`, `key`, `witness` or `history`.
export class Alarm extends Error {
  constructor(kind, text) {
    super(text);
    this.kind = kind;
  }
}

// The server cannot be asked just now: nothing is known, and nothing is alarming.
export class Away extends Error {}

// `given`: { leaf: text, hash: hex as the page tells it, told: the server's answer, known: what was remembered or null,
// consistency }. Gives { checks: [{ what, text, tone, code }], remember }, or throws Alarm or Away.
export async function checkRecord({ leaf, hash, told, known, consistency }) {
  const checks = [];
  const tell = (what, text, tone = "good", code = "") => checks.push({ what, text, tone, code });
  const { index, proof, note } = within("leaf", () => parseProof(told.proof));
  const checkpoint = within("leaf", () => checkpointOf(note));

  const bytes = encode(leaf);
  const computed = leafHash(bytes);
  within("leaf", () => checkLeaf(leaf, computed, hash, checkpoint));
  tell("Bytes", `${counted(bytes.length)} bytes of the leaf, hashed here.`);
  within("leaf", () => checkInclusion(index, checkpoint.size, computed, proof, checkpoint.root));
  tell("Place", `Record ${counted(index)} of ${counted(checkpoint.size)}: ${counted(proof.length)} hashes lead from it to the root.`);

  const keys = await checkKeys(parseNote(note), told, known, checkpoint.origin, tell);
  await checkWitnesses(parseNote(note), told.witnesses, tell);
  const newest = await checkHistory(note, checkpoint, known, consistency, tell);
  return { checks, remember: { note: newest, keys: keys.map(String) } };
}

function within(kind, work) {
  try {
    return work();
  } catch (fault) {
    throw fault instanceof Mismatch || fault instanceof TypeError ? new Alarm(kind, fault.message) : fault;
  }
}

function checkLeaf(leaf, computed, hash, { origin }) {
  if (hex(computed) !== hash) throw new Mismatch(`These bytes hash to ${hex(computed)}, and the page says ${hash}.`);
  const { log } = jsonObject(leaf, "The leaf");
  if (origin.slice(0, origin.lastIndexOf("/")) !== log) throw new Mismatch(`The leaf belongs to the log ${log}, and the proof to ${origin}.`);
}

// The keys to know from now on. On first sight the server is asked for them; later they have to be vouched for.
async function checkKeys(note, told, known, origin, tell) {
  const offered = within("key", () => told.keys.map((key) => new VKey(key)).filter(({ name }) => name === origin));
  const trusted = known ? within("key", () => known.keys.map((key) => new VKey(key))) : offered;
  if (known) for (const one of told.introductions) await introduce(one, trusted, offered, tell);
  const { verified, unchecked } = await signers(note, trusted);
  if (!verified.length && unchecked.length) throw new Alarm("key", "Only a key signs that this browser cannot check.");
  if (!verified.length) {
    throw new Alarm("key", known ? "No key that this browser knows has signed this." : "No key that the console names has signed this.");
  }
  const [{ vkey }] = verified;
  if (known) tell("Signature", `By the key ${vkey.id}, which this browser knows.`);
  else tell("Signature", `By a key that this browser sees for the first time. Compare it once with the key that you were given.`, "wait", String(vkey));
  await learn(note, trusted, offered, tell);
  return trusted;
}

async function signers(note, keys, kind = "key") {
  try {
    return await checkSignatures(note, keys);
  } catch (fault) {
    throw fault instanceof Mismatch ? new Alarm(kind, fault.message) : fault;
  }
}

// A checkpoint that a known key has signed together with others vouches for them.
async function introduce(text, trusted, offered, tell) {
  const note = within("key", () => parseNote(text));
  if ((await signers(note, trusted)).verified.length) await learn(note, trusted, offered, tell);
}

async function learn(note, trusted, offered, tell) {
  const others = offered.filter((key) => key.kind === ED25519 && !trusted.some((one) => one.same(key)));
  for (const { vkey } of (await signers(note, others)).verified) {
    trusted.push(vkey);
    tell("Key", `The key ${vkey.id} is new; a key that this browser knows has signed together with it.`, "wait");
  }
}

async function checkWitnesses(note, keys, tell) {
  const { verified } = await signers(note, within("witness", () => keys.map((key) => new VKey(key))), "witness");
  for (const { vkey, moment } of verified) tell("Witness", `${vkey.name} saw this tree ${momentOf(moment)}.`);
  if (!verified.length) tell("Witness", keys.length ? "None has seen this tree yet." : "None is set up: nobody outside knows this tree.", "none");
}

// The note to keep: whichever of the two is of the larger tree.
async function checkHistory(note, checkpoint, known, consistency, tell) {
  if (!known) {
    tell("History", "This browser has not seen this log before. From now on it remembers.", "wait");
    return note;
  }
  const before = parseCheckpoint(parseNote(known.note).body);
  const [old, now] = before.size <= checkpoint.size ? [before, checkpoint] : [checkpoint, before];
  const proof = old.size === now.size || old.size === 0 ? [] : await consistency(checkpoint.origin, old.size, now.size);
  if (proof === null) throw new Alarm("history", `The console does not prove how ${counted(old.size)} records became ${counted(now.size)}.`);
  within("history", () => checkConsistency(old.size, now.size, old.root, now.root, proof.map(unbase64)));
  tell("History", `One history with the tree of ${counted(before.size)} records that this browser saw at ${known.at.slice(0, 16).replace("T", " ")} UTC.`);
  return now === checkpoint ? note : known.note;
}
