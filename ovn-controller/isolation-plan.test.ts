import { expect } from 'chai';
import { planIsolation } from './isolation-plan.ts';
import { network, pod } from './testing/samples.ts';
import { readService, type WatchedService } from './watched-service.ts';

function service(
  name: string,
  ports: readonly object[],
  more: { isolate?: boolean; app?: string } = {},
): WatchedService {
  const labels = more.isolate ? { 'nauti.io/isolate': 'true' } : {};
  const selector = more.app === '' ? {} : { app: more.app ?? 'web' };
  return readService({ metadata: { namespace: 'demo', name, labels }, spec: { selector, ports } });
}

const web = pod('demo/web', { labels: { app: 'web' }, ports: [{ name: 'http', containerPort: 8080 }] });
const other = pod('demo/other', { labels: { app: 'other' } });
const away = pod('away/web', { labels: { app: 'web' } });

function plan(options: {
  namespaces?: string[];
  services?: WatchedService[];
  exported?: string[];
  cidrs?: string[];
}) {
  return planIsolation({
    network: network(...(options.cidrs ?? ['10.113.0.0/16'])),
    pods: [web, other, away],
    isIsolatedNamespace: name => options.namespaces?.includes(name) ?? false,
    servicesIn: namespace => (options.services ?? []).filter(one => one.namespace === namespace),
    isExported: key => options.exported?.includes(key) ?? false,
  });
}

const pods = (groups: ReturnType<typeof plan>) =>
  groups.map(({ name, pods: keys }) => `${name}: ${[...keys].join()}`);

describe('isolation plan', () => {
  it('is empty where nothing asks for it', () => {
    expect(plan({ services: [service('web', [{ port: 80 }])], exported: ['demo/web'] })).to.deep.equal([]);
  });

  it('closes the pods of a namespace to other clusters, and answers what they open', () => {
    const groups = plan({ namespaces: ['demo'] });
    expect(pods(groups)).to.deep.equal(['nauti_isolated: demo/web,demo/other']);
    expect(groups[0]?.rules).to.deep.equal([
      {
        direction: 'to-lport',
        priority: 1000,
        match: 'outport == @nauti_isolated && ip4 && ip4.src == 10.112.0.0/12 && ip4.src != 10.113.0.0/16',
        action: 'drop',
      },
      {
        direction: 'from-lport',
        priority: 1001,
        match: 'inport == @nauti_isolated && ip4 && ip4.dst == 10.112.0.0/12 && ip4.dst != 10.113.0.0/16',
        action: 'allow-related',
      },
    ]);
  });

  it('admits the ports of exported Services, by number and by name', () => {
    const services = [
      service('web', [
        { port: 80, targetPort: 'http' },
        { port: 53, protocol: 'UDP' },
      ]),
      service('hidden', [{ port: 9999 }]),
      service('all', [{ port: 7 }], { app: '' }),
    ];
    const groups = plan({ namespaces: ['demo'], services, exported: ['demo/web', 'demo/all'] });
    expect(pods(groups)).to.deep.equal([
      'nauti_isolated: demo/web,demo/other',
      'nauti_admit_tcp_8080: demo/web',
      'nauti_admit_udp_53: demo/web',
    ]);
    expect(groups[1]?.rules).to.deep.equal([
      {
        direction: 'to-lport',
        priority: 1001,
        match:
          'outport == @nauti_admit_tcp_8080 && ip4 && ip4.src == 10.112.0.0/12 && ip4.src != 10.113.0.0/16 && tcp && tcp.dst == 8080',
        action: 'allow-related',
      },
    ]);
  });

  it('closes only the pods of a Service that is labelled', () => {
    const groups = plan({ services: [service('web', [{ port: 80 }], { isolate: true })] });
    expect(pods(groups)).to.deep.equal(['nauti_isolated: demo/web']);
  });

  it('has rules for both families', () => {
    const [group] = plan({ namespaces: ['demo'], cidrs: ['10.113.0.0/16', 'fd00:10:113::/64'] });
    expect(group?.rules.map(({ match }) => match.split(' && ')[1])).to.deep.equal([
      'ip4',
      'ip4',
      'ip6',
      'ip6',
    ]);
  });

  it('ignores a named port that the pod has not got', () => {
    const services = [service('web', [{ port: 80, targetPort: 'nonsense; reboot' }])];
    expect(pods(plan({ namespaces: ['demo'], services, exported: ['demo/web'] }))).to.have.length(1);
  });
});
