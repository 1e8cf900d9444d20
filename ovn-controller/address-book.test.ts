import { expect } from 'chai';
import { formatAddress } from '../ipam/address.ts';
import type { AddressBook } from './address-book.ts';
import { wishOf } from './annotations.ts';
import { portAddress } from './assignment.ts';
import { book, ip } from './testing/samples.ts';

/** What the pod gets, as a port's text, or why not. */
function ask(from: AddressBook, key: string, wish?: string, now = 0, allocated = false): string {
  const annotations = {
    ...(wish === undefined ? {} : { 'nauti.io/ip_address': wish }),
    ...(allocated ? { 'nauti.io/allocated': 'true' } : {}),
  };
  const result = from.assign({ key, wish: wishOf(annotations), role: 'none' }, now);
  return 'reason' in result ? result.reason : portAddress(result);
}

function askGateway(from: AddressBook, key: string): string {
  const result = from.assign({ key, wish: { kind: 'none' }, role: 'gateway' }, 0);
  return 'reason' in result ? result.reason : portAddress(result);
}

describe('address book', () => {
  it('gives from the third address on, and the same again', () => {
    const small = book('10.113.0.0/29');
    expect(ask(small, 'd/a')).to.equal('0a:58:0a:71:00:03 10.113.0.3');
    expect(ask(small, 'd/a')).to.equal('0a:58:0a:71:00:03 10.113.0.3');
    expect(['d/b', 'd/c', 'd/d', 'd/e'].map(key => ask(small, key))).to.deep.equal([
      '0a:58:0a:71:00:04 10.113.0.4',
      '0a:58:0a:71:00:05 10.113.0.5',
      '0a:58:0a:71:00:06 10.113.0.6',
      'AddressesExhausted',
    ]);
    expect(small.counts()[0]).to.include({ used: 4, capacity: 4n });
  });

  it('gives one of each family, all or none', () => {
    const dual = book('10.113.0.0/29', 'fd00:10:113::/64');
    expect(ask(dual, 'd/a')).to.equal('0a:58:0a:71:00:03 10.113.0.3 fd00:10:113::3');
    for (const key of ['d/b', 'd/c', 'd/d']) ask(dual, key);
    expect(ask(dual, 'd/e')).to.equal('AddressesExhausted');
    expect(dual.counts().map(({ used }) => used)).to.deep.equal([4, 4]);
    expect(ask(dual, 'd/f', 'fd00:10:113::77')).to.equal('AddressesExhausted');
    expect(dual.counts().map(({ used }) => used)).to.deep.equal([4, 4]);
  });

  it('grants a request that is inside and free, and says what is wrong with others', () => {
    const wide = book('10.113.0.0/24');
    expect(ask(wide, 'd/a', '10.113.0.77')).to.equal('0a:58:0a:71:00:4d 10.113.0.77');
    expect(ask(wide, 'd/b', '10.113.0.77')).to.equal('AddressTaken');
    for (const wish of [
      '10.114.0.1',
      '10.113.0.0',
      '10.113.0.1',
      '10.113.0.2',
      '10.113.0.255',
      'fd00::1',
      'nonsense',
    ]) {
      expect(ask(wide, 'd/b', wish), wish).to.equal('InvalidAddressRequest');
    }
    expect(ask(wide, 'd/b')).to.equal('0a:58:0a:71:00:03 10.113.0.3');
  });

  it('refuses IPv6 addresses whose MAC could be another one’s', () => {
    expect(ask(book('fd00:10:113::/64'), 'd/a', 'fd00:10:113::1:0:0:5')).to.equal('InvalidAddressRequest');
    const dual = book('10.113.0.0/24', 'fd00:10:113::/64');
    expect(ask(dual, 'd/a', 'fd00:10:113::1:0:0:5')).to.equal(
      '0a:58:0a:71:00:03 10.113.0.3 fd00:10:113:0:1::5',
    );
  });

  it('gives what says that it was allocated only where it is free, and else another', () => {
    const wide = book('10.113.0.0/24');
    expect(ask(wide, 'd/a', '10.113.0.77', 0, true)).to.equal('0a:58:0a:71:00:4d 10.113.0.77');
    expect(ask(wide, 'd/b', '10.113.0.77', 0, true)).to.equal('0a:58:0a:71:00:03 10.113.0.3');
    expect(ask(wide, 'd/c', '10.113.0.1', 0, true)).to.equal('0a:58:0a:71:00:04 10.113.0.4');
  });

  it('gives a pod of the same name what it had', () => {
    const small = book('10.113.0.0/29');
    ask(small, 'd/a-0');
    ask(small, 'd/b');
    small.release('d/a-0', 0);
    expect(ask(small, 'd/c', '10.113.0.3', 500)).to.equal('AddressTaken');
    expect(ask(small, 'd/a-0', undefined, 500)).to.equal('0a:58:0a:71:00:03 10.113.0.3');
  });

  it('has one gateway, and gives its address on at once', () => {
    const dual = book('10.113.0.0/24', 'fd00:10:113::/64');
    expect(askGateway(dual, 'n/gw-1')).to.equal('0a:58:0a:71:00:01 10.113.0.1 fd00:10:113::1');
    expect(askGateway(dual, 'n/gw-2')).to.equal('GatewayTaken');
    dual.release('n/gw-1', 0);
    expect(askGateway(dual, 'n/gw-2')).to.equal('0a:58:0a:71:00:01 10.113.0.1 fd00:10:113::1');
    expect(dual.gateway).to.equal('n/gw-2');
  });

  it('adopts ports as they are, MACs included, and completes their families', () => {
    const dual = book('10.113.0.0/24', 'fd00:10:113::/64');
    const adopted = dual.adopt('d/a', { mac: '02:11:22:33:44:55', addresses: [ip('10.113.0.9')] });
    expect(adopted && portAddress(adopted)).to.equal('02:11:22:33:44:55 10.113.0.9 fd00:10:113::3');
    expect(ask(dual, 'd/a')).to.equal('02:11:22:33:44:55 10.113.0.9 fd00:10:113::3');
  });

  it('does not adopt what is another’s, outside, twice of a family, or a second gateway', () => {
    const wide = book('10.113.0.0/24');
    const mac = '02:11:22:33:44:55';
    expect(wide.adopt('d/a', { mac, addresses: [ip('10.113.0.9')] })).to.not.equal(undefined);
    expect(wide.adopt('d/b', { mac, addresses: [ip('10.113.0.9')] })).to.equal(undefined);
    expect(wide.adopt('d/b', { mac, addresses: [ip('10.114.0.9')] })).to.equal(undefined);
    expect(wide.adopt('d/b', { mac, addresses: [ip('10.113.0.10'), ip('10.113.0.11')] })).to.equal(undefined);
    expect(wide.adopt('n/gw-1', { mac, addresses: [ip('10.113.0.1')] })?.gateway).to.equal(true);
    expect(wide.adopt('n/gw-2', { mac, addresses: [ip('10.113.0.1')] })).to.equal(undefined);
    expect(wide.counts()[0]?.used).to.equal(1);
  });

  it('gives no two pods one MAC', () => {
    const wide = book('10.113.0.0/24');
    const stolen = wide.adopt('d/a', { mac: '0a:58:0a:71:00:07', addresses: [ip('10.113.0.9')] });
    expect(stolen?.mac).to.equal('0a:58:0a:71:00:09');
    wide.adopt('d/b', { mac: '02:00:00:00:00:01', addresses: [ip('10.113.0.10')] });
    const second = wide.adopt('d/c', { mac: '02:00:00:00:00:01', addresses: [ip('10.113.0.11')] });
    expect(second?.mac).to.equal('0a:58:0a:71:00:0b');
  });

  it('leaves addresses alone that foreign ports have, as long as they have them', () => {
    const small = book('10.113.0.0/29');
    small.setForeign('x', [ip('10.113.0.3'), ip('10.200.0.1')], 0);
    expect(ask(small, 'd/a')).to.equal('0a:58:0a:71:00:04 10.113.0.4');
    expect(ask(small, 'd/b', '10.113.0.3')).to.equal('AddressTaken');
    small.setForeign('x', [], 0);
    expect(ask(small, 'd/b', '10.113.0.3', 2_000)).to.equal('0a:58:0a:71:00:03 10.113.0.3');
  });

  it('remembers what a pod had, for that pod', () => {
    const small = book('10.113.0.0/29');
    small.remember('d/a-0', [ip('10.113.0.5')], 0);
    expect(ask(small, 'd/b')).to.not.contain('10.113.0.5');
    expect(ask(small, 'd/a-0')).to.equal('0a:58:0a:71:00:05 10.113.0.5');
    expect(small.get('d/a-0')?.addresses.map(formatAddress)).to.deep.equal(['10.113.0.5']);
  });
});
