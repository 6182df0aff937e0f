// Bytes and texts, as strictly as formats that are signed have to be read.

// Something does not fit what it is checked against.
export class Mismatch extends Error {}

// It is signed by a key that nobody gave.
export class KeyNeeded extends Mismatch {}

const utf8 = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
export const NUMBER = /^(0|[1-9][0-9]{0,15})$/;

export const encode = (text) => utf8.encode(text);

// Throws TypeError for what is not UTF-8. A byte order mark is a character like any other.
export const decode = (bytes) => strict.decode(bytes);

export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function equal(one, other) {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export function hex(bytes) {
  let text = "";
  for (const byte of bytes) text += HEX[byte];
  return text;
}

export function unhex(text) {
  if (typeof text !== "string" || !/^([0-9a-f]{2})*$/i.test(text)) throw new Mismatch("This is not written in hexadecimal digits.");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

export function base64(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

// Standard base64 in its one canonical form.
export function unbase64(text) {
  if (typeof text !== "string") throw new TypeError("not a text");
  if (/^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0) {
    const found = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
    if (base64(found) === text) return found;
  }
  throw new Mismatch(`${quoted(text)} is not base64.`);
}

export const base64url = (bytes) => base64(bytes).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

// A stranger's value within a sentence of ours: nothing in it is invisible, and nothing steers.
export function quoted(value) {
  if (typeof value !== "string") return (JSON.stringify(value ?? undefined) ?? "None").slice(0, 80);
  const told = value.slice(0, 80).replace(/[\\\p{C}\p{Z}]/gu, (char) => {
    const number = char.codePointAt(0).toString(16);
    if (char === " ") return char;
    return { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" }[char] ?? (number.length < 3 ? `\\x${number.padStart(2, "0")}` : `\\u${number.padStart(4, "0")}`);
  });
  return told.includes("'") && !told.includes('"') ? `"${told}"` : `'${told.replaceAll("'", "\\'")}'`;
}

// Eight bytes, most significant first.
export function uint64(number) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(number));
  return bytes;
}

export const counted = (number) => number.toLocaleString("en-US");

// As `JSON.parse`, but for one object.
export function jsonObject(bytes, what) {
  let found = null;
  try {
    found = JSON.parse(typeof bytes === "string" ? bytes : decode(bytes));
  } catch {
    // told below
  }
  if (!isObject(found)) throw new Mismatch(`${what} is not a JSON object.`);
  return found;
}

export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

export const has = (object, name) => Object.hasOwn(object, name);

// RFC 8785: numbers and strings are written as ECMAScript writes them. Throws for what has no canonical form.
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (isObject(value)) {
    const names = Object.keys(value).sort(); // by UTF-16 code units, as the standard wants
    return `{${names.map((name) => `${canonical(name)}:${canonical(value[name])}`).join(",")}}`;
  }
  if (typeof value === "number" && !Number.isFinite(value)) throw new Mismatch(`${value} has no place in JSON.`);
  if (typeof value === "string" && !value.isWellFormed()) throw new Mismatch("A text is not Unicode.");
  return JSON.stringify(value);
}
