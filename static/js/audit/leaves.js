// The leaves of a bundle as they pass by: their hashes, what they say, and whether the file is the one that was listed.
import { Mismatch, NUMBER, canonical, concat, decode, hex, isObject, jsonObject, quoted } from "./bytes.js";
import { Sha256 } from "./sha256.js";
import { Unreadable } from "./zip.js";

const FORMAT = "countersign-bundle/1";
export const [MANIFEST, LEAVES, INDEXES, HASHES] = ["manifest.json", "leaves.jsonl", "indexes.txt", "hashes.bin"];
export const [DECIDED, ERASED, REVOKED, ENROLLED, RESTORED, PRUNED] = [
  "approvals:decision:made", "audit:disclosure:erased", "accounts:passkey:revoked", "accounts:passkey:enrolled", "audit:log:restored",
  "audit:retention:pruned",
];
const WANTED = new Set([DECIDED, ERASED, REVOKED, RESTORED, PRUNED]);
const LONGEST_LEAF = 65_535;

export class Manifest {
  constructor(text) {
    const told = this.read(text);
    if (told.format !== FORMAT) throw new Unreadable(`This program reads ${FORMAT}, and this bundle is ${quoted(told.format)}.`);
    const whole = (number) => Number.isSafeInteger(number) && number >= 0;
    const { begin, end, size, records, origin, filter, files, chunks = [] } = told;
    const listed = isObject(files) && Object.values(files).every((one) => isObject(one) && whole(one.bytes));
    const parted = Array.isArray(chunks) && chunks.every((one) => isObject(one) && [one.begin, one.end, one.bytes].every(whole));
    if (![begin, end, size, records].every(whole) || typeof origin !== "string" || !isObject(filter) || !listed || !parted) {
      throw new Unreadable(`${MANIFEST} is not the manifest of a bundle.`);
    }
    Object.assign(this, { begin, end, size, records, origin, filter, chunks, told });
    this.files = new Map(Object.entries(files));
    this.log = origin.slice(0, Math.max(0, origin.lastIndexOf("/")));
    this.chosenBy = Object.keys(filter).length ? canonical(filter) : "";
  }

  read(text) {
    try {
      return jsonObject(text, MANIFEST);
    } catch (fault) {
      throw new Unreadable(`${MANIFEST} is not the manifest of a bundle (${fault.message}).`);
    }
  }

  lists(name, found) {
    const listed = this.files.get(name);
    return listed !== undefined && listed.bytes === found.bytes && listed.sha256 === found.sha256;
  }
}

export const called = (index, id) => `Record ${index}${id ? ` (${id})` : ""}`;

export const idOf = (leaf) => (isObject(leaf) && typeof leaf.id === "string" ? leaf.id.slice(0, 64) : "");

// What is wrong with a line that is no record of this log, or ""; and what it says, as far as that is known.
export function readLeaf(line, log) {
  let [leaf, text] = [null, ""];
  try {
    text = decode(line);
    leaf = /^\s/.test(text) ? null : JSON.parse(text);
  } catch {
    // told below
  }
  const tooLong = line.length > LONGEST_LEAF;
  const bare = text.endsWith("}"); // nothing stands behind it, not even a blank
  const formed = isObject(leaf) && "log" in leaf && (leaf.log !== log || (isObject(leaf.c) && typeof leaf.action === "string"));
  if (bare && formed && leaf.log === log && !tooLong) return [leaf, ""];
  if (tooLong) return [leaf, TOO_LONG];
  if (!isObject(leaf)) return [leaf, "is not JSON"];
  if (!formed) return [leaf, "does not have the fields of a record"];
  if (leaf.log !== log) return [leaf, `belongs to the log ${quoted(leaf.log)}, not to ${quoted(log)}`];
  return [leaf, "is not written in canonical JSON"];
}

const TOO_LONG = "is longer than 65,535 bytes";

// Other files of the bundle speak about it.
export const isRemarkable = (leaf) => WANTED.has(leaf.action) || Object.keys(leaf.c).length > 0;

// Of bytes that pass by: the digest of all, and the first chunk of the manifest that they do not match. What a chunk
// hashes to is found out by the browser, at the side.
export class Ledger {
  constructor(chunks) {
    Object.assign(this, { hash: new Sha256(), chunks: [...chunks], held: [], size: 0, found: [] });
  }

  update(bytes) {
    this.hash.update(bytes);
    let rest = bytes;
    while (this.chunks.length && this.size + rest.length >= this.chunks[0].bytes) {
      const taken = this.chunks[0].bytes - this.size;
      this.close(this.chunks.shift(), [...this.held, rest.subarray(0, taken)]);
      rest = rest.subarray(taken);
      [this.held, this.size] = [[], 0];
    }
    if (this.chunks.length) this.held.push(rest);
    this.size += rest.length;
  }

  close(chunk, held) {
    this.found.push(crypto.subtle.digest("SHA-256", concat(...held)).then((digest) => [chunk, hex(new Uint8Array(digest))]));
  }

  // { bytes, sha256, damaged }
  async finish() {
    this.update(new Uint8Array());
    const wrong = (await Promise.all(this.found)).find(([chunk, digest]) => digest !== chunk.sha256);
    return { bytes: this.hash.length, sha256: hex(this.hash.digest()), damaged: wrong?.[0] ?? this.chunks[0] ?? null };
  }
}

// `hashes.bin`: what every leaf of the range hashes to, also of those that are not in the bundle.
export class KnownHashes {
  constructor(source, range, begin, end) {
    Object.assign(this, { range, place: begin, end, rest: new Uint8Array() });
    this.parts = source.stream(HASHES);
  }

  // Of the leaf at this index; those before it go into the proof as well.
  async at(index) {
    let hash = null;
    while (this.place <= index) {
      if (this.rest.length < 32) await this.fill();
      hash = this.rest.subarray(0, 32);
      this.range.append(hash);
      this.rest = this.rest.subarray(32);
      this.place += 1;
    }
    return hash;
  }

  async fill() {
    while (this.rest.length < 32) {
      const { done, value } = await this.parts.next();
      if (done) throw new Mismatch(`${HASHES} ends before the range does.`);
      this.rest = concat(this.rest, value);
    }
  }

  async finish() {
    await this.at(this.end - 1);
    if (this.rest.length || !(await this.parts.next()).done) throw new Mismatch(`${HASHES} goes on behind the end of the range.`);
  }
}

// `indexes.txt`, or the indexes of the range one after the other.
export class Places {
  constructor(source, manifest) {
    Object.assign(this, { manifest, next: manifest.begin, before: manifest.begin - 1, listed: [] });
    this.parts = source.has(INDEXES) ? source.lines(INDEXES) : null;
    if (this.parts && !source.has(HASHES)) throw new Mismatch(`${HASHES} is missing, which belongs to ${INDEXES}.`);
  }

  async take() {
    if (!this.parts) return this.next++;
    const index = await this.advance();
    if (index === null) throw new Mismatch(`${LEAVES} holds more records than ${INDEXES} names.`);
    return index;
  }

  async advance() {
    if (!this.listed.length) {
      const { done, value } = await this.parts.next();
      if (done) return null;
      this.listed = value.reverse();
    }
    const text = String.fromCharCode(...this.listed.pop());
    const index = NUMBER.test(text) ? Number(text) : -1;
    if (!(index > this.before && index < this.manifest.end)) throw new Mismatch(`${INDEXES} is not a list of growing indexes within the range.`);
    return (this.before = index);
  }

  async finish() {
    if (this.parts && (await this.advance()) !== null) throw new Mismatch(`${INDEXES} names more records than ${LEAVES} holds.`);
  }
}
