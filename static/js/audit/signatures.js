// Signatures as `audit/verify.py` accepts them: by the browser's own cryptography, behind checks that make every browser
// accept the same. Ed25519 is written out below for browsers that do not have it yet.
import { Mismatch, base64url, concat, equal } from "./bytes.js";


const bigOf = (bytes) => bytes.reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);
const littleOf = (bytes) => bigOf(bytes.toReversed());

async function platform(format, key, algorithm, signature, message) {
  try {
    const imported = await crypto.subtle.importKey(format, key, algorithm, false, ["verify"]);
    return await crypto.subtle.verify(algorithm, imported, signature, message);
  } catch {
    return false; // a key that is none, or an algorithm that this browser does not have
  }
}

// Ed25519: RFC 8032 §5.1

const P = 2n ** 255n - 19n;
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const mod = (number) => ((number % P) + P) % P;

function power(base, exponent) {
  let result = 1n;
  for (let square = mod(base); exponent; exponent >>= 1n, square = (square * square) % P) {
    if (exponent & 1n) result = (result * square) % P;
  }
  return result;
}

const D = mod(-121665n * power(121666n, P - 2n));
const ZERO = [0n, 1n, 1n, 0n];

// The equation without cofactor, §5.1.7. Numbers and points in any but their one form are refused.
export async function checkEd25519(key, message, signature) {
  if (key.length !== 32 || signature.length !== 64) return false;
  if (littleOf(signature.subarray(32)) >= ORDER || !isCanonical(key)) return false;
  return (await platform("raw", key, "Ed25519", signature, message)) || checkByHand(key, message, signature);
}

// §5.1.3 refuses y beyond the prime, and a sign of x = 0. Not every library does.
function isCanonical(point) {
  const [sign, y] = split(point);
  return y < P && !(sign && (y === 1n || y === P - 1n));
}

function split(point) {
  const number = littleOf(point);
  return [number >> 255n, number & ((1n << 255n) - 1n)];
}

export async function checkByHand(key, message, signature) {
  const point = decodePoint(key);
  if (!point) return false;
  const challenge = signature.subarray(0, 32);
  const hash = await crypto.subtle.digest("SHA-512", concat(challenge, key, message));
  const [x, y, z, t] = point;
  const reached = multiplyBoth(littleOf(signature.subarray(32)), BASE, littleOf(new Uint8Array(hash)) % ORDER, [P - x, y, z, P - t]);
  return equal(encodePoint(reached), challenge);
}

function multiplyBoth(times, point, others, other) {
  const choice = [ZERO, point, other, add(point, other)];
  let reached = ZERO;
  for (let bit = 253n; bit >= 0n; bit--) {
    reached = add(reached, reached);
    const which = Number((times >> bit) & 1n) + 2 * Number((others >> bit) & 1n);
    if (which) reached = add(reached, choice[which]);
  }
  return reached;
}

// §5.1.4: complete, so also for equal points and zero.
function add(p, q) {
  const a = mod((p[1] - p[0]) * (q[1] - q[0]));
  const b = mod((p[1] + p[0]) * (q[1] + q[0]));
  const c = mod(2n * D * p[3] * q[3]);
  const d = mod(2n * p[2] * q[2]);
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
}

function decodePoint(bytes) {
  const [sign, y] = split(bytes);
  const square = mod((y * y - 1n) * power(D * y * y + 1n, P - 2n));
  let x = power(square, (P + 3n) / 8n);
  if (mod(x * x) !== square) x = mod(x * power(2n, (P - 1n) / 4n));
  if (mod(x * x) !== square) return null;
  if ((x & 1n) !== sign) x = P - x;
  return [x, y, 1n, mod(x * y)];
}

function encodePoint([px, py, pz]) {
  const shrink = power(pz, P - 2n);
  const number = mod(py * shrink) | ((mod(px * shrink) & 1n) << 255n);
  return Uint8Array.from({ length: 32 }, (_, at) => Number((number >> BigInt(8 * at)) & 255n));
}

const BASE_Y = mod(4n * power(5n, P - 2n));
const BASE = decodePoint(Uint8Array.from({ length: 32 }, (_, at) => Number((BASE_Y >> BigInt(8 * at)) & 255n)));

// ECDSA over P-256 with SHA-256: FIPS 186-5. Authenticators give DER, browsers take two numbers of 32 bytes.

const ORDER256 = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

export async function checkP256(x, y, message, signature) {
  const numbers = readDerPair(signature);
  if (!numbers?.every((number) => bigOf(number) > 0n && bigOf(number) < ORDER256)) return false;
  const raw = concat(...numbers.map((number) => concat(new Uint8Array(Math.max(0, 32 - number.length)), number).slice(-32)));
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  return platform("raw", concat(Uint8Array.of(4), x, y), algorithm, raw, message);
}

// SEQUENCE of two non-negative INTEGERs, each as short as it can be: all that this length of signature needs.
function readDerPair(data) {
  if (data.length < 8 || data.length > 72 || data[0] !== 0x30 || data[1] !== data.length - 2) return null;
  const numbers = [];
  let at = 2;
  while (at < data.length - 1) {
    const body = data.subarray(at + 2, at + 2 + data[at + 1]);
    if (data[at] !== 2 || body.length !== data[at + 1] || !body.length || body[0] > 127) return null;
    if (body[0] === 0 && body.length > 1 && body[1] < 128) return null;
    numbers.push(body);
    at += 2 + body.length;
  }
  return numbers.length === 2 && at === data.length ? numbers : null;
}

// RSASSA-PKCS1-v1_5 with SHA-256: RFC 8017 §8.2.2, moduli of 2048 to 8192 bits.
export async function checkRsa(modulus, exponent, message, signature) {
  const [n, e] = [bigOf(modulus), bigOf(exponent)];
  const bits = n.toString(2).length;
  const sound = bits >= 2048 && bits <= 8192 && n % 2n && e % 2n && e >= 3n && e < 1n << 33n;
  if (!sound || signature.length !== Math.ceil(bits / 8) || bigOf(signature) >= n) return false;
  const short = (bytes) => base64url(bytes.subarray(bytes.findIndex((byte) => byte)));
  const key = { kty: "RSA", n: short(modulus), e: short(exponent) };
  return platform("jwk", key, { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, signature, message);
}

// Keys of passkeys: COSE, RFC 9053 §7

export async function checkCose(key, message, signature) {
  const fields = readCose(key);
  const [kind, algorithm, one, two, three] = [1, 3, -1, -2, -3].map((label) => fields.get(label));
  const bytes = (...values) => values.every((value) => value instanceof Uint8Array);
  if (kind === 1 && algorithm === -8 && one === 6 && bytes(two) && three === undefined) return checkEd25519(two, message, signature);
  if (kind === 2 && algorithm === -7 && one === 1 && bytes(two, three) && two.length === 32 && three.length === 32) {
    return checkP256(two, three, message, signature);
  }
  if (kind === 3 && algorithm === -257 && bytes(one, two) && three === undefined) return checkRsa(one, two, message, signature);
  throw new Mismatch(`This program cannot check signatures by a key of this kind (COSE algorithm ${algorithm ?? "None"}).`);
}

// One CBOR map (RFC 8949) of integers, texts and byte strings, which is all that these keys are made of.
export function readCose(data) {
  try {
    const [kind, count, start] = readHead(data, 0);
    const fields = new Map();
    let at = start;
    for (let entry = 0; entry < (kind === 5 ? count : 0); entry++) {
      const [label, behind] = readScalar(data, at);
      const name = label instanceof Uint8Array ? `bytes ${label}` : typeof label === "string" ? `text ${label}` : label;
      if (fields.has(name)) throw new RangeError();
      const [value, end] = readScalar(data, behind);
      fields.set(name, value);
      at = end;
    }
    if (kind === 5 && at === data.length) return fields;
  } catch (fault) {
    if (!(fault instanceof RangeError || fault instanceof TypeError)) throw fault;
  }
  throw new Mismatch("The public key is not a COSE key.");
}

function readScalar(data, at) {
  const [kind, number, start] = readHead(data, at);
  if (kind === 0 || kind === 1) return [kind === 0 ? number : -1 - number, start];
  const end = start + number;
  if (kind > 3 || end > data.length) throw new RangeError();
  const text = data.slice(start, end);
  return [kind === 2 ? text : new TextDecoder("utf-8", { fatal: true }).decode(text), end];
}

// Major type, argument, and where what follows begins.
function readHead(data, at) {
  if (at >= data.length) throw new RangeError();
  const [kind, short] = [data[at] >> 5, data[at] & 31];
  if (short < 24) return [kind, short, at + 1];
  const end = at + 1 + 2 ** (short - 24);
  if (short > 27 || end > data.length) throw new RangeError();
  return [kind, Number(bigOf(data.subarray(at + 1, end))), end];
}
