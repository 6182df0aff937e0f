// ZIP archives (PKWARE's APPNOTE), also large ones: entries that are stored or deflated. Each part of a file is handed on
// only when it is sure that it is not the last part of a damaged one.
import { decode } from "./bytes.js";

// What was given cannot be read as a bundle at all.
export class Unreadable extends Error {}

const [END, END64, LOCATOR64, ENTRY, LOCAL] = [0x06054b50, 0x06064b50, 0x07064b50, 0x02014b50, 0x04034b50];
const [STORED, DEFLATED] = [0, 8];
const FAR = 0xffffffff; // the true value stands in the extra field
const AT_ONCE = 2 ** 20;
const LONGEST_END = 22 + 65_535;

const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
  return byte;
});

export function crc32(bytes, before = 0) {
  let crc = ~before;
  for (let at = 0; at < bytes.length; at++) crc = CRC[(crc ^ bytes[at]) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

const far = (view, at) => Number(view.getBigUint64(at, true));
const read = async (blob, begin, end) => new DataView(await blob.slice(begin, end).arrayBuffer());
const bytesOf = (view, at, length) => new Uint8Array(view.buffer, view.byteOffset + at, length);

// Name → { size, stream() }. Directories are left out.
export async function entriesOf(blob) {
  try {
    const files = new Map();
    for (const entry of await directory(blob)) {
      if (entry.name.endsWith("/")) continue;
      if (entry.flags & 1 || ![STORED, DEFLATED].includes(entry.method)) {
        throw new Unreadable(`${entry.name} is encrypted, or compressed in an unusual way.`);
      }
      if (files.has(entry.name)) throw new Unreadable("The archive holds two files of one name.");
      files.set(entry.name, { size: entry.size, stream: () => contents(blob, entry) });
    }
    return files;
  } catch (fault) {
    if (fault instanceof Unreadable) throw fault;
    throw new Unreadable(`This is neither a directory nor a whole ZIP file (${fault.message}).`);
  }
}

async function directory(blob) {
  const { offset, size, count, moved } = await end(blob);
  const view = await read(blob, offset + moved, offset + moved + size);
  const entries = [];
  for (let at = 0; entries.length < count; ) {
    if (view.getUint32(at, true) !== ENTRY) throw new Error("its directory is damaged");
    const [name, extra, comment] = [28, 30, 32].map((place) => view.getUint16(at + place, true));
    const flags = view.getUint16(at + 8, true);
    const entry = {
      flags,
      moved,
      name: nameOf(bytesOf(view, at + 46, name), flags),
      method: view.getUint16(at + 10, true),
      crc: view.getUint32(at + 16, true),
      packed: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true),
      offset: view.getUint32(at + 42, true),
    };
    entries.push(widen(entry, new DataView(view.buffer, view.byteOffset + at + 46 + name, extra)));
    at += 46 + name + extra + comment;
  }
  return entries;
}

function nameOf(bytes, flags) {
  return flags & 0x800 ? decode(bytes) : String.fromCharCode(...bytes);
}

// The ZIP64 extra field holds those values, in this order, that are too large for their places.
function widen(entry, extra) {
  for (let at = 0; at + 4 <= extra.byteLength; at += 4 + extra.getUint16(at + 2, true)) {
    if (extra.getUint16(at, true) !== 1) continue;
    let place = at + 4;
    for (const field of ["size", "packed", "offset"]) {
      if (entry[field] === FAR) {
        entry[field] = far(extra, place);
        place += 8;
      }
    }
  }
  return entry;
}

async function end(blob) {
  const begin = Math.max(0, blob.size - LONGEST_END);
  const view = await read(blob, begin, blob.size);
  for (let at = view.byteLength - 22; at >= 0; at--) {
    if (view.getUint32(at, true) !== END || at + 22 + view.getUint16(at + 20, true) > view.byteLength) continue;
    const found = { count: view.getUint16(at + 10, true), size: view.getUint32(at + 12, true), offset: view.getUint32(at + 16, true) };
    const wide = at >= 20 && view.getUint32(at - 20, true) === LOCATOR64 ? await end64(blob, begin + at - 76) : null;
    const known = wide ?? found;
    return { ...known, moved: begin + at - (wide ? 76 : 0) - known.size - known.offset }; // bytes before the archive
  }
  throw new Error("its end is missing");
}

async function end64(blob, offset) {
  const view = await read(blob, offset, offset + 56);
  if (view.getUint32(0, true) !== END64) return null;
  return { count: far(view, 32), size: far(view, 40), offset: far(view, 48) };
}

async function* contents(blob, entry) {
  const begin = entry.offset + entry.moved;
  const head = await read(blob, begin, begin + 30);
  if (head.byteLength < 30 || head.getUint32(0, true) !== LOCAL) throw new Error("it does not begin where the directory says");
  const [name, extra] = [head.getUint16(26, true), head.getUint16(28, true)];
  const local = new Uint8Array(await blob.slice(begin + 30, begin + 30 + name).arrayBuffer());
  if (nameOf(local, head.getUint16(6, true)) !== entry.name) throw new Error("it has another name than the directory says");
  const packed = blob.slice(begin + 30 + name + extra, begin + 30 + name + extra + entry.packed);
  let [size, crc] = [0, 0];
  for await (const part of unpacked(packed, entry)) {
    size += part.length;
    crc = crc32(part, crc);
    if (size > entry.size || (size === entry.size && crc !== entry.crc)) throw new Error(`Bad CRC-32 for file '${entry.name}'`);
    yield part;
  }
  if (size !== entry.size) throw new Error("it is cut off");
}

async function* unpacked(packed, entry) {
  if (entry.method === STORED) {
    for (let at = 0; at < packed.size; at += AT_ONCE) yield new Uint8Array(await packed.slice(at, at + AT_ONCE).arrayBuffer());
    return;
  }
  const reader = packed.stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    await reader.cancel().catch(() => {});
  }
}
