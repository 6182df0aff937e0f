// Where a bundle is read from: a ZIP, or the files of a directory. Nothing is held whole that may be large.
import { Mismatch, hex, jsonObject } from "./bytes.js";
import { Sha256 } from "./sha256.js";
import { entriesOf } from "./zip.js";

const LEFT_BY_DESKTOPS = new Set([".DS_Store", "Thumbs.db", "desktop.ini"]);
const LARGEST_TEXT = 2 ** 26;
const LONGEST_LINE = 2 ** 20;
const AT_ONCE = 2 ** 20; // bytes
const NEWLINE = 10;

export class Source {
  // `files`: name → { size, stream() }, an async iteration of Uint8Arrays.
  constructor(files) {
    this.files = files;
  }

  static async ofArchive(blob) {
    return new Source(await entriesOf(blob));
  }

  // `listed`: pairs of a path within the directory, and a File.
  static ofDirectory(listed) {
    const files = new Map();
    for (const [name, file] of listed) {
      if (!LEFT_BY_DESKTOPS.has(name.split("/").at(-1))) files.set(name, { size: file.size, stream: () => parts(file) });
    }
    return new Source(files);
  }

  has(name) {
    return this.files.has(name);
  }

  async *stream(name) {
    const file = this.files.get(name);
    if (!file) throw new Mismatch(`${name} is missing.`);
    try {
      yield* file.stream();
    } catch (fault) {
      throw fault instanceof Mismatch ? fault : new Mismatch(`${name} is damaged: ${fault.message}`);
    }
  }

  async text(name) {
    const [found, whole] = [[], new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })];
    let size = 0;
    try {
      for await (const part of this.stream(name)) {
        if ((size += part.length) > LARGEST_TEXT) throw new Mismatch(`${name} is too large.`);
        found.push(whole.decode(part, { stream: true }));
      }
      return found.join("") + whole.decode();
    } catch (fault) {
      throw fault instanceof TypeError ? new Mismatch(`${name} is not UTF-8.`) : fault;
    }
  }

  // Whole lines without their newlines, as many at once as there are in a part of the file.
  async *lines(name, passing = () => {}) {
    let rest = new Uint8Array();
    for await (const part of this.stream(name)) {
      passing(part);
      const [found, behind] = split(rest, part);
      if (found.length) yield found;
      rest = behind;
      if (rest.length > LONGEST_LINE) throw new Mismatch(`A line of ${name} is too long, or the last one is cut off.`);
    }
    if (rest.length) throw new Mismatch(`A line of ${name} is too long, or the last one is cut off.`);
  }

  // The JSON objects of a file with one in each line, with the number of the line.
  async *documents(name) {
    let number = 0;
    for await (const lines of this.lines(name)) {
      for (const line of lines) yield [++number, jsonObject(line, `Line ${number} of ${name}`)];
    }
  }

  async digest(name) {
    const hash = new Sha256();
    for await (const part of this.stream(name)) hash.update(part);
    return { bytes: hash.length, sha256: hex(hash.digest()) };
  }
}

function split(rest, part) {
  const last = part.lastIndexOf(NEWLINE);
  if (last < 0) return [[], joined(rest, part)];
  const [whole, lines] = [rest.length ? joined(rest, part.subarray(0, last)) : part.subarray(0, last), []];
  let begin = 0;
  for (let end = whole.indexOf(NEWLINE); end >= 0; end = whole.indexOf(NEWLINE, begin)) {
    lines.push(whole.subarray(begin, end));
    begin = end + 1;
  }
  lines.push(whole.subarray(begin));
  return [lines, part.slice(last + 1)];
}

function joined(one, other) {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}

export async function* parts(blob) {
  for (let at = 0; at < blob.size; at += AT_ONCE) {
    yield new Uint8Array(await blob.slice(at, at + AT_ONCE).arrayBuffer());
  }
}
