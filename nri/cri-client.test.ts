import { expect } from 'chai';
import { netnsInInfo } from './cri-client.ts';

describe("the network namespace in a sandbox's verbose status", () => {
  const status = (more: object) =>
    JSON.stringify({
      runtimeSpec: {
        linux: { namespaces: [{ type: 'pid' }, { type: 'network', path: '/var/run/netns/cni-1' }] },
      },
      ...more,
    });

  it('is what the runtime gave to runc', () => {
    expect(netnsInInfo(status({}))).to.equal('/var/run/netns/cni-1');
    expect(netnsInInfo(status({ netNamespaceClosed: false }))).to.equal('/var/run/netns/cni-1');
  });

  it('is none where it is torn down, and on the network of the host', () => {
    expect(netnsInInfo(status({ netNamespaceClosed: true }))).to.equal(undefined);
    expect(netnsInInfo(status({ runtimeSpec: { linux: { namespaces: [{ type: 'pid' }] } } }))).to.equal(
      undefined,
    );
  });

  it('is none where the sandbox was never started', () => {
    expect(netnsInInfo('{"status":"deleted","netNamespaceClosed":false}')).to.equal(undefined);
  });

  it('is refused where the status is not like that', () => {
    for (const text of ['', 'null', '{}', '[]', status({ runtimeSpec: { linux: {} } })])
      expect(() => netnsInInfo(text), text).to.throw('Cannot read the status of a sandbox');
  });
});
