// SHA-256 (FIPS 180-4) in steps and without waiting. The browser's own answers only later and only for a whole message,
// which for many short ones is slower, and for a file of gigabytes is impossible. Tests compare the two.
import { concat } from "./bytes.js";

const ROUNDS = Int32Array.of(
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
  0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
  0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
  0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
  0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
  0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
);
const START = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
const BLOCK = 64;
const words = new Int32Array(64);
const end = new Uint8Array(2 * BLOCK);

function compress(state, bytes, at) {
  const w = words;
  for (let i = 0; i < 16; i++, at += 4) {
    w[i] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
  }
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15];
    const y = w[i - 2];
    const small = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const large = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    w[i] = (w[i - 16] + small + w[i - 7] + large) | 0;
  }
  let a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
  for (let i = 0; i < 64; i++) {
    const big = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const first = (h + big + ((e & f) ^ (~e & g)) + ROUNDS[i] + w[i]) | 0;
    const other = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const second = (other + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + first) | 0;
    d = c;
    c = b;
    b = a;
    a = (first + second) | 0;
  }
  state[0] += a; state[1] += b; state[2] += c; state[3] += d;
  state[4] += e; state[5] += f; state[6] += g; state[7] += h;
}

export class Sha256 {
  constructor() {
    this.state = Int32Array.from(START);
    this.waiting = new Uint8Array(BLOCK);
    this.length = 0;
  }

  update(bytes) {
    let held = this.length % BLOCK;
    this.length += bytes.length;
    let at = 0;
    if (held) {
      const taken = Math.min(BLOCK - held, bytes.length);
      this.waiting.set(taken === bytes.length ? bytes : bytes.subarray(0, taken), held);
      if (held + taken < BLOCK) return this;
      compress(this.state, this.waiting, 0);
      at = taken;
    }
    for (; at + BLOCK <= bytes.length; at += BLOCK) compress(this.state, bytes, at);
    held = bytes.length - at;
    for (let i = 0; i < held; i++) this.waiting[i] = bytes[at + i];
    return this;
  }

  // Ends it: nothing can be added afterwards.
  digest() {
    const held = this.length % BLOCK;
    const length = held < BLOCK - 8 ? BLOCK : 2 * BLOCK;
    end.set(this.waiting);
    end.fill(0, held, length);
    end[held] = 0x80;
    const bits = [Math.floor(this.length / 2 ** 29), this.length << 3];
    for (let i = 0; i < 8; i++) end[length - 8 + i] = bits[i >> 2] >>> (24 - 8 * (i & 3));
    for (let at = 0; at < length; at += BLOCK) compress(this.state, end, at);
    const out = new Uint8Array(32);
    for (let i = 0; i < 32; i++) out[i] = this.state[i >> 2] >>> (24 - 8 * (i & 3));
    return out;
  }
}

export function sha256(...parts) {
  const hash = new Sha256();
  for (const part of parts) hash.update(part);
  return hash.digest();
}

// RFC 2104.
export function hmac(key, message) {
  const block = new Uint8Array(BLOCK);
  block.set(key.length > BLOCK ? sha256(key) : key);
  const inner = sha256(block.map((byte) => byte ^ 0x36), message);
  return sha256(concat(block.map((byte) => byte ^ 0x5c), inner));
}
