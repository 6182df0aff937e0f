// Signed notes, checkpoints and cosignatures: c2sp.org/signed-note, tlog-checkpoint, tlog-cosignature. Policies of trust
// as in c2sp.org/tlog-policy.
import { Mismatch, NUMBER, base64, concat, decode, encode, equal, hex, quoted, uint64, unbase64 } from "./bytes.js";
import { sha256 } from "./sha256.js";
import { checkEd25519 } from "./signatures.js";

export const [ED25519, COSIGNATURE, ML_DSA_44] = [0x01, 0x04, 0x06];
const SIZES = { [ED25519]: [32, 64], [COSIGNATURE]: [32, 72], [ML_DSA_44]: [1312, 2428] }; // bytes of a key, of a signature
const LARGEST_NOTE = 1_000_000;
const MOST_SIGNATURES = 100;
const CONTROL = /[\x00-\x09\x0b-\x1f]/;
export const NOT_CHECKED = "Only ML-DSA-44 keys have signed this checkpoint; to check them, verify.py with the package cryptography is needed.";

const isName = (name) => name !== "" && !/[+\s\x1c-\x1f\x85]/.test(name);

// A verifier key: `<name>+<id>+<base64 of kind and key>`.
export class VKey {
  constructor(text) {
    const [name, id, ...rest] = text.trim().split("+");
    if (!rest.length || !isName(name)) throw new Mismatch(`${quoted(text.trim())} is not a verifier key: NAME+ID+KEY.`);
    const material = unbase64(rest.join("+"));
    Object.assign(this, { name, kind: material[0] ?? 0, key: material.subarray(1) });
    this.id = hex(sha256(encode(`${name}\n`), material).subarray(0, 4));
    if (this.key.length !== SIZES[this.kind]?.[0]) throw new Mismatch(`The verifier key of ${name} is of a kind that this program does not know.`);
    if (this.id !== id) throw new Mismatch(`The verifier key of ${name} is damaged: its id should be ${this.id}.`);
  }

  toString() {
    return `${this.name}+${this.id}+${base64(concat(Uint8Array.of(this.kind), this.key))}`;
  }

  same(other) {
    return String(this) === String(other);
  }
}

// { body: with its final newline, lines: [{ name, id, signature }] }
export function parseNote(text) {
  if (!text.isWellFormed()) throw new Mismatch("The note is not UTF-8.");
  if (text.length > LARGEST_NOTE || CONTROL.test(text)) throw new Mismatch("The note is too long, or holds control characters.");
  const end = text.lastIndexOf("\n\n");
  if (end < 0 || !text.endsWith("\n") || end + 2 >= text.length) {
    throw new Mismatch("This is not a signed note: text, an empty line, and lines with signatures.");
  }
  const lines = text.slice(end + 2, -1).split("\n");
  if (lines.length > MOST_SIGNATURES) throw new Mismatch(`The note has more than ${MOST_SIGNATURES} signatures.`);
  return { body: text.slice(0, end + 1), lines: lines.map(parseSignature) };
}

function parseSignature(line) {
  const words = line.split(" ");
  if (words.length !== 3 || words[0] !== "—" || !isName(words[1])) throw new Mismatch(`${quoted(line)} is not a signature of a note.`);
  const signed = unbase64(words[2]);
  if (signed.length < 5) throw new Mismatch(`The signature of ${words[1]} is too short.`);
  return { name: words[1], id: hex(signed.subarray(0, 4)), signature: signed.subarray(4) };
}

// { origin, size, root, body }
export function parseCheckpoint(body) {
  const lines = body.split("\n");
  const end = lines.pop();
  if (lines.length < 3 || lines.includes("") || end) throw new Mismatch("This is not a checkpoint: origin, size and root, in a line each.");
  const size = Number(lines[1]);
  if (!NUMBER.test(lines[1]) || !Number.isSafeInteger(size)) throw new Mismatch(`${quoted(lines[1])} is not the size of a tree.`);
  const root = unbase64(lines[2]);
  if (root.length !== 32) throw new Mismatch("The root of the checkpoint is not 32 bytes long.");
  return { origin: lines[0], size, root, body };
}

// Whether these are trees of one log: the same but for the number at the end.
export function isEarlier(origin, later) {
  const [one, other] = [origin, later].map((text) => [text.slice(0, text.lastIndexOf("/") + 1), text.slice(text.lastIndexOf("/") + 1)]);
  return one[0] === other[0] && NUMBER.test(one[1]) && NUMBER.test(other[1]) && Number(one[1]) < Number(other[1]);
}

export const checkpointOf = (text) => parseCheckpoint(parseNote(text).body);

// Of the given keys those that have signed: { verified: [{ vkey, moment }], unchecked: [vkey] }. Signatures of other
// keys are ignored; a wrong one of these is a mismatch.
export async function checkSignatures(note, vkeys) {
  const known = new Map();
  for (const vkey of vkeys) {
    const name = `${vkey.name} ${vkey.id}`;
    if (known.has(name) && !known.get(name).same(vkey)) throw new Mismatch(`Two keys of ${vkey.name} have the same id.`);
    known.set(name, vkey);
  }
  const [verified, unchecked] = [[], []];
  for (const { name, id, signature } of note.lines) {
    const vkey = known.get(`${name} ${id}`);
    if (!vkey) continue;
    const [valid, moment] = await checkSignature(note.body, vkey, signature);
    if (valid === false) throw new Mismatch(`The signature by ${name} (${id}) is wrong.`);
    if (valid === null) unchecked.push(vkey);
    else if (!verified.some((one) => one.vkey.same(vkey))) verified.push({ vkey, moment });
  }
  return { verified, unchecked };
}

// Whether it is right, or null when that cannot be checked here; and the moment, in seconds, that the signer tells.
async function checkSignature(body, vkey, signature) {
  if (signature.length !== SIZES[vkey.kind][1]) return [false, null];
  if (vkey.kind === ED25519) return [await checkEd25519(vkey.key, encode(body), signature), null];
  const moment = new DataView(signature.slice(0, 8).buffer).getBigUint64(0);
  if (moment >= 1n << 63n) return [false, null];
  if (vkey.kind === ML_DSA_44) return [null, Number(moment) || null];
  const told = encode(`cosignature/v1\ntime ${moment}\n${body}`);
  return [await checkEd25519(vkey.key, told, signature.subarray(8)), Number(moment)];
}

export class Policy {
  logs = [];
  witnesses = new Map();
  groups = new Map(); // name → [how many, of whom]
  quorums = [];

  constructor(text) {
    if (CONTROL.test(text.replaceAll("\t", ""))) throw new Mismatch("A policy holds no control characters but tabs and newlines.");
    text.split("\n").forEach((line, at) => {
      const words = line.split(/[ \t]+/).filter(Boolean);
      try {
        if (words.length && !words[0].startsWith("#")) this.read(words);
      } catch (fault) {
        throw fault instanceof Mismatch ? new Mismatch(`Line ${at + 1} of the policy: ${fault.message}`) : fault;
      }
    });
    if (this.quorums.length !== 1) throw new Mismatch("A policy has exactly one line `quorum`.");
    [this.quorum] = this.quorums;
  }

  read(words) {
    const [what, name, ...rest] = words;
    if (what === "log" && (words.length === 2 || words.length === 3)) {
      this.logs.push(policyKey(name, [ED25519, ML_DSA_44], this.logs));
    } else if (what === "witness" && (words.length === 3 || words.length === 4)) {
      this.checkNew(name);
      this.witnesses.set(name, policyKey(rest[0], [COSIGNATURE, ML_DSA_44], [...this.witnesses.values()]));
    } else if (what === "group" && rest.length > 1) {
      this.checkNew(name);
      this.groups.set(name, [this.howMany(rest[0], rest.slice(1)), rest.slice(1)]);
    } else if (what === "quorum" && words.length === 2 && (name === "none" || this.taken(name))) {
      this.quorums.push(name);
    } else {
      throw new Mismatch(`\`${words.join(" ").slice(0, 80)}\` says nothing that this program understands.`);
    }
  }

  taken(name) {
    return this.witnesses.has(name) || this.groups.has(name);
  }

  checkNew(name) {
    if (name === "none" || this.taken(name)) throw new Mismatch(`The name ${name} is taken.`);
  }

  howMany(some, members) {
    if (new Set(members).size !== members.length || !members.every((name) => this.taken(name))) {
      throw new Mismatch("Members of a group are defined above it, and are listed once.");
    }
    const count = { any: 1, all: members.length }[some] ?? (NUMBER.test(some) ? Number(some) : 0);
    if (!(count >= 1 && count <= members.length)) throw new Mismatch(`A group of ${members.length} cannot ask for ${some}.`);
    return count;
  }

  satisfied(cosigners) {
    const done = new Set();
    for (const [name, vkey] of this.witnesses) if (cosigners.some((one) => one.same(vkey))) done.add(name);
    for (const [name, [count, members]] of this.groups) {
      if (members.filter((member) => done.has(member)).length >= count) done.add(name); // members are defined before
    }
    return this.quorum === "none" || done.has(this.quorum);
  }
}

function policyKey(text, kinds, others) {
  const vkey = new VKey(text);
  if (!kinds.includes(vkey.kind)) throw new Mismatch(`The key of ${vkey.name} is not of a kind for this.`);
  if (others.some((other) => equal(other.key, vkey.key))) throw new Mismatch(`The key of ${vkey.name} is listed twice.`);
  return vkey;
}

// A proof for one leaf, c2sp.org/tlog-proof: { index, proof, note }.
export function parseProof(text) {
  const end = text.indexOf("\n\n");
  const [header, ...rest] = text.slice(0, Math.max(end, 0)).split("\n");
  if (rest[0]?.startsWith("extra ")) rest.shift();
  const [word, number, ...more] = (rest.shift() ?? "").split(" ");
  if (header !== "c2sp.org/tlog-proof@v1" || word !== "index" || !NUMBER.test(number ?? "") || more.length) {
    throw new Mismatch("This is not a proof of a record.");
  }
  return { index: Number(number), proof: rest.map(unbase64), note: text.slice(end + 2) };
}

// The text of a file; the bytes that were signed are those of its characters.
export function noteText(bytes) {
  try {
    return decode(bytes);
  } catch {
    throw new Mismatch("The note is not UTF-8.");
  }
}
