import { addressBytes } from './address.ts';

/** Who asks, as numbers: made once for each packet, so that nothing is allocated for it. */
export class ClientAddress {
  family: 4 | 6 = 4;
  /** An IPv4 address is in the first; an IPv6 address in all four, most significant first. */
  readonly words: Uint32Array = new Uint32Array(4);

  /** The octets of an IPv4 address at an offset. */
  setV4(octets: Uint8Array, at: number): void {
    this.family = 4;
    this.words[0] = word(octets, at);
  }

  /** The octets of an IPv6 address; one that carries an IPv4 address (`::ffff:0:0/96`) counts as that. */
  setV6(octets: Uint8Array, at: number): void {
    const { words } = this;
    for (let i = 0; i < 4; i++) words[i] = word(octets, at + 4 * i);
    this.family = 6;
    if (words[0] === 0 && words[1] === 0 && words[2] === 0xffff) {
      this.family = 4;
      words[0] = words[3] as number;
    }
  }

  /** An address in the text that Node gives. */
  setText(text: string): void {
    if (text.includes(':')) {
      this.setV6(addressBytes(text.split('%', 1)[0] ?? text), 0);
      return;
    }
    this.family = 4;
    let value = 0;
    let octet = 0;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code !== 0x2e) {
        octet = octet * 10 + code - 0x30;
        continue;
      }
      value = (value << 8) | octet;
      octet = 0;
    }
    this.words[0] = (value << 8) | octet;
  }

  toString(): string {
    const count = this.family === 4 ? 1 : 4;
    if (count === 1) {
      const value = this.words[0] as number;
      return [value >>> 24, (value >> 16) & 255, (value >> 8) & 255, value & 255].join('.');
    }
    const groups = [...this.words].flatMap(value => [value >>> 16, value & 0xffff]);
    return new URL(`http://[${groups.map(group => group.toString(16)).join(':')}]/`).hostname.slice(1, -1);
  }
}

function word(octets: Uint8Array, at: number): number {
  return (
    (((octets[at] as number) << 24) |
      ((octets[at + 1] as number) << 16) |
      ((octets[at + 2] as number) << 8) |
      (octets[at + 3] as number)) >>>
    0
  );
}
