import { expect } from 'chai';
import { formatAddress } from '../ipam/address.ts';
import { formatCidr } from '../ipam/cidr.ts';
import { readAllocation } from './allocation.ts';
import { randomBytes, randomNumbers } from './testing/random.ts';

const good = {
  'nauti.io/ip_address': '10.113.0.5,fd00:10:113::5',
  'nauti.io/mac_address': '0A:58:0a:71:00:05',
  'nauti.io/cidr': '10.113.0.0/16,fd00:10:113::/64',
  'nauti.io/gateway': '10.113.0.1,fd00:10:113::1',
  'nauti.io/logical_switch': 'default',
  'nauti.io/pod_nic_type': 'veth-pair',
  'nauti.io/routes':
    '[{"dst":"10.112.0.0/12","gw":"10.113.0.1"},{"dst":"fd00:10::/32","gw":"fd00:10:113::1"}]',
  'nauti.io/allocated': 'true',
};

describe('an allocation', () => {
  it('is read as numbers', () => {
    const reading = readAllocation(good);
    if (reading.kind !== 'allocated') throw new Error(JSON.stringify(reading));
    const { mac, addresses, routes } = reading.allocation;
    expect(mac).to.equal('0a:58:0a:71:00:05');
    expect(addresses.map(({ address, prefix }) => `${formatAddress(address)}/${prefix}`)).to.deep.equal([
      '10.113.0.5/16',
      'fd00:10:113::5/64',
    ]);
    expect(
      routes.map(({ destination, gateway }) => [formatCidr(destination), formatAddress(gateway)]),
    ).to.deep.equal([
      ['10.112.0.0/12', '10.113.0.1'],
      ['fd00:10::/32', 'fd00:10:113::1'],
    ]);
  });

  it('is not there before the last word was written', () => {
    const { 'nauti.io/allocated': _, ...unfinished } = good;
    expect(readAllocation(unfinished)).to.deep.equal({ kind: 'none' });
    expect(readAllocation({ ...good, 'nauti.io/allocated': 'false' })).to.deep.equal({ kind: 'none' });
  });

  it('of a gateway has no routes', () => {
    const { 'nauti.io/routes': _, ...gateway } = good;
    const reading = readAllocation(gateway);
    expect(reading.kind === 'allocated' && reading.allocation.routes).to.deep.equal([]);
    const elective = reading.kind === 'allocated' ? reading.allocation.elective : [];
    expect(elective.map(({ address, prefix }) => `${formatAddress(address)}/${prefix}`)).to.deep.equal([
      '10.113.0.1/16',
      'fd00:10:113::1/64',
    ]);
    const ordinary = readAllocation(good);
    expect(ordinary.kind === 'allocated' && ordinary.allocation.elective).to.deep.equal([]);
  });

  const refused: readonly [string, string][] = [
    ['nauti.io/mac_address', ''],
    ['nauti.io/mac_address', '01:00:5e:00:00:01'],
    ['nauti.io/mac_address', 'ff:ff:ff:ff:ff:ff'],
    ['nauti.io/mac_address', '00:00:00:00:00:00'],
    ['nauti.io/mac_address', '0a:58:0a:71:00:05 netns 1'],
    ['nauti.io/mac_address', '0a:58:0a:71:00:05\n'],
    ['nauti.io/ip_address', ''],
    ['nauti.io/ip_address', '10.113.0.5,10.113.0.6'],
    ['nauti.io/ip_address', '10.114.0.5'],
    ['nauti.io/ip_address', '10.113.0.5;reboot'],
    ['nauti.io/ip_address', '10.113.0.5\nlink del dev eth0'],
    ['nauti.io/ip_address', '$(reboot)'],
    ['nauti.io/ip_address', '10.113.0.05'],
    ['nauti.io/cidr', '10.113.0.5/16'],
    ['nauti.io/cidr', '`reboot`'],
    ['nauti.io/pod_nic_type', 'sriov'],
    ['nauti.io/routes', ''],
    ['nauti.io/routes', '{}'],
    ['nauti.io/routes', '[1]'],
    ['nauti.io/routes', '[{"dst":"0.0.0.0/0","gw":"10.113.0.1"}]'],
    ['nauti.io/routes', '[{"dst":"::/0","gw":"fd00:10:113::1"}]'],
    ['nauti.io/routes', '[{"dst":"10.112.0.0/12","gw":"192.168.0.1"}]'],
    ['nauti.io/routes', '[{"dst":"10.112.0.0/12","gw":"fd00:10:113::1"}]'],
    ['nauti.io/routes', '[{"dst":"10.112.0.0/12 dev lo","gw":"10.113.0.1"}]'],
    ['nauti.io/routes', JSON.stringify(Array(65).fill({ dst: '10.112.0.0/12', gw: '10.113.0.1' }))],
    ['nauti.io/routes', `[${' '.repeat(5_000)}]`],
  ];
  for (const [name, value] of refused) {
    it(`is refused with ${name} ${JSON.stringify(value.slice(0, 60))}`, () => {
      const reading = readAllocation({ ...good, [name]: value });
      expect(reading.kind).to.equal('refused');
      expect(reading.kind === 'refused' && reading.reason).to.match(/^Cannot (use|read) nauti\.io\//);
    });
  }

  it('never is anything but an allocation or a refusal, and no text of it survives', () => {
    const names = Object.keys(good) as (keyof typeof good)[];
    for (let seed = 1; seed <= 2_000; seed++) {
      const next = randomNumbers(seed);
      const name = names[next() % names.length] ?? 'nauti.io/cidr';
      const noise = randomBytes(seed, next() % 12).toString('latin1');
      const at = next() % (good[name].length + 1);
      const reading = readAllocation({
        ...good,
        [name]: good[name].slice(0, at) + noise + good[name].slice(at),
      });
      if (reading.kind !== 'allocated') continue;
      const { mac, addresses, routes } = reading.allocation;
      expect(mac).to.match(/^[0-9a-f:]{17}$/);
      for (const { address, prefix } of addresses)
        expect(`${formatAddress(address)}/${prefix}`).to.match(/^[0-9a-f.:]+\/\d+$/);
      for (const { destination } of routes) expect(formatCidr(destination)).to.match(/^[0-9a-f.:]+\/\d+$/);
    }
  });
});
