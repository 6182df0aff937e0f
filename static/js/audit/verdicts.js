// What is said at the end, question by question, in the same words as `audit/verify.py`.
import { Mismatch, counted } from "./bytes.js";

export const ASPECTS = ["integrity", "completeness", "identity", "history", "witnesses", "decisions", "disclosures"];
const MOST_TOLD = 20; // problems of one verdict

// `ok`; `open` where nothing is wrong but something is left to whoever reads; or `failed`.
export class Verdict {
  problems = [];
  left = [];
  said = [];
  count = 0;
  firstBad = null; // [index, id]

  fail(problem, bad = null) {
    this.count += 1;
    this.firstBad ??= bad;
    if (this.problems.length < MOST_TOLD) this.problems.push(problem);
  }

  leave(text) {
    this.left.push(text);
  }

  say(text) {
    this.said.push(text);
  }

  // A mismatch in what is done there is a problem here.
  async fails(work) {
    try {
      await work();
    } catch (fault) {
      if (!(fault instanceof Mismatch)) throw fault;
      this.fail(fault.message);
    }
  }

  get state() {
    return this.problems.length ? "failed" : this.left.length ? "open" : "ok";
  }

  get texts() {
    const more = this.count - this.problems.length;
    return [...this.problems, ...(more ? [`And ${counted(more)} more.`] : []), ...this.left, ...this.said];
  }
}

export function momentOf(seconds) {
  if (seconds === null) return "and does not say when";
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.valueOf()) || date.getUTCFullYear() > 9999) return `at ${seconds} seconds since 1970`;
  return `at ${date.toISOString().replace("T", " ").slice(0, 19)} UTC`;
}
