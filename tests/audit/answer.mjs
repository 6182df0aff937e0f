// node answer.mjs QUESTIONS: calls functions of the browser's verifier, each with arguments in hexadecimal digits or as they
// are, and tells what they return. A mismatch is told as its text.
import { readFileSync } from "node:fs";
import { Mismatch, canonical, unhex, hex } from "../../static/js/audit/bytes.js";
import { VKey, parseCheckpoint } from "../../static/js/audit/notes.js";
import { Alarm, checkRecord } from "../../static/js/audit/record.js";
import { checkRestored } from "../../static/js/audit/restores.js";
import { hmac, sha256 } from "../../static/js/audit/sha256.js";
import { checkByHand, checkCose, checkEd25519, checkP256, checkRsa } from "../../static/js/audit/signatures.js";
import { checkConsistency, checkInclusion, leafHash } from "../../static/js/audit/tree.js";
import { crc32 } from "../../static/js/audit/zip.js";

const FUNCTIONS = {
  checkRestored: (leaf, body, origin, keys) => checkRestored(leaf, parseCheckpoint(body), origin, keys.map((key) => new VKey(key))),
  canonical, checkByHand, checkConsistency, checkCose, checkEd25519, checkInclusion, checkP256, checkRsa, checkSeen, crc32, hmac, leafHash, sha256,
};

const given = (value) =>
  Array.isArray(value) ? value.map(given) : typeof value === "string" && value.startsWith("0x") ? unhex(value.slice(2)) : value?.json ?? value;

// `proof`: what the server answers when it is asked for consistency.
async function checkSeen({ proof, ...seen }) {
  try {
    return await checkRecord({ ...seen, consistency: async () => proof });
  } catch (fault) {
    if (!(fault instanceof Alarm)) throw fault;
    return { alarm: fault.kind, text: fault.message };
  }
}

async function answer([name, ...given]) {
  try {
    const told = await FUNCTIONS[name](...given);
    return told instanceof Uint8Array ? hex(told) : told ?? null;
  } catch (fault) {
    if (!(fault instanceof Mismatch)) throw fault;
    return `Mismatch: ${fault.message}`;
  }
}

const told = [];
for (const question of JSON.parse(readFileSync(process.argv[2]))) told.push(await answer(given(question)));
console.log(JSON.stringify(told));
