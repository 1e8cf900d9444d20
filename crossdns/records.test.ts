import { expect } from 'chai';
import { mcsLabels } from '../api/names.ts';
import { readServiceRecord, type SliceRecord, UnusableObject } from './records.ts';
import { importOf, sliceOf } from './served.fixture.ts';

const read = (object: unknown) => readServiceRecord(object as never, 'syncer-operator');
const slice = sliceOf('demo/web', 'c1', ['10.1.0.1'], { ports: ['http/tcp:80'] });

describe('objects', () => {
  it('of other kinds and groups do not concern DNS', () => {
    expect(read({ kind: 'Service', apiVersion: 'v1', metadata: { name: 'a' } })).to.equal(undefined);
    expect(read({ ...importOf('demo/web'), apiVersion: 'example.org/v1' })).to.equal(undefined);
    expect(read({ ...slice, metadata: { ...slice.metadata, labels: {} } })).to.equal(undefined);
    expect(read({ ...slice, addressType: 'FQDN', endpoints: [{ addresses: ['x.org'] }] })).to.equal(
      undefined,
    );
  });

  it('of both served versions of the API are read', () => {
    for (const version of ['v1alpha1', 'v1beta1']) {
      const object = { ...importOf('demo/web'), apiVersion: `multicluster.x-k8s.io/${version}` };
      expect(read(object)).to.have.property('kind', 'import');
    }
  });

  it('count an endpoint as ready unless it says that it is not', () => {
    const endpoints = [
      { addresses: ['10.1.0.1'] },
      { addresses: ['10.1.0.2'], conditions: {} },
      { addresses: ['10.1.0.3'], conditions: { ready: null } },
      { addresses: ['10.1.0.4'], conditions: { ready: false, serving: true, terminating: true } },
    ];
    expect(read({ ...slice, endpoints })).to.deep.include({ unready: 1 });
    expect((read({ ...slice, endpoints }) as SliceRecord).endpoints).to.have.length(3);
  });

  it('leave out a hostname that cannot be one', () => {
    for (const hostname of ['UPPER', 'a.b', '-a', '', 'x'.repeat(64), 7]) {
      const record = read({ ...slice, endpoints: [{ addresses: ['10.1.0.1'], hostname }] });
      expect((record as SliceRecord).endpoints[0]?.hostname).to.equal(undefined);
    }
  });

  it('that are malformed are refused with the field, what it must be and what it is', () => {
    const labels = (changes: Record<string, string | undefined>) => ({
      ...slice,
      metadata: { ...slice.metadata, labels: { ...slice.metadata.labels, ...changes } },
    });
    const cases: [object, string][] = [
      [
        { ...importOf('demo/web'), spec: { type: 'Other' } },
        'spec.type must be "ClusterSetIP" or "Headless"',
      ],
      [
        { ...importOf('demo/web'), spec: { type: 'Headless', ips: ['x'] } },
        'spec.ips[0] must be an IP address',
      ],
      [{ ...importOf('demo/web'), spec: undefined }, 'spec must be an object'],
      [importOf('Demo/web'), 'the namespace must be'],
      [importOf('demo/we.b'), 'metadata.name must be a DNS label'],
      [labels({ [mcsLabels.sourceCluster]: 'a.b.c' }), 'source-cluster"] must be a cluster id'],
      [labels({ [mcsLabels.sourceCluster]: undefined }), 'source-cluster"] must be a cluster id'],
      [{ ...slice, addressType: 'IPv5' }, 'addressType must be'],
      [{ ...slice, addressType: 'IPv6' }, 'endpoints[0].addresses[0] must be an IPv6 address'],
      [{ ...slice, endpoints: 'x' }, 'endpoints must be a list'],
      [{ ...slice, endpoints: [null] }, 'endpoints[0] must be an object'],
      [{ ...slice, ports: [{ port: 70_000 }] }, 'ports[0].port must be an integer from 1 to 65535'],
      [{ ...slice, ports: [{ port: 1, protocol: 'X' }] }, 'ports[0].protocol must be'],
      [{ ...slice, ports: [{ port: 1, name: 'a.b' }] }, 'ports[0].name must be a DNS label'],
    ];
    for (const [object, message] of cases) {
      expect(() => read(object), message).to.throw(UnusableObject, message);
    }
  });
});
