// Where a bundle holds hashes in place of records, and what its records tell of months that retention dropped.
import { isObject } from "./bytes.js";

const MONTH = /^([0-9]{4})-(0[1-9]|1[0-2])/;

export class Gaps {
  constructor(begin) {
    Object.assign(this, { next: begin, gaps: [], told: [] }); // told: begin, end, and how many of these at most
  }

  passBy(index) {
    if (index > this.next) this.gaps.push([this.next, index]);
    this.next = index + 1;
  }

  // What is not told as retention tells it explains nothing.
  takeDown(leaf, origin, size) {
    const { detail } = leaf;
    if (!isObject(detail) || !Array.isArray(detail.trees) || !isOld(leaf.object, leaf.ts)) return;
    for (const tree of detail.trees.filter((one) => isObject(one) && one.origin === origin)) {
      const numbers = [tree.begin, tree.end, tree.records, detail.records];
      if (!numbers.every((one) => Number.isSafeInteger(one) && one >= 0 && one <= size)) continue;
      this.told.push([tree.begin, tree.end, Math.min(tree.records, detail.records)]);
    }
  }

  // The first missing record that was not told to be dropped; the first of all where fewer were told.
  unexplained(end) {
    this.passBy(end);
    const sum = (numbers) => numbers.reduce((one, other) => one + other, 0);
    if (sum(this.gaps.map(([one, other]) => other - one)) > sum(this.told.map(([, , count]) => count))) return this.gaps[0][0];
    const told = this.told.toSorted(([one], [other]) => one - other);
    let [at, reached] = [0, 0];
    for (const [begin, behind] of this.gaps) {
      reached = Math.max(reached, begin);
      for (; at < told.length && told[at][0] <= reached; at += 1) reached = Math.max(reached, told[at][1]);
      if (reached < behind) return reached;
    }
    return null;
  }
}

// Whether six whole months lie between this month and the moment: none is dropped sooner.
function isOld(month, moment) {
  const [first, then] = [month, moment].map((one) => (typeof one === "string" ? MONTH.exec(one) : null)).map((one) => one && one[1] * 12 + Number(one[2]));
  return first !== null && then !== null && then - first > 6 && month.length === 7;
}
