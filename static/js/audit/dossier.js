// Checks a dossier: one action, with the documents that people signed, its records, and their proofs to one checkpoint; after a
// restore to two or more, of trees that follow each other. What the file shows is either under one of these digests or in one of
// these records, or is said to be under none.
import { Mismatch, canonical, concat, counted, decode, encode, has, hex, isObject, jsonObject, unbase64 } from "./bytes.js";
import { checkDecision } from "./decisions.js";
import { sealed } from "./disclosures.js";
import { DECIDED, REVOKED, called } from "./leaves.js";
import { NOT_CHECKED, Policy, checkSignatures, parseCheckpoint, parseNote } from "./notes.js";
import { sha256 } from "./sha256.js";
import { checkInclusion, leafHash } from "./tree.js";
import { Verdict, momentOf } from "./verdicts.js";

export const QUESTIONS = {
  records: "Records", identity: "Identity of the log", witnesses: "Witnesses", decisions: "Decisions", shown: "What was shown and agreed", sent: "What was sent",
};
const FORMAT = "countersign-dossier/2";
const PROPOSED = "approvals:action:proposed";
const SENDING = "integrations:call:sending";
const SETTLING = ["approvals:action:held", "approvals:action:permitted", "approvals:action:executing"];

const digestOf = (tag, document) => hex(sha256(encode(`countersign/${tag}/v1\0`), encode(canonical(document))));

export class DossierCheck {
  // `keys`: VKeys that were given in a safe way; without any, those of the file itself are named to be compared.
  constructor(given, keys = []) {
    if (!isObject(given) || given.format !== FORMAT) throw new Mismatch(`This program reads ${FORMAT}.`);
    // Leaves are numbered as they lie in the file, in the order of the log; `placed` has their places in the trees.
    Object.assign(this, { given, keys, trees: [], leaves: new Map(), placed: new Map(), told: new Map(), signed: [], digests: {} });
    this.verdicts = Object.fromEntries(Object.keys(QUESTIONS).map((name) => [name, new Verdict()]));
  }

  async run() {
    const { records, identity, witnesses, decisions, shown, sent } = this.verdicts;
    await identity.fails(() => guarded(() => this.checkIdentity()));
    if (!this.trees.length) {
      for (const verdict of Object.values(this.verdicts)) if (verdict !== identity) verdict.fail("There is no checkpoint to check this against.");
      return this;
    }
    await witnesses.fails(() => guarded(() => this.checkWitnesses()));
    await records.fails(() => guarded(() => this.checkRecords()));
    await decisions.fails(() => guarded(() => this.checkDecisions()));
    await shown.fails(() => guarded(() => this.checkShown()));
    await sent.fails(() => guarded(() => this.checkSent()));
    return this;
  }

  get failed() {
    return Object.values(this.verdicts).some((verdict) => verdict.problems.length);
  }

  async checkIdentity() {
    const trees = this.given.trees.map(({ checkpoint, policy }) => {
      const note = parseNote(checkpoint);
      return { note, policy: new Policy(policy), ...parseCheckpoint(note.body) };
    });
    const numbers = trees.map(({ origin }) => Number(origin.slice(origin.lastIndexOf("/") + 1)));
    this.log = trees[0].origin.slice(0, Math.max(0, trees[0].origin.lastIndexOf("/")));
    if (trees.some(({ origin }, at) => origin !== `${this.log}/${numbers[at]}` || numbers[at] <= numbers[at - 1])) {
      throw new Mismatch("The checkpoints are not of trees of one log that follow each other.");
    }
    this.trees = trees;
    for (const tree of trees) await this.checkSigned(tree);
    if (trees.length > 1) this.verdicts.identity.say(`The log went on after a restore: ${trees.map(({ origin }) => origin).join(", ")}.`);
  }

  async checkSigned({ note, policy, origin }) {
    const verdict = this.verdicts.identity;
    const keys = (this.keys.length ? this.keys : policy.logs).filter(({ name }) => name === origin);
    if (!keys.length) throw new Mismatch(`This is the log ${origin}, and there is no key of it.`);
    const { verified, unchecked } = await checkSignatures(note, keys);
    if (!verified.length) throw new Mismatch(unchecked.length ? NOT_CHECKED : `The checkpoint is not signed by a key of ${origin}.`);
    for (const { vkey } of verified) {
      if (this.keys.length) verdict.say(`Signed by the log with the key that you gave: ${vkey}`);
      else verdict.leave(`Signed, but the key is not pinned: compare it with the key you were given: ${vkey}`);
    }
  }

  async checkWitnesses() {
    const verdict = this.verdicts.witnesses;
    for (const { note, policy, origin } of this.trees) {
      const { verified } = await checkSignatures(note, policy.witnesses.values());
      const which = this.trees.length > 1 ? `the checkpoint of ${origin}` : "this checkpoint";
      for (const { vkey, moment } of verified) verdict.say(`${vkey.name} saw ${which} ${momentOf(moment)}.`);
      if (!policy.satisfied(verified.map(({ vkey }) => vkey))) throw new Mismatch("A witness that the file names has not cosigned.");
      if (!verified.length) verdict.leave(`No witness has seen ${which}.`);
    }
  }

  // Each record stands in the log where it is said to stand, and has the values that are disclosed.
  checkRecords() {
    const verdict = this.verdicts.records;
    const ordered = [...this.given.records].sort((one, other) => one.tree - other.tree || one.index - other.index);
    for (const [place, { tree, index, leaf, proof }] of ordered.entries()) {
      try {
        const { size, root } = this.trees[tree];
        checkInclusion(index, size, leafHash(encode(leaf)), proof.map(unbase64), root);
        const told = jsonObject(leaf, "the leaf");
        if (told.log !== this.log) throw new Mismatch("it belongs to another log.");
        this.leaves.set(place, told);
        this.placed.set(place, { tree, index, text: leaf });
      } catch (fault) {
        if (!(fault instanceof Mismatch || fault instanceof TypeError)) throw fault;
        verdict.fail(`${called(index, idIn(leaf))}: ${fault.message}`, [index, idIn(leaf)]);
      }
    }
    for (const one of this.given.disclosures) this.open(one);
    if (!this.ofAction.length) verdict.fail("No record that is proven here is about the action of this file.");
    const sizes = this.trees.map(({ size }) => counted(size)).join(" and ");
    verdict.say(`${counted(this.leaves.size)} records stand in the log, which held ${sizes} when it was signed.`);
    verdict.say("That there are no others about this action, only an export of the whole log proves.");
  }

  open(one) {
    const place = this.placeOf(one);
    const leaf = this.leaves.get(place);
    if (!leaf) return;
    if (!isObject(leaf.c) || !has(leaf.c, one.path) || sealed(one) !== leaf.c[one.path]) {
      this.verdicts.records.fail(`${called(one.index, leaf.id)}: what is disclosed as '${one.path}' is not what was recorded.`, [one.index, leaf.id]);
    } else {
      this.told.set(`${place} ${one.path}`, one.value);
    }
  }

  placeOf({ tree, index }) {
    return [...this.placed.keys()].find((place) => this.placed.get(place).tree === tree && this.placed.get(place).index === index);
  }

  // The index, with the tree where there are several.
  index(place) {
    const { tree, index } = this.placed.get(place);
    return this.trees.length > 1 ? `${index} of ${this.trees[tree].origin}` : index;
  }

  bad(place) {
    return [this.index(place), this.leaves.get(place).id];
  }

  // A personal value of a record, if it is disclosed and fits.
  personal(place, path) {
    return this.told.get(`${place} ${path}`) ?? null;
  }

  of(kind) {
    return [...this.leaves].filter(([, leaf]) => leaf.action === kind);
  }

  // What the log says of the action itself; records of looking at it say nothing.
  get ofAction() {
    return [...this.leaves].filter(([, leaf]) => leaf.object === this.given.action && leaf.action.startsWith("approvals:action:"));
  }

  // The same since it was proposed, or changed, for the last time.
  get ofVersion() {
    const told = this.ofAction;
    return told.slice(Math.max(0, told.findLastIndex(([, leaf]) => leaf.action === PROPOSED)));
  }

  // About what it was before somebody changed it. The version that is shown is the last one that anybody signed, or
  // made by a change.
  isEarlier(said) {
    const versions = this.signed.map(({ revision, decision }) => revision + (decision === "change" ? 1 : 0));
    return said.revision < Math.max(...versions) || said.decision === "change";
  }

  async checkDecisions() {
    const [verdict, { given }] = [this.verdicts.decisions, this];
    const entries = new Map(given.decisions.map((entry) => [this.placeOf(entry), entry]));
    for (const [place, leaf] of this.of(DECIDED)) {
      const bad = this.bad(place);
      try {
        const entry = entries.get(place);
        if (!entry) throw new Mismatch("what was signed is not in this file.");
        const level = await this.checkDecided(entry, leaf);
        if (leaf.detail.of !== given.action) throw new Mismatch("it is about another action.");
        if (this.of(REVOKED).some(([at, one]) => one.object === entry.passkey && at < place)) throw new Mismatch("the passkey had been revoked before.");
        const said = jsonObject(unbase64(entry.payload), "the payload");
        this.checkComment(place, leaf, said);
        this.checkName(place, said);
        this.signed.push(said);
        verdict.say(`${this.decider(place, leaf, said)} decided: ${leaf.decision.effect}, by ${level}. ${level === "passkey" ? "The signature is right." : "There is no signature that an outsider can check."}`);
      } catch (fault) {
        if (!(fault instanceof Mismatch)) throw fault;
        verdict.fail(`${called(...bad)}: ${fault.message}`, bad);
      }
      entries.delete(place);
    }
    for (const { index } of entries.values()) verdict.fail(`A decision is said to stand at record ${index}, and none does.`);
    if (!this.of(DECIDED).length) verdict.leave("No record here tells that somebody decided.");
  }

  // "Bo for Ada" where somebody signed in another's place.
  decider(place, leaf, said) {
    const name = said.name ?? this.personal(place, "name") ?? leaf.actor.id;
    const other = leaf.detail.on_behalf_of;
    return other ? `${name} for ${this.personal(place, "in_place_of") ?? other}` : name;
  }

  // A passkey that was enrolled in an earlier tree was enrolled before.
  checkDecided(entry, leaf) {
    const tree = entry.enrolled?.tree ?? entry.tree;
    const index = tree < entry.tree ? Infinity : tree === entry.tree ? entry.index : -Infinity;
    return checkDecision({ ...entry, index }, leaf, this.trees[tree]);
  }

  checkComment(place, leaf, said) {
    const reason = isObject(leaf.c) && has(leaf.c, "reason") ? this.personal(place, "reason") : "";
    if (reason !== null && said.comment_digest !== hex(sha256(encode(String(reason))))) throw new Mismatch("the reason is not the one that was signed.");
  }

  checkName(place, said) {
    const recorded = this.personal(place, "name");
    if (has(said, "name") && recorded !== null && said.name !== recorded) throw new Mismatch("the printed name is not the one that was recorded.");
  }

  // The documents that are shown are those whose digests were signed, or recorded where nobody signed.
  checkShown() {
    const [verdict, { given }] = [this.verdicts.shown, this];
    const found = { render_digest: digestOf("rendering", given.rendering), evidence_digest: digestOf("evidence", given.evidence) };
    if (given.document) found.action_digest = digestOf("action", given.document);
    else verdict.leave("The operation was described anew since: the agreed arguments can no longer be put together here.");
    this.digests = found;
    for (const entry of given.decisions) {
      const said = jsonObject(unbase64(entry.payload), "the payload");
      if (this.isEarlier(said)) continue;
      const wrong = Object.keys(found).find((name) => said[name] !== found[name]);
      if (wrong) verdict.fail(`${TITLES[wrong]} in this file is not what was signed.`, [entry.index, this.leaves.get(this.placeOf(entry))?.id ?? ""]);
    }
    for (const [place, leaf] of this.ofVersion) {
      const recorded = SETTLING.includes(leaf.action) ? leaf.detail.action_digest : undefined;
      if (recorded && found.action_digest && recorded !== found.action_digest) verdict.fail(`${called(...this.bad(place))} tells of another action.`, this.bad(place));
    }
    const context = given.rendering.context ? digestOf("context", given.rendering.context) : "";
    for (const [place, leaf] of this.ofVersion) {
      const recorded = leaf.detail?.context_digest;
      if (recorded !== undefined && recorded !== context) verdict.fail(`${called(...this.bad(place))} tells of another context.`, this.bad(place));
    }
    const signed = this.signed.filter((said) => !this.isEarlier(said)).length;
    const earlier = this.signed.length - signed;
    if (earlier) verdict.say(`${counted(earlier)} ${earlier === 1 ? "decision was" : "decisions were"} about an earlier version, which was changed then. No vote for it counts for what is shown.`);
    if (signed && !verdict.problems.length) verdict.say(`Sentence, changes and evidence${given.document ? ", and all arguments," : ""} are those that ${counted(signed)} signed ${signed === 1 ? "payload names" : "payloads name"}.`);
    if (!signed) verdict.leave("Nothing here proves that somebody signed what is shown.");
  }

  // The digest of the request: from a record of the action, or from the document, where a decision that holds names it.
  get agreed() {
    const recorded = this.ofVersion.find(([, leaf]) => SETTLING.includes(leaf.action) && leaf.detail.request_digest);
    if (recorded) return recorded[1].detail.request_digest;
    const { document: named } = this.given;
    return named && this.signed.some((said) => said.action_digest === this.digests.action_digest) ? named.request_digest : undefined;
  }

  // The request as it was agreed is the one that each attempt was about to write.
  checkSent() {
    const [verdict, { given, agreed }] = [this.verdicts.sent, this];
    const attempts = this.of(SENDING);
    for (const [place, leaf] of attempts) {
      if (leaf.detail.call_action !== given.action) verdict.fail(`${called(...this.bad(place))} is about another action.`, this.bad(place));
    }
    if (!agreed) {
      verdict.leave("Nothing here proves which request was agreed.");
      return;
    }
    if (given.request) {
      const parts = { ...given.request, body: hex(sha256(unbase64(given.request.body))) };
      if (digestOf("request", parts) !== agreed) throw new Mismatch("The request in this file is not the one that was agreed.");
      verdict.say("The request below is the one that was agreed, to the last byte; without the credential, which is in no file.");
    }
    for (const [place, leaf] of attempts) {
      if (leaf.detail.request_digest !== agreed) verdict.fail(`${called(...this.bad(place))}: another request was sent than agreed.`, this.bad(place));
      else verdict.say(`Attempt ${leaf.detail.attempt}: record ${this.index(place)} was written before the first byte, with the same digest.`);
    }
    if (!attempts.length) verdict.say("No record here tells that anything with an effect was sent.");
  }
}

const TITLES = { render_digest: "What is shown", evidence_digest: "The evidence", action_digest: "The action" };

// What is missing or not of its kind does not fit either.
async function guarded(work) {
  try {
    await work();
  } catch (fault) {
    throw fault instanceof TypeError ? new Mismatch(`Something is missing or not of its kind (${fault.message}).`) : fault;
  }
}

function idIn(leaf) {
  try {
    return String(JSON.parse(leaf).id ?? "");
  } catch {
    return "";
  }
}

export const bodyText = (request) => decode(unbase64(request.body));
