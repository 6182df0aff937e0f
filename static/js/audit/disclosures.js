// Personal values beside the leaves, which hold commitments to them. In the order of the leaves, as they are.
import { Mismatch, canonical, concat, counted, encode, has, hex, isObject, quoted, unhex } from "./bytes.js";
import { ERASED, called } from "./leaves.js";
import { hmac } from "./sha256.js";

export const DISCLOSURES = "disclosures.jsonl";
const MOST_REDACTIONS = 100_000;

// The commitment to a disclosed value, "" when there can be none.
export function sealed(one) {
  try {
    return hex(hmac(unhex(one.salt), concat(encode(one.path), Uint8Array.of(0), encode(canonical(one.value)))));
  } catch (fault) {
    if (fault instanceof Mismatch || fault instanceof RangeError) return "";
    throw fault;
  }
}

export class Disclosures {
  constructor(source, verdict) {
    Object.assign(this, { verdict, disclosed: 0, redacted: 0, redactions: new Map(), erased: new Map(), next: null });
    this.given = source.has(DISCLOSURES) ? source.documents(DISCLOSURES) : null;
  }

  async advance() {
    this.next = null;
    try {
      const { done, value } = (await this.given?.next()) ?? { done: true };
      if (done) return;
      if (!Number.isSafeInteger(value[1].index)) throw new Mismatch(`A line of ${DISCLOSURES} names no record.`);
      [, this.next] = value;
    } catch (fault) {
      if (!(fault instanceof Mismatch)) throw fault;
      this.verdict.fail(fault.message);
      this.given = null;
    }
  }

  async check(index, id, leaf) {
    const opened = new Set();
    for (; this.next && this.next.index <= index; await this.advance()) {
      if (this.next.index < index) this.stray();
      else this.open(this.next, index, id, leaf, opened);
    }
    const hidden = Object.keys(leaf.c).filter((path) => !opened.has(path));
    this.redacted += hidden.length;
    if (hidden.length && this.redactions.size < MOST_REDACTIONS) this.redactions.set(id, hidden);
    this.takeDownErasure(leaf);
  }

  open(one, index, id, leaf, opened) {
    const [name, path, bad] = [called(index, id), one.path, [index, id]];
    if (opened.has(path)) this.verdict.fail(`${name}: ${quoted(path)} is disclosed twice.`, bad);
    else if (typeof path !== "string" || !has(leaf.c, path)) this.verdict.fail(`${name} has no commitment to ${quoted(path)}, which is disclosed.`, bad);
    else if (sealed(one) !== leaf.c[path]) this.verdict.fail(`${name}: what is disclosed as ${quoted(path)} is not what was recorded.`, bad);
    else this.disclosed += 1;
    opened.add(path);
  }

  stray() {
    this.verdict.fail(`${DISCLOSURES} speaks of record ${this.next.index}, out of order or where nothing was committed to.`);
  }

  // `object` is the record whose values were erased; `detail.paths` says which, or all.
  takeDownErasure(leaf) {
    if (leaf.action !== ERASED) return;
    const paths = isObject(leaf.detail) && Array.isArray(leaf.detail.paths) ? leaf.detail.paths : ["*"];
    const known = this.erased.get(String(leaf.object)) ?? [];
    this.erased.set(String(leaf.object), [...known, ...paths]);
  }

  async finish() {
    for (; this.next; await this.advance()) this.stray();
    let explained = 0;
    for (const [record, paths] of this.erased) {
      const hidden = this.redactions.get(record) ?? [];
      explained += paths.includes("*") ? hidden.length : hidden.filter((path) => paths.includes(path)).length;
    }
    if (!this.disclosed && !this.redacted) {
      this.verdict.say("No personal values belong to these records.");
      return;
    }
    const withheld = this.redacted - explained;
    if (withheld) this.verdict.leave(`${counted(withheld)} personal values are not here, and no record here tells that they were erased.`);
    const known = explained ? `, ${counted(explained)} of them by an erasure that is on record` : "";
    this.verdict.say(`${counted(this.disclosed)} personal values disclosed, as they were recorded; ${counted(this.redacted)} redacted${known}.`);
  }
}
