// Checks an exported bundle in the browser, as `audit/verify.py` does outside of it: the same questions, in the same order,
// with the same answers.
import { KeyNeeded, Mismatch, counted, equal, quoted, unbase64 } from "./bytes.js";
import { DECISIONS, checkDecision } from "./decisions.js";
import { Disclosures } from "./disclosures.js";
import { Gaps } from "./gaps.js";
import { BUNDLED, KEPT, checkHistory } from "./history.js";
import {
  DECIDED, HASHES, INDEXES, KnownHashes, LEAVES, Ledger, MANIFEST, Manifest, PRUNED, Places, RESTORED, REVOKED, called, idOf, isRemarkable, readLeaf,
} from "./leaves.js";
import { NOT_CHECKED, Policy, checkSignatures, isEarlier, parseCheckpoint, parseNote } from "./notes.js";
import { RangeCheck, leafHash } from "./tree.js";
import { ASPECTS, Verdict, momentOf } from "./verdicts.js";
import { Unreadable } from "./zip.js";

const REQUIRED = [LEAVES, "range-proof.txt", "checkpoint"];
const MOST_COMPARED = 1_000_000;

export class Verification {
  // `given`: { keys: [VKey], policy: Policy or null, since: a checkpoint that the auditor has kept, progress(records) }
  static async of(source, given = {}) {
    if (!source.has(MANIFEST)) throw new Unreadable(`This is not a bundle: ${MANIFEST} is missing.`);
    try {
      return new Verification(source, new Manifest(await source.text(MANIFEST)), given);
    } catch (fault) {
      throw fault instanceof Mismatch ? new Unreadable(`This is not a bundle: ${fault.message}`) : fault;
    }
  }

  constructor(source, manifest, { keys = [], policy = null, since = "", progress = () => {} }) {
    Object.assign(this, { source, manifest, keys, policy, since, progress });
    this.verdicts = Object.fromEntries(ASPECTS.map((aspect) => [aspect, new Verdict()]));
    Object.assign(this, { checkpoint: null, note: "", allKeys: [], logKeys: [], decided: new Map(), revoked: new Map(), roots: new Map() });
    Object.assign(this, { restored: null, firstFault: null, records: 0, readAll: false, proven: false, gaps: new Gaps(manifest.begin) });
  }

  async run() {
    const { integrity, identity, disclosures, decisions } = this.verdicts;
    await integrity.fails(() => this.checkFiles());
    await identity.fails(() => this.checkIdentity());
    if (!this.checkpoint) {
      for (const aspect of ASPECTS) {
        if (aspect !== "identity") this.verdicts[aspect].fail("There is no checkpoint to check this against.");
      }
      return this;
    }
    await this.verdicts.witnesses.fails(() => this.checkWitnesses());
    const earlier = await this.readEarlier();
    const opened = new Disclosures(this.source, disclosures);
    await opened.advance();
    await integrity.fails(() => this.checkRange(earlier.map(([, old]) => old.size), opened));
    if (this.readAll) await opened.finish();
    else disclosures.fail("They could not be checked, because the records could not be read.");
    this.judgeCompleteness();
    await checkHistory(this, earlier);
    await decisions.fails(() => this.checkDecisions());
    return this;
  }

  get failed() {
    return Object.values(this.verdicts).some((verdict) => verdict.problems.length);
  }

  get firstBad() {
    const found = Object.values(this.verdicts).map((verdict) => verdict.firstBad).filter(Boolean);
    return found.sort(([one, id], [other, name]) => one - other || (id < name ? -1 : 1))[0] ?? null;
  }

  // Everything but the leaves, whose digest is taken while they are read.
  async checkFiles() {
    const [{ integrity }, { files }] = [this.verdicts, this.manifest];
    for (const name of [...this.source.files.keys()].sort()) {
      if (name !== MANIFEST && !files.has(name)) integrity.fail(`${name} is in the bundle, and the manifest does not list it.`);
    }
    for (const name of REQUIRED.toSorted()) if (!files.has(name)) integrity.fail(`The manifest does not list ${name}.`);
    for (const name of [...files.keys()].sort()) {
      if (name === LEAVES) continue;
      await integrity.fails(async () => {
        if (!this.manifest.lists(name, await this.source.digest(name))) integrity.fail(`${name} is not the file that the manifest lists.`);
      });
    }
  }

  async bundledPolicy() {
    return this.source.has("policy") ? new Policy(await this.source.text("policy")) : null;
  }

  async checkIdentity() {
    this.note = await this.source.text("checkpoint");
    const [note, { manifest }, verdict] = [parseNote(this.note), this, this.verdicts.identity];
    const checkpoint = (this.checkpoint = parseCheckpoint(note.body));
    if (manifest.origin !== checkpoint.origin || manifest.size !== checkpoint.size) {
      this.verdicts.integrity.fail(
        `The checkpoint is of ${checkpoint.origin} with ${counted(checkpoint.size)} records, ` +
          `and the manifest tells of ${manifest.origin} with ${counted(manifest.size)}.`,
      );
    }
    const { pinned } = this;
    const keys = pinned.length ? pinned : ((await this.bundledPolicy())?.logs ?? []);
    this.allKeys = keys; // of the log and its earlier trees
    this.logKeys = keys.filter((vkey) => vkey.name === checkpoint.origin);
    if (!this.logKeys.length) {
      const names = [...new Set(keys.map(({ name }) => name))].sort().join(", ") || "no log";
      throw new Mismatch(`This is the log ${checkpoint.origin}, and there are only keys of ${names}.`);
    }
    const { verified, unchecked } = await checkSignatures(note, this.logKeys);
    if (!verified.length) throw new Mismatch(unchecked.length ? NOT_CHECKED : `The checkpoint is not signed by a key of ${checkpoint.origin}.`);
    for (const { vkey } of verified) {
      if (pinned.length) verdict.say(`Signed by the log with the key that you gave: ${vkey}`);
      else verdict.leave(`Signed, but the key is not pinned: compare it with the key you were given: ${vkey}`);
    }
    for (const vkey of unchecked) verdict.say(`Not checked: the signature with the ML-DSA-44 key ${vkey.id}; it needs verify.py with the package cryptography.`);
  }

  async checkWitnesses() {
    const verdict = this.verdicts.witnesses;
    const policy = this.policy ?? (await this.bundledPolicy());
    if (!policy) {
      verdict.leave("Not checked: there is no policy that names witnesses.");
      return;
    }
    const { verified, unchecked } = await checkSignatures(parseNote(this.note), policy.witnesses.values());
    for (const [name, vkey] of policy.witnesses) {
      const seen = verified.find((one) => one.vkey.same(vkey));
      if (seen) verdict.say(`${name} (${vkey.name}) saw this checkpoint ${momentOf(seen.moment)}.`);
      else if (unchecked.some((one) => one.same(vkey))) verdict.say(`Not checked: the ML-DSA-44 cosignature of ${name}; it needs verify.py with the package cryptography.`);
    }
    if (!policy.satisfied(verified.map(({ vkey }) => vkey))) {
      throw new Mismatch(`The quorum ${policy.quorum} is not reached: ${verified.length} of ${policy.witnesses.size} witnesses have cosigned.`);
    }
    const receipts = [...this.source.files.keys()].filter((name) => name.startsWith("anchors/")).length;
    if (receipts) verdict.say(`Not checked: ${counted(receipts)} receipts of anchors.`);
    if (policy.quorum === "none" && this.policy) verdict.say("Your policy asks for no witness.");
    else if (policy.quorum === "none") verdict.leave("The log asks for no witness.");
    else if (!this.policy) verdict.leave("Which witnesses count says the bundle itself: give your own policy to say it yourself.");
  }

  // The checkpoints that this one has to continue; each must be signed by the same log.
  async readEarlier() {
    const [texts, earlier, { history }] = [[[KEPT, this.since]], [], this.verdicts];
    if (this.source.has("previous-checkpoint")) {
      await history.fails(async () => texts.push([BUNDLED, await this.source.text("previous-checkpoint")]));
    }
    for (const [what, text] of texts.filter(([, one]) => one)) {
      try {
        earlier.push([what, await this.sameLog(parseNote(text))]);
      } catch (fault) {
        if (!(fault instanceof Mismatch)) throw fault;
        history.fail(`Of ${what}: ${fault.message}`);
      }
    }
    return earlier;
  }

  async sameLog(note) {
    const old = parseCheckpoint(note.body);
    if (isEarlier(old.origin, this.checkpoint.origin)) {
      if (!(await checkSignatures(note, this.keysOf(old.origin))).verified.length) {
        throw new Mismatch(`it is of ${old.origin}, and not signed by a key that you gave for that (--key).`);
      }
      return old;
    }
    if (old.origin !== this.checkpoint.origin) throw new Mismatch(`it is of ${old.origin}, not of ${this.checkpoint.origin}.`);
    if (!(await checkSignatures(note, this.logKeys)).verified.length) throw new Mismatch("it is not signed by the key that signed the new one.");
    return old;
  }

  // Those that the auditor gave.
  keysOf(origin) {
    return this.pinned.filter((vkey) => vkey.name === origin);
  }

  get pinned() {
    return [...this.keys, ...(this.policy?.logs ?? [])];
  }

  async rangeProof() {
    const [header, place, ...rest] = (await this.source.text("range-proof.txt")).split("\n");
    const { begin, end, size } = this.manifest;
    const middle = rest.indexOf("");
    if (header !== "countersign-range@v1" || rest.at(-1) !== "" || middle === rest.length - 1) throw new Mismatch("range-proof.txt is not a range proof.");
    if (place !== `${begin} ${end} ${size}`) throw new Mismatch("The range proof is about another range than the manifest.");
    return [rest.slice(0, middle).map(unbase64), rest.slice(middle + 1, -1).map(unbase64)];
  }

  async checkRange(sizes, disclosures) {
    const [{ manifest }, { integrity }] = [this, this.verdicts];
    const range = new RangeCheck(manifest.begin, manifest.end, manifest.size, ...(await this.rangeProof()), sizes);
    const ledger = new Ledger(manifest.chunks);
    const differs = await this.readLeaves(range, ledger, disclosures);
    this.readAll = true;
    const found = await ledger.finish();
    if (!manifest.lists(LEAVES, found)) integrity.fail(`${LEAVES} is not the file that the manifest lists.`);
    try {
      range.finish(this.checkpoint.root);
    } catch (fault) {
      if (!(fault instanceof Mismatch)) throw fault;
      await this.blame(fault.message, found.damaged, differs);
      return;
    }
    [this.roots, this.proven] = [range.roots, !differs];
    if (differs) integrity.fail(`${called(...differs)} was altered: the log has another hash at this place.`, differs);
    else if (this.firstFault) integrity.fail(`${called(...this.firstFault.bad)} ${this.firstFault.text}.`, this.firstFault.bad);
    else integrity.say(`${counted(this.records)} records are what the log held when it signed its checkpoint.`);
  }

  // The first leaf, if any, that has another hash than `hashes.bin` says.
  async readLeaves(range, ledger, disclosures) {
    const { source, manifest } = this;
    const known = source.has(HASHES) ? new KnownHashes(source, range, manifest.begin, manifest.end) : null;
    const places = new Places(source, manifest);
    let differs = null;
    for await (const lines of source.lines(LEAVES, (bytes) => ledger.update(bytes))) {
      const block = [];
      for (const line of lines) block.push([places.parts ? await places.take() : places.next++, line]);
      for (const [index, line] of block) {
        if (places.parts && !manifest.chosenBy) this.gaps.passBy(index);
        const hash = leafHash(line);
        if (!known) range.append(hash);
        else if (!equal(hash, await known.at(index))) differs ??= [index, idOf(readLeaf(line, manifest.log)[0])];
      }
      for (const [index, line] of block) {
        const [leaf, wrong] = readLeaf(line, manifest.log);
        if (wrong) this.firstFault ??= { bad: [index, idOf(leaf)], text: wrong };
        else if (isRemarkable(leaf)) await this.takeDown(index, leaf, disclosures);
      }
      this.records += lines.length;
      this.progress(this.records);
    }
    await known?.finish();
    await places.finish();
    return differs;
  }

  async takeDown(index, leaf, disclosures) {
    await disclosures.check(index, idOf(leaf), leaf);
    if (leaf.action === DECIDED) this.decided.set(index, leaf);
    if (leaf.action === RESTORED && index === 0) this.restored = leaf;
    if (leaf.action === PRUNED) this.gaps.takeDown(leaf, this.manifest.origin, this.manifest.size);
    if (leaf.action === REVOKED && !this.revoked.has(String(leaf.object))) this.revoked.set(String(leaf.object), index);
  }

  // The range as a whole is not what was signed: say as much as can be known about where.
  async blame(fault, damaged, differs) {
    const { integrity } = this.verdicts;
    const twice = differs || this.firstFault || this.source.has(INDEXES) ? null : await this.firstDuplicate();
    if (differs) integrity.fail(`${fault} ${called(...differs)} has another hash than ${HASHES} says.`, differs);
    else if (this.firstFault) integrity.fail(`${fault} ${called(...this.firstFault.bad)} ${this.firstFault.text}.`, this.firstFault.bad);
    else if (twice) integrity.fail(`${fault} ${called(...twice.bad)} ${twice.text}.`, twice.bad);
    else {
      const { begin, end } = damaged ?? this.manifest;
      integrity.fail(`${fault} Some record between ${counted(begin)} and ${counted(end - 1)} was altered, dropped, added or moved.`);
    }
  }

  // An id, or a writer's number, that was there before. Only looked for when something is wrong.
  async firstDuplicate() {
    const seen = new Set();
    let index = this.manifest.begin - 1;
    for await (const lines of this.source.lines(LEAVES)) {
      for (const line of lines) {
        index += 1;
        const [leaf] = readLeaf(line, this.manifest.log);
        const keys = { id: leaf?.id, number: leaf?.writer && JSON.stringify([leaf.writer.id, leaf.writer.seq]) };
        for (const [name, key] of Object.entries(keys)) {
          if (seen.has(`${name} ${key}`)) return { bad: [index, idOf(leaf)], text: `repeats the ${name} of an earlier one` };
          if (key) seen.add(`${name} ${key}`);
        }
        if (seen.size > MOST_COMPARED) return null;
      }
    }
    return null;
  }

  judgeCompleteness() {
    const [verdict, { manifest, records, readAll, checkpoint }] = [this.verdicts.completeness, this];
    const [asked, last, held] = [manifest.end - manifest.begin, manifest.end - 1, counted(records)];
    const range = `from ${counted(manifest.begin)} to ${counted(last)}`;
    if (manifest.records !== records && readAll) verdict.fail(`The manifest tells of ${counted(manifest.records)} records, and the bundle holds ${held}.`);
    if (!this.source.has(INDEXES) && records !== asked && readAll) verdict.fail(`The range has ${counted(asked)} records, and the bundle holds ${held}.`);
    if (!this.proven) verdict.fail("Nothing is known about completeness while the records do not lead to the signed root.");
    else if (records === asked) verdict.say(asked ? `Complete: all ${counted(asked)} records ${range}.` : "The range is empty.");
    else if (manifest.chosenBy) {
      verdict.say(
        `Range complete, filter asserted: ${held} of the ${counted(asked)} records ${range}, chosen by ${manifest.chosenBy}. ` +
          "The others are there as hashes; that none of them fits the filter, the exporter says.",
      );
    } else {
      this.judgeMissing(`${counted(asked - records)} of the ${counted(asked)} records ${range} are there only as hashes`);
    }
    if (manifest.end < checkpoint.size) {
      verdict.say(`The log held ${counted(checkpoint.size)} records; ${counted(checkpoint.size - manifest.end)} newer ones were not asked for.`);
    }
  }

  // A record that tells of a dropped month comes after all of that month: it is newer than some ranges, and may stand in the
  // next tree where this one was closed.
  judgeMissing(text) {
    const [{ completeness }, { end, size, told }, first] = [this.verdicts, this.manifest, this.gaps.unexplained(this.manifest.end)];
    if (first === null) completeness.leave(`${text}: retention dropped them, as records of this bundle tell.`);
    else if (end < size || told.closed === true) {
      completeness.leave(`${text}, and no filter says why. Retention may have removed them; what would tell of it comes after this range.`);
    } else {
      completeness.fail(
        `${text}, and neither a filter nor a record of this bundle says why, of record ${counted(first)} for one. ` +
          "If a month was being dropped when this was written, another export says so.",
        [first, ""],
      );
    }
  }

  async checkDecisions() {
    const [verdict, levels, left] = [this.verdicts.decisions, new Map(), new Map(this.decided)];
    if (!this.readAll) throw new Mismatch("The decisions could not be checked, because the records could not be read.");
    const count = (level) => levels.set(level, (levels.get(level) ?? 0) + 1);
    if (this.source.has(DECISIONS)) {
      for await (const [number, entry] of this.source.documents(DECISIONS)) {
        const leaf = left.get(entry.index);
        if (!leaf) verdict.fail(`Line ${number} of ${DECISIONS} speaks of record ${quoted(entry.index)}, no decision here.`);
        else await this.checkOneDecision(entry, leaf, count);
        left.delete(entry.index);
      }
    }
    for (const [index, leaf] of left) {
      const [level, bad] = [levelOf(leaf), [index, idOf(leaf)]];
      if (level === "passkey") verdict.fail(`${called(...bad)} was signed with a passkey, and ${DECISIONS} does not hold it.`, bad);
      else count(`${level}, without payload`);
    }
    const told = [...levels].sort(([one], [other]) => (one < other ? -1 : 1)).map(([level, number]) => `${counted(number)} by ${level}`);
    verdict.say(told.length ? `Decisions: ${told.join(", ")}.` : "There are no decisions among these records.");
  }

  async checkOneDecision(entry, leaf, count) {
    const bad = [entry.index, idOf(leaf)];
    try {
      const level = await checkDecision(entry, leaf, this.checkpoint, this.allKeys);
      if ((this.revoked.get(String(entry.passkey)) ?? bad[0]) < bad[0]) throw new Mismatch("the passkey had been revoked before.");
      count(level);
    } catch (fault) {
      if (!(fault instanceof Mismatch)) throw fault;
      if (fault instanceof KeyNeeded) this.verdicts.decisions.leave(`${called(...bad)}: ${fault.message}`);
      else this.verdicts.decisions.fail(`${called(...bad)}: ${fault.message}`, bad);
    }
  }
}

const levelOf = (leaf) => String(leaf.decision?.level ?? "unknown means");
