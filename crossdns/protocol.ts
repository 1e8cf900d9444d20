/** Numbers of the DNS protocol that we speak (IANA "Domain Name System (DNS) Parameters"). */

export const recordType = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
  CAA: 257,
} as const;

export const recordClass = { IN: 1, ANY: 255 } as const;

export const opcode = { QUERY: 0 } as const;

/** Response codes; those over 15 need an OPT record (RFC 6891 section 6.1.3). */
export const rcode = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  BADVERS: 16,
  BADCOOKIE: 23,
} as const;

/** Bits of the third and fourth octet of the header, as one big-endian number. */
export const headerFlag = {
  QR: 0x8000,
  AA: 0x0400,
  TC: 0x0200,
  RD: 0x0100,
  OPCODE: 0x7800,
} as const;

export const headerSize = 12;

/** Longest name in wire form, with its closing zero (RFC 1035 section 2.3.4). */
export const maxName = 255;

/** Largest UDP message to a client that did not say otherwise (RFC 1035 section 4.2.1). */
export const plainUdpSize = 512;

/** The text of a type: `AAAA`, or `TYPE1000` for one that we have no name for (RFC 3597 section 5). */
export function typeText(type: number): string {
  for (const [text, number] of Object.entries(recordType)) if (number === type) return text;
  return `TYPE${type}`;
}
