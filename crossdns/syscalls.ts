import { createRequire } from 'node:module';
import { isIPv6 } from 'node:net';
import { endianness } from 'node:os';
import { addressBytes } from './address.ts';

/**
 * The few system calls that Node does not have: whole batches of datagrams at once. They come from libc by the
 * optional package koffi; where that does not load there are none, and Node's dgram serves alone.
 *
 * Memory that the kernel reads and writes is outside of V8's reach, so that it never moves. Layouts are those of
 * Linux on 64-bit little-endian machines.
 */
export interface Syscalls {
  /** A non-blocking UDP socket that is bound. @throws Error with the name of the error. */
  openUdp(address: { host: string; port: number }, reusePort: boolean): number;
  /** Closes a socket that was not handed to Node. */
  close(fd: number): void;
  /** Receives what is there. @returns how many messages, or less than 1. */
  receive(fd: number, headers: bigint, count: number): number;
  /** @returns how many messages were taken from the front, or less than 1. */
  send(fd: number, headers: bigint, count: number): number;
  /** Memory filled with zeros that lives as long as the process. */
  allocate(size: number): { readonly address: bigint; readonly memory: ArrayBuffer };
}

/** Address families as the kernel numbers them. */
export const [AF_INET, AF_INET6] = [2, 10] as const;
const [SOCK_DGRAM, SOCK_NONBLOCK, SOCK_CLOEXEC] = [2, 0o4000, 0o2000000];
const [SOL_SOCKET, SO_REUSEPORT, MSG_DONTWAIT] = [1, 15, 0x40];

/** @returns undefined, and why, where there are none. */
export function loadSyscalls(): Syscalls | { readonly missing: string } {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch) || endianness() !== 'LE') {
    return { missing: `not made for ${process.platform} on ${process.arch}` };
  }
  try {
    // Not by import: a bundle must not take it in, and may be without it.
    const name = 'koffi';
    return bindSyscalls(createRequire(import.meta.url)(name) as typeof import('koffi'));
  } catch (error) {
    return { missing: String(error) };
  }
}

function bindSyscalls(koffi: typeof import('koffi')): Syscalls {
  const libc = koffi.load(null);
  const calloc = libc.func('void *calloc(size_t count, size_t size)');
  const socket = libc.func('int socket(int domain, int type, int protocol)');
  const setsockopt = libc.func(
    'int setsockopt(int fd, int level, int name, const void *value, uint32_t size)',
  );
  const bind = libc.func('int bind(int fd, const void *address, uint32_t size)');
  const close = libc.func('int close(int fd)');
  const recvmmsg = libc.func('int recvmmsg(int fd, void *headers, uint32_t count, int flags, void *timeout)');
  const sendmmsg = libc.func('int sendmmsg(int fd, void *headers, uint32_t count, int flags)');

  function check(what: string, fd: number, result: number): void {
    if (result >= 0) return;
    const code = koffi.errno();
    if (fd >= 0) close(fd);
    const known = Object.entries(koffi.os.errno).find(([, value]) => value === code)?.[0] ?? `errno ${code}`;
    throw Object.assign(new Error(`Cannot ${what}: ${known}`), { code: known });
  }

  return {
    openUdp({ host, port }, reusePort) {
      const v6 = isIPv6(host);
      const fd: number = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      check('make a UDP socket', -1, fd);
      if (reusePort) {
        check('share the port', fd, setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, Buffer.of(1, 0, 0, 0), 4));
      }
      const address = socketAddressBytes(host, port, v6);
      check(`bind ${host} port ${port}`, fd, bind(fd, address, address.length));
      return fd;
    },
    close: fd => close(fd),
    receive: (fd, headers, count) => recvmmsg(fd, headers, count, MSG_DONTWAIT, null),
    send: (fd, headers, count) => sendmmsg(fd, headers, count, MSG_DONTWAIT),
    allocate(size) {
      const address: bigint = calloc(1, size);
      if (!address) throw new Error(`Cannot allocate ${size} octets`);
      return { address, memory: koffi.view(address, size) };
    },
  };
}

/** struct sockaddr_in or sockaddr_in6. */
function socketAddressBytes(host: string, port: number, v6: boolean): Buffer {
  const bytes = Buffer.alloc(v6 ? 28 : 16);
  bytes.writeUInt16LE(v6 ? AF_INET6 : AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(addressBytes(host), v6 ? 8 : 4);
  return bytes;
}
