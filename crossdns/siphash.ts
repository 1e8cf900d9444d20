/**
 * SipHash-2-4 (Aumasson, Bernstein), 64 bits, in 32-bit halves: DNS cookies must be the same on every server that
 * shares a secret (RFC 9018 section 4.2).
 */

/** State words v0 … v3, each low half first. One for all calls; nothing is kept in it between them. */
const v = new Uint32Array(8);

/**
 * @param key 16 octets.
 * @param to where the 8 octets of the hash are written, in the little-endian order of the reference.
 */
export function sipHash24(
  key: Uint8Array,
  message: Uint8Array,
  length: number,
  to: Uint8Array,
  at: number,
): void {
  const [k0, k1, k2, k3] = [little(key, 0), little(key, 4), little(key, 8), little(key, 12)];
  v[0] = k0 ^ 0x70736575;
  v[1] = k1 ^ 0x736f6d65;
  v[2] = k2 ^ 0x6e646f6d;
  v[3] = k3 ^ 0x646f7261;
  v[4] = k0 ^ 0x6e657261;
  v[5] = k1 ^ 0x6c796765;
  v[6] = k2 ^ 0x79746573;
  v[7] = k3 ^ 0x74656462;
  const whole = length & ~7;
  for (let i = 0; i < whole; i += 8) compress(little(message, i), little(message, i + 4));
  let low = 0;
  let high = length << 24;
  for (let i = whole; i < length; i++) {
    const octet = message[i] as number;
    if (i - whole < 4) low |= octet << (8 * (i - whole));
    else high |= octet << (8 * (i - whole - 4));
  }
  compress(low, high);
  v[4] = (v[4] as number) ^ 0xff;
  for (let i = 0; i < 4; i++) round();
  const resultLow = (v[0] as number) ^ (v[2] as number) ^ (v[4] as number) ^ (v[6] as number);
  const resultHigh = (v[1] as number) ^ (v[3] as number) ^ (v[5] as number) ^ (v[7] as number);
  for (let i = 0; i < 4; i++) {
    to[at + i] = resultLow >>> (8 * i);
    to[at + 4 + i] = resultHigh >>> (8 * i);
  }
}

function compress(low: number, high: number): void {
  v[6] = (v[6] as number) ^ low;
  v[7] = (v[7] as number) ^ high;
  round();
  round();
  v[0] = (v[0] as number) ^ low;
  v[1] = (v[1] as number) ^ high;
}

function round(): void {
  add(0, 2);
  rotate(2, 13);
  xor(2, 0);
  rotate(0, 32);
  add(4, 6);
  rotate(6, 16);
  xor(6, 4);
  add(0, 6);
  rotate(6, 21);
  xor(6, 0);
  add(4, 2);
  rotate(2, 17);
  xor(2, 4);
  rotate(4, 32);
}

/** v[a] += v[b], 64 bits; both are indexes of low halves. */
function add(a: number, b: number): void {
  const low = (v[a] as number) + (v[b] as number);
  v[a] = low;
  v[a + 1] = (v[a + 1] as number) + (v[b + 1] as number) + (low > 0xffff_ffff ? 1 : 0);
}

function xor(a: number, b: number): void {
  v[a] = (v[a] as number) ^ (v[b] as number);
  v[a + 1] = (v[a + 1] as number) ^ (v[b + 1] as number);
}

/** Rotates left by 1 to 32 bits. */
function rotate(a: number, bits: number): void {
  const low = v[a] as number;
  const high = v[a + 1] as number;
  if (bits === 32) {
    v[a] = high;
    v[a + 1] = low;
    return;
  }
  v[a] = (low << bits) | (high >>> (32 - bits));
  v[a + 1] = (high << bits) | (low >>> (32 - bits));
}

function little(octets: Uint8Array, at: number): number {
  return (
    (octets[at] as number) |
    ((octets[at + 1] as number) << 8) |
    ((octets[at + 2] as number) << 16) |
    ((octets[at + 3] as number) << 24)
  );
}
