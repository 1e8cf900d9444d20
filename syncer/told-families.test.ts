import { expect } from 'chai';
import type { IpFamily } from '../api/service-policy.ts';
import { asked, service } from './export.fixture.ts';
import { planExport } from './export-plan.ts';
import { type AddressStrategy, podAddresses } from './published-addresses.ts';
import { secondaryAddresses } from './secondary-addresses.ts';
import { readSliceText, sliceText } from './slice-content.ts';

const pods = ['web-0', 'web-1'] as const;
const own: Readonly<Record<IpFamily, string>> = { IPv4: '10.244.0', IPv6: 'fd00:244:' };

function slice(addressType: IpFamily, names: readonly string[] = pods) {
  const endpoints = names.map((name, index) => ({
    addresses: [`${own[addressType]}${addressType === 'IPv4' ? '.' : ':'}${index + 1}`],
    conditions: { ready: true, serving: true, terminating: false },
    targetRef: { kind: 'Pod', name, uid: name, namespace: 'demo' },
  }));
  const text = sliceText({ addressType, endpoints, ports: [{ name: 'http', protocol: 'TCP', port: 80 }] });
  return {
    kind: 'source' as const,
    namespace: 'demo',
    name: `web-${addressType.toLowerCase()}`,
    service: 'demo/web',
    text,
  };
}

/** What is exported of a Service, where its pods have these addresses on the secondary network. */
function exported(
  ipFamilies: readonly IpFamily[],
  secondary: Readonly<Record<string, readonly string[]>> | undefined,
  slices = [slice('IPv4'), slice('IPv6')],
) {
  const addresses: AddressStrategy =
    secondary === undefined
      ? podAddresses
      : secondaryAddresses(key => {
          const uid = key.slice('demo/'.length);
          const known = secondary[uid];
          return known && { uid, addresses: known };
        });
  const plan = planExport({
    clusterId: 'cluster1',
    export: asked,
    service: service({ ipFamilies }),
    unreadable: undefined,
    slices,
    addresses,
  });
  if (plan.kind !== 'exported') throw new Error(plan.kind);
  const told = plan.slices.map(({ text }) => {
    const { addressType, endpoints } = readSliceText(text);
    return `${addressType} ${endpoints.length}`;
  });
  return { families: plan.spec.ipFamilies, told };
}

describe('families that an export tells', () => {
  it('are not those in which no pod has a secondary address: they would answer addresses that lead nowhere', () => {
    const four = { 'web-0': ['10.113.0.7'], 'web-1': ['10.113.0.8'] };
    expect(exported(['IPv6', 'IPv4'], four)).to.deep.equal({ families: ['IPv4'], told: ['IPv4 2'] });
    const six = { 'web-0': ['fd00:113::7'], 'web-1': ['fd00:113::8'] };
    expect(exported(['IPv4', 'IPv6'], six)).to.deep.equal({ families: ['IPv6'], told: ['IPv6 2'] });
  });

  it('are both, in their order, as soon as one pod has an address of each', () => {
    const mixed = { 'web-0': ['10.113.0.7', 'fd00:113::7'], 'web-1': ['10.113.0.8'] };
    expect(exported(['IPv6', 'IPv4'], mixed)).to.deep.equal({
      families: ['IPv6', 'IPv4'],
      told: ['IPv4 2', 'IPv6 1'],
    });
  });

  it('are those of the Service while no pod has an address yet, or there is no pod', () => {
    expect(exported(['IPv4', 'IPv6'], {}).families).to.deep.equal(['IPv4', 'IPv6']);
    const empty = [slice('IPv4', []), slice('IPv6', [])];
    expect(exported(['IPv4', 'IPv6'], {}, empty).families).to.deep.equal(['IPv4', 'IPv6']);
  });

  it('keep one in which the Service itself has no endpoint', () => {
    const one = [slice('IPv4'), slice('IPv6', [])];
    const four = { 'web-0': ['10.113.0.7'] };
    expect(exported(['IPv4', 'IPv6'], four, one).families).to.deep.equal(['IPv4', 'IPv6']);
  });

  it('are the only one of a Service of one family, reachable or not', () => {
    const four = { 'web-0': ['10.113.0.7'] };
    expect(exported(['IPv6'], four, [slice('IPv6')])).to.deep.equal({ families: ['IPv6'], told: ['IPv6 0'] });
  });

  it("are all of the Service's where the pods' own addresses are published", () => {
    const expected = { families: ['IPv4', 'IPv6'], told: ['IPv4 2', 'IPv6 2'] };
    expect(exported(['IPv4', 'IPv6'], undefined)).to.deep.equal(expected);
  });
});
