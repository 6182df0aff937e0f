// node check_bundles.mjs CASES: what the browser's verifier says about each of these bundles, as JSON.
import { openAsBlob, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Policy, VKey } from "../../static/js/audit/notes.js";
import { Source } from "../../static/js/audit/source.js";
import { Verification } from "../../static/js/audit/verify.js";
import { Unreadable } from "../../static/js/audit/zip.js";

function filesIn(directory, within = "") {
  return readdirSync(join(directory, within), { withFileTypes: true }).flatMap((entry) => {
    const name = within ? `${within}/${entry.name}` : entry.name;
    return entry.isDirectory() ? filesIn(directory, name) : [[name, new Blob([readFileSync(join(directory, name))])]];
  });
}

async function check({ place, archived, keys = [], policy = "", since = "" }) {
  try {
    const source = archived ? await Source.ofArchive(await openAsBlob(place)) : Source.ofDirectory(filesIn(place));
    const given = { keys: keys.map((key) => new VKey(key)), policy: policy ? new Policy(policy) : null, since };
    const done = await (await Verification.of(source, given)).run();
    const told = Object.entries(done.verdicts).map(([aspect, one]) => [aspect, { state: one.state, problems: one.problems, open: one.left, said: one.said }]);
    return { ok: !done.failed, first_bad: done.firstBad, records: done.records, verdicts: Object.fromEntries(told) };
  } catch (fault) {
    if (!(fault instanceof Unreadable)) throw fault;
    return { unreadable: fault.message };
  }
}

const found = [];
for (const one of JSON.parse(readFileSync(process.argv[2]))) found.push(await check(one));
console.log(JSON.stringify(found));
