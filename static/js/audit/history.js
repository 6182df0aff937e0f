// Whether the log continues what was kept of it, also beyond a restore.
import { Mismatch, counted, equal, unbase64 } from "./bytes.js";
import { parseCheckpoint, parseNote } from "./notes.js";
import { checkOpened, checkRestored } from "./restores.js";
import { checkConsistency } from "./tree.js";

export const [KEPT, BUNDLED] = ["the checkpoint you kept", "the earlier checkpoint in the bundle"];

export async function checkHistory(verification, earlier) {
  const { history } = verification.verdicts;
  for (const [what, old] of earlier) {
    try {
      if (old.origin !== verification.checkpoint.origin) await followRestore(verification, what, old);
      else history.say(`Nothing was rewritten since ${what} (${counted(old.size)} records): ${await checkContinues(verification, what, old)}.`);
    } catch (fault) {
      if (!(fault instanceof Mismatch)) throw fault;
      history.fail(`Of ${what} (${counted(old.size)} records): ${fault.message}`);
    }
  }
  const { origin } = verification.checkpoint;
  if (verification.restored && verification.proven && earlier.every(([, old]) => old.origin === origin)) {
    try {
      history.say(await checkOpened(verification.restored, origin));
    } catch (fault) {
      if (!(fault instanceof Mismatch)) throw fault;
      history.fail(`Of ${origin}, which was opened after a restore: ${fault.message}`, [0, ""]);
    }
  }
  if (!verification.since && !history.problems.length) history.leave("No earlier checkpoint of your own was given.");
}

async function followRestore(verification, what, old) {
  const { history } = verification.verdicts;
  if (!verification.proven) throw new Mismatch("nothing is known about it while the records do not lead to the signed root.");
  if (!verification.restored) {
    throw new Mismatch(
      `it is of ${old.origin}, and there is no leaf 0 here that tells how the log went on after it. Export from the beginning, without a filter.`,
    );
  }
  const [end, how] = await checkRestored(verification.restored, old, verification.checkpoint.origin, verification.keysOf(old.origin));
  history.say(`Since ${what} the log goes on after a restore: ${how}.`);
  if (old.size < end) {
    history.leave(
      `Not shown here: that these ${counted(end)} began with the ${counted(old.size)} of ${what}. Check a bundle of ${old.origin} with it as well.`,
    );
  }
}

// How it was found out.
async function checkContinues(verification, what, old) {
  const { checkpoint } = verification;
  if (old.size > checkpoint.size) throw new Mismatch(`it is newer than the one of the bundle, which has ${counted(checkpoint.size)} records.`);
  if (verification.roots.has(old.size) && what !== BUNDLED) {
    if (!equal(verification.roots.get(old.size), old.root)) throw new Mismatch("the log was rewritten: these records lead to another root than it was signed with.");
    return "the records of the bundle lead to its root";
  }
  const proof = await consistencyProof(verification, old);
  if (!proof && old.size > 0 && old.size < checkpoint.size) {
    throw new Mismatch("the bundle does not prove that it continues this. Export again, and hand this checkpoint in.");
  }
  try {
    checkConsistency(old.size, checkpoint.size, old.root, checkpoint.root, proof ?? []);
  } catch (fault) {
    if (!(fault instanceof Mismatch)) throw fault;
    throw new Mismatch(`the bundle does not continue it; the log may have been rewritten. ${fault.message}`);
  }
  return proof?.length ? "by the consistency proof" : "it is the same tree";
}

// That of the bundle, when it begins at a tree of this size.
async function consistencyProof({ source }, old) {
  if (!source.has("previous-checkpoint") || !source.has("consistency.txt")) return null;
  const before = parseCheckpoint(parseNote(await source.text("previous-checkpoint")).body);
  if (before.origin !== old.origin || before.size !== old.size) return null;
  const lines = (await source.text("consistency.txt")).split("\n");
  if (lines.pop()) throw new Mismatch("consistency.txt does not end with a whole line.");
  return lines.map(unbase64);
}
