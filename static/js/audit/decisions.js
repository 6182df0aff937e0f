// What people decided: the bytes that they signed, the answer of their passkey (WebAuthn level 3 §7.2), and the record by
// which that passkey was enrolled.
import { KeyNeeded, Mismatch, base64url, concat, encode, equal, has, hex, isObject, jsonObject, quoted, unbase64 } from "./bytes.js";
import { ENROLLED } from "./leaves.js";
import { checkSignatures, isEarlier, parseCheckpoint, parseNote } from "./notes.js";
import { sha256 } from "./sha256.js";
import { checkCose } from "./signatures.js";
import { checkInclusion, leafHash } from "./tree.js";

export const DECISIONS = "decisions.jsonl";
const TAG = encode("countersign/decision/v1\0"); // before the payload, in the challenge that a passkey signs
const PRESENT_AND_VERIFIED = 0x05; // flags of authenticator data, §6.1

// How it was signed. The keys are those of the log, and of its earlier trees.
export async function checkDecision(entry, leaf, checkpoint, keys = []) {
  try {
    const payload = unbase64(need(entry, "payload"));
    const level = need(need(leaf, "decision"), "level");
    const challenge = sha256(TAG, payload);
    checkPayload(payload, challenge, leaf);
    if (level !== "passkey") return String(level);
    if (!has(entry, "signature")) throw new Mismatch("it was signed with a passkey, and the signature is not there.");
    const signed = has(leaf.detail, "list_digest") ? checkList(unbase64(need(entry, "listed")), payload, leaf) : challenge;
    await checkAssertion(entry, signed, String(leaf.log));
    await checkEnrolment(entry, leaf, checkpoint, keys);
    return "passkey";
  } catch (fault) {
    if (!(fault instanceof TypeError)) throw fault;
    throw new Mismatch(`something is missing or not of its kind (${fault.message}).`);
  }
}

export function need(object, name) {
  if (!isObject(object) || !has(object, name)) throw new TypeError(name);
  return object[name];
}

// Equal in the sense of JSON; two absent values are equal as well.
export const same = (one, other) => one === other || JSON.stringify(one) === JSON.stringify(other);

function checkPayload(payload, challenge, leaf) {
  const [told, decision, said] = [need(leaf, "detail"), leaf.decision, jsonObject(payload, "the payload")];
  if (need(told, "payload_digest") !== hex(challenge)) throw new Mismatch("the payload is not the one that was recorded.");
  const pairs = {
    decision: need(decision, "effect"),
    meaning: need(told, "meaning"),
    reviewer: need(leaf.actor, "id"),
    on_behalf_of: told.on_behalf_of,
    delegation: told.delegation,
    action_digest: need(told, "action_digest"),
    policy_digest: has(decision, "policy_digest") ? decision.policy_digest : said.policy_digest,
    review: has(told, "review") ? told.review : said.review,
    action: has(told, "of") ? told.of : said.action,
  };
  for (const [name, recorded] of Object.entries(pairs)) {
    if (!same(said[name], recorded)) throw new Mismatch(`the record tells another ${name.replaceAll("_", " ")} than what was signed.`);
  }
}

const LIST = "countersign.decisions";

// Several decisions were signed at once, by a list of their digests. Gives what the passkey was asked to sign.
function checkList(listed, payload, leaf) {
  const [said, own, told] = [jsonObject(listed, "the list"), jsonObject(payload, "the payload"), leaf.detail];
  const challenge = sha256(TAG, listed);
  if (told.list_digest !== hex(challenge)) throw new Mismatch("the list that was signed is not the one that was recorded.");
  const expected = { type: LIST, team: need(own, "team"), reviewer: need(own, "reviewer"), decision: need(own, "decision") };
  if (Object.entries(expected).some(([name, value]) => !same(said[name], value))) throw new Mismatch("the list that was signed is of something else.");
  const digests = need(said, "decisions");
  if (!Array.isArray(digests)) throw new TypeError("decisions");
  if (digests.length !== need(said, "count") || digests.filter((one) => one === told.payload_digest).length !== 1) {
    throw new Mismatch("the list that was signed does not hold it once.");
  }
  return challenge;
}

// Counters are not compared.
export async function checkAssertion(entry, challenge, log) {
  const [client, data] = [unbase64(need(entry, "client_data_json")), unbase64(need(entry, "authenticator_data"))];
  const [said, origin] = [jsonObject(client, "the client data"), need(entry, "origin")];
  if (need(said, "type") !== "webauthn.get" || need(said, "challenge") !== base64url(challenge)) {
    throw new Mismatch("the passkey signed something else than the payload.");
  }
  if (need(said, "origin") !== origin || afterFirst(origin, "://") !== log) {
    throw new Mismatch(`the passkey signed at ${quoted(said.origin)}, which is not the console of this log.`);
  }
  if ((has(said, "crossOrigin") && said.crossOrigin !== false) || has(said, "topOrigin")) throw new Mismatch("the passkey signed inside a page of another site.");
  const host = log.split(":")[0];
  if (need(entry, "rp_id") !== host || !equal(data.subarray(0, 32), sha256(encode(host)))) {
    throw new Mismatch("the signature is of a passkey for another site.");
  }
  if (data.length < 37 || (data[32] & PRESENT_AND_VERIFIED) !== PRESENT_AND_VERIFIED) {
    throw new Mismatch("the passkey did not ask its owner, or did not make sure who it was.");
  }
  const [key, signature] = [unbase64(need(entry, "public_key")), unbase64(need(entry, "signature"))];
  if (!(await checkCose(key, concat(data, sha256(client)), signature))) throw new Mismatch("the signature of the passkey is wrong.");
}

const afterFirst = (text, mark) => (text.includes(mark) ? text.slice(text.indexOf(mark) + mark.length) : "");

// The key was enrolled, on record, before it signed, and by the person who is said to have decided.
async function checkEnrolment(entry, leaf, checkpoint, keys) {
  const enrolled = need(entry, "enrolled");
  const key = hex(sha256(unbase64(entry.public_key)));
  const [text, index] = [need(enrolled, "leaf"), need(enrolled, "index")];
  if (typeof text !== "string" || typeof index !== "number" || !Array.isArray(need(enrolled, "proof"))) throw new TypeError("enrolled");
  const proof = enrolled.proof.map(unbase64);
  const earlier = has(enrolled, "checkpoint"); // before a restore, in the tree that it closed
  const tree = earlier ? await earlierTree(enrolled.checkpoint, checkpoint.origin, keys) : checkpoint;
  try {
    checkInclusion(index, tree.size, leafHash(encode(text)), proof, tree.root);
  } catch (fault) {
    throw new Mismatch(`the enrolment of the passkey is not in the log. ${fault.message}`);
  }
  const told = jsonObject(text, "the record of the enrolment");
  if (need(told, "action") !== ENROLLED || need(told, "log") !== leaf.log || need(need(told, "detail"), "public_key") !== key) {
    throw new Mismatch("the record of the enrolment is of another key.");
  }
  const passkey = need(told, "object");
  if (passkey !== need(entry, "passkey") || passkey !== need(leaf.detail, "passkey") || (!earlier && index >= entry.index)) {
    throw new Mismatch("the record of the enrolment is of another passkey, or later than the decision.");
  }
  if (need(told.detail, "user") !== leaf.actor.id) throw new Mismatch("the passkey was enrolled by another person.");
}

// Signed by a key of its own.
async function earlierTree(text, later, keys) {
  const note = parseNote(text);
  const found = parseCheckpoint(note.body);
  if (!isEarlier(found.origin, later)) throw new Mismatch(`its passkey was enrolled in ${found.origin}, which is no earlier tree of this log.`);
  const own = keys.filter((vkey) => vkey.name === found.origin);
  if (!own.length) throw new KeyNeeded(`its passkey was enrolled in ${found.origin}: give the key of that tree too (--key).`);
  if (!(await checkSignatures(note, own)).verified.length) {
    throw new Mismatch(`its passkey is said to be enrolled in ${found.origin}, which no key of that tree signed.`);
  }
  return found;
}
