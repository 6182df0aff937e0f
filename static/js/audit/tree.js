// Merkle trees of RFC 6962: proofs checked. Indexes and sizes are numbers up to 2⁵³, so no bit operations on them.
import { Mismatch, equal } from "./bytes.js";
import { sha256 } from "./sha256.js";

const [LEAF, NODE] = [Uint8Array.of(0), Uint8Array.of(1)];
export const EMPTY = sha256();

export const leafHash = (leaf) => sha256(LEAF, leaf);
export const nodeHash = (left, right) => sha256(NODE, left, right);
const half = (number) => Math.floor(number / 2);
const odd = (number) => number % 2 === 1;

// The largest complete subtrees, as [level, index], that together hold exactly the leaves [begin, end).
export function cover(begin, end) {
  const nodes = [];
  while (begin < end) {
    let level = 0;
    let width = 1;
    while (begin % (2 * width) === 0 && begin + 2 * width <= end) [level, width] = [level + 1, 2 * width];
    nodes.push([level, begin / width]);
    begin += width;
  }
  return nodes;
}

// The complete subtrees over the leaves [0, end): all that appending needs to know.
export class Frontier {
  end = 0;
  nodes = []; // { level, hash }, from left to right

  // The next complete subtree.
  push(level, hash) {
    if (this.end % 2 ** level) throw new Mismatch(`No subtree of level ${level} begins at leaf ${this.end}.`);
    this.end += 2 ** level;
    let last = { level, hash };
    while (this.nodes.at(-1)?.level === last.level) {
      last = { level: last.level + 1, hash: nodeHash(this.nodes.pop().hash, last.hash) };
    }
    this.nodes.push(last);
  }

  get root() {
    return this.nodes.length ? this.nodes.map(({ hash }) => hash).reduceRight((right, left) => nodeHash(left, right)) : EMPTY;
  }
}

// RFC 9162 §2.1.3.2; `leaf` is the leaf's hash.
export function checkInclusion(index, size, leaf, proof, root) {
  if (!(Number.isSafeInteger(index) && index >= 0 && index < size)) throw new Mismatch(`A tree of ${size} leaves has no leaf ${index}.`);
  let [place, last, reached] = [index, size - 1, leaf];
  for (const hash of proof) {
    if (last === 0) throw new Mismatch("The inclusion proof is too long.");
    if (odd(place) || place === last) {
      reached = nodeHash(hash, reached);
      while (!odd(place) && place !== 0) [place, last] = [half(place), half(last)];
    } else {
      reached = nodeHash(reached, hash);
    }
    [place, last] = [half(place), half(last)];
  }
  if (last || !equal(reached, root)) throw new Mismatch("The inclusion proof does not lead to this root.");
}

// RFC 9162 §2.1.4.2: the tree of `old` leaves is the beginning of the one of `now`.
export function checkConsistency(old, now, oldRoot, newRoot, proof) {
  if (old > now) throw new Mismatch(`A tree of ${old} leaves cannot grow into one of ${now}.`);
  if (old === 0 || old === now) {
    const differs = old === now ? !equal(oldRoot, newRoot) : !equal(oldRoot, EMPTY);
    if (proof.length || differs) throw new Mismatch(`Two different trees of ${old} leaves.`);
    return;
  }
  if (!proof.length) throw new Mismatch("The consistency proof is empty.");
  const path = cover(0, old).length === 1 ? [oldRoot, ...proof] : proof;
  let [place, last] = [old - 1, now - 1];
  while (odd(place)) [place, last] = [half(place), half(last)];
  let [before, after] = [path[0], path[0]];
  for (const hash of path.slice(1)) {
    if (last === 0) throw new Mismatch("The consistency proof is too long.");
    if (odd(place) || place === last) {
      [before, after] = [nodeHash(hash, before), nodeHash(hash, after)];
      while (!odd(place) && place !== 0) [place, last] = [half(place), half(last)];
    } else {
      after = nodeHash(after, hash);
    }
    [place, last] = [half(place), half(last)];
  }
  if (last || !equal(before, oldRoot) || !equal(after, newRoot)) {
    throw new Mismatch("The consistency proof does not lead from one tree to the other.");
  }
}

// The leaves of a range, as they come, between the two halves of its proof: the subtrees left and right of it. The
// roots at some sizes within the range are taken down on the way, to compare them with older checkpoints.
export class RangeCheck {
  constructor(begin, end, size, left, right, sizes) {
    if (!(begin >= 0 && begin <= end && end <= size)) throw new Mismatch(`[${begin}, ${end}) is not a part of ${size} leaves.`);
    const [before, behind] = [cover(0, begin), cover(end, size)];
    if (before.length !== left.length || behind.length !== right.length) throw new Mismatch("The range proof belongs to another range.");
    Object.assign(this, { begin, end, size, tree: new Frontier(), roots: new Map() });
    this.behind = behind.map(([level], at) => [level, right[at]]);
    this.sizes = new Set(sizes);
    before.forEach(([level], at) => this.tree.push(level, left[at]));
    this.takeDown();
  }

  append(hash) {
    this.tree.push(0, hash);
    this.takeDown();
  }

  takeDown() {
    if (this.sizes.has(this.tree.end) && this.tree.end <= this.end) this.roots.set(this.tree.end, this.tree.root);
  }

  finish(root) {
    if (this.tree.end !== this.end) {
      throw new Mismatch(`The range holds ${this.tree.end - this.begin} leaves instead of ${this.end - this.begin}.`);
    }
    for (const [level, hash] of this.behind) this.tree.push(level, hash);
    if (!equal(this.tree.root, root)) throw new Mismatch("The leaves of the range do not lead to the root of the checkpoint.");
  }
}
