import { expect } from 'chai';
import { type DnsConfig, forwardZones, NotUnderstood, parseCorefile, planDns } from './corefile.ts';

const zones = ['hyperos.local', 'clusterset.local'];

const kubeadm = `.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
`;

const k3s = `.:53 {
    errors
    health
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
      pods insecure
      fallthrough in-addr.arpa ip6.arpa
    }
    hosts /etc/coredns/NodeHosts {
      ttl 60
      reload 15s
      fallthrough
    }
    prometheus :9153
    cache 30
    loop
    reload
    loadbalance
    import /etc/coredns/custom/*.override
    forward . /etc/resolv.conf
}
import /etc/coredns/custom/*.server
`;

const rke2 = `.:53 {
    errors
    health  {
        lameduck 5s
    }
    ready
    kubernetes   cluster.local  cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    prometheus   0.0.0.0:9153
    forward   . /etc/resolv.conf
    cache   30
    loop
    reload
    loadbalance
}`;

const nodeLocal = `cluster.local:53 {
    errors
    cache {
            success 9984 30
            denial 9984 5
    }
    reload
    loop
    bind 169.254.20.10 10.96.0.10
    forward . __PILLAR__CLUSTER__DNS__ {
            force_tcp
    }
    prometheus :9253
    health 169.254.20.10:8080
    }
in-addr.arpa:53 {
    errors
    cache 30
    reload
    loop
    bind 169.254.20.10 10.96.0.10
    forward . __PILLAR__CLUSTER__DNS__ {
            force_tcp
    }
    prometheus :9253
    }
.:53 {
    errors
    cache 30
    reload
    loop
    bind 169.254.20.10 10.96.0.10
    forward . __PILLAR__UPSTREAM__SERVERS__
    prometheus :9253
    }
`;

const address = '10.96.0.11';

/** The config after the changes. */
function applied(config: DnsConfig, to: string | undefined): DnsConfig {
  const after: Record<string, Record<string, string>> = structuredClone(config) as never;
  for (const { configMap, key, value } of planDns(config, zones, to)) {
    after[configMap] ??= {};
    if (value === undefined) delete after[configMap][key];
    else after[configMap][key] = value;
  }
  return after;
}

describe('the DNS of a cluster', () => {
  const distributions: Record<string, DnsConfig> = {
    kubeadm: { coredns: { Corefile: kubeadm } },
    k3s: {
      coredns: { Corefile: k3s },
      'coredns-custom': { 'mine.server': 'example.org:53 {\n  whoami\n}\n' },
    },
    RKE2: { 'rke2-coredns-rke2-coredns': { Corefile: rke2 } },
    GKE: { 'kube-dns': { stubDomains: '{"example.org":["10.0.0.1"]}', upstreamNameservers: '["8.8.8.8"]' } },
    'NodeLocal DNS on kubeadm': { coredns: { Corefile: kubeadm }, 'node-local-dns': { Corefile: nodeLocal } },
  };

  for (const [name, config] of Object.entries(distributions)) {
    describe(`of ${name}`, () => {
      it('forwards the zones, and says nothing twice', () => {
        const enabled = applied(config, address);
        expect(JSON.stringify(enabled)).to.contain('hyperos.local').and.contain(address);
        expect(planDns(enabled, zones, address)).to.eql([]);
      });

      it('moves them to another address', () => {
        if (name === 'GKE') return;
        const text = JSON.stringify(applied(applied(config, address), '10.96.0.99'));
        expect(text).to.contain('10.96.0.99').and.not.to.contain(address);
      });

      it('is as before when they are taken out, whatever else it has', () => {
        const after = applied(applied(config, address), undefined);
        for (const [map, data] of Object.entries(config)) {
          for (const [key, value] of Object.entries(data)) {
            expect(after[map]?.[key]?.trimEnd(), `${map} ${key}`).to.equal(value.trimEnd());
          }
        }
        expect(JSON.stringify(after)).not.to.contain('hyperos.local');
        expect(planDns(after, zones, undefined)).to.eql([]);
      });
    });
  }

  it('gets blocks of its own, and keeps everything before them', () => {
    const after = forwardZones(kubeadm, zones, address);
    expect(after.startsWith(kubeadm)).to.equal(true);
    expect(after.slice(kubeadm.length)).to.equal(`# nauti: zones of other clusters, begin
hyperos.local:53 {
    errors
    forward . 10.96.0.11 10.96.0.11 10.96.0.11 {
        max_fails 10
    }
}
clusterset.local:53 {
    errors
    forward . 10.96.0.11 10.96.0.11 10.96.0.11 {
        max_fails 10
    }
}
# nauti: end
`);
    expect(parseCorefile(after).map(({ keys }) => keys)).to.eql([
      ['.:53'],
      ['hyperos.local:53'],
      ['clusterset.local:53'],
    ]);
  });

  it('binds to the addresses of NodeLocal DNS', () => {
    const after = forwardZones(nodeLocal, ['hyperos.local'], 'fd96::11');
    expect(after).to.contain(
      'hyperos.local:53 {\n    errors\n    bind 169.254.20.10 10.96.0.10\n    forward . [fd96::11] [fd96::11] [fd96::11] {\n        max_fails 10\n    }\n}',
    );
  });

  it('has k3s import a file of its own, as it writes its Corefile anew', () => {
    const config = { coredns: { Corefile: k3s } };
    expect(planDns(config, zones, address).map(({ configMap, key }) => `${configMap} ${key}`)).to.eql([
      'coredns-custom nauti.server',
    ]);
  });

  it('is refused where it is not understood', () => {
    const cases: [DnsConfig, string][] = [
      [{}, 'must be in kube-system'],
      [{ coredns: { Corefile: kubeadm.slice(0, -3) } }, 'is not closed'],
      [{ coredns: { Corefile: `${kubeadm}}\n` } }, 'closes what is not open'],
      [{ coredns: { Corefile: `${kubeadm}forward . 1.1.1.1\n` } }, 'outside of a server block'],
      [{ coredns: { Corefile: `${kubeadm}a { whoami }\n` } }, 'a brace that is not at its end'],
      [{ coredns: { Corefile: kubeadm.replace('errors', 'errors "x') } }, 'an open quote'],
      [{ coredns: { Corefile: 'cluster.local:53 {\n  errors\n}\n' } }, 'a server block for "." on port 53'],
      [{ coredns: { Corefile: kubeadm.replace('.:53', '.:1053') } }, 'a server block for "." on port 53'],
      [
        { coredns: { Corefile: `${kubeadm}hyperos.local {\n  whoami\n}\n` } },
        'a server block for it already',
      ],
      [
        { coredns: { Corefile: `${kubeadm}a.org, dns://HyperOS.local.:53 {\n  whoami\n}\n` } },
        'for it already',
      ],
      [{ coredns: { Corefile: `${kubeadm}# nauti: end\n` } }, 'with which Nauti marks its own is gone'],
      [
        { coredns: { Corefile: k3s }, 'coredns-custom': { 'a.server': 'hyperos.local:53 {\n  whoami\n}' } },
        'for it already',
      ],
      [{ 'kube-dns': { stubDomains: 'x' } }, 'it must be JSON'],
      [{ 'kube-dns': { stubDomains: '["a"]' } }, 'a map of lists'],
      [{ 'kube-dns': { stubDomains: '{"hyperos.local":["10.0.0.9"]}' } }, 'must not have it already'],
    ];
    for (const [config, message] of cases) {
      expect(() => planDns(config, zones, address), message).to.throw(NotUnderstood, message);
    }
  });

  it('may have comments, quotes, environment variables and several addresses a block', () => {
    const text = `# all
(snippet) {
  errors
}
.:53, example.org:53 {
  log . "{remote} {type}" # not a comment "
  forward . {$UPSTREAM}
}
`;
    expect(parseCorefile(text).map(({ keys }) => keys)).to.eql([['(snippet)'], ['.:53,', 'example.org:53']]);
    expect(forwardZones(text, zones, address)).to.contain('forward . 10.96.0.11');
  });
});
