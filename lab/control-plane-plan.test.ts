import { expect } from 'chai';
import {
  apiServer,
  type ControlPlaneSpec,
  etcd,
  firstServiceAddress,
  followers,
} from './control-plane-plan.ts';

const spec: ControlPlaneSpec = {
  cluster: 'one',
  directory: '/state/one',
  tools: '/tools',
  address: '198.51.100.10',
  etcdAddress: '127.0.0.1',
  serviceCidr: '10.96.0.0/16',
  podCidr: '10.240.0.0/16',
  controllerManager: true,
  scheduler: true,
};

describe('control plane plan', () => {
  it('takes the first address of the service CIDR for kubernetes.default', () => {
    expect(firstServiceAddress('10.96.0.0/16')).to.equal('10.96.0.1');
    expect(firstServiceAddress('10.111.32.0/20')).to.equal('10.111.32.1');
  });

  it('refuses a service CIDR that it cannot read', () => {
    for (const cidr of ['', '10.96.0.0', 'fd00::/108', '10.96.0.0/31', '10.96.0/16']) {
      expect(() => firstServiceAddress(cidr)).to.throw('must be an IPv4 CIDR');
    }
  });

  it('keeps etcd where only the control plane reaches it', () => {
    const { args } = etcd(spec);
    expect(args).to.include('--listen-client-urls=http://127.0.0.1:2379');
    expect(args.join(' ')).not.to.contain(spec.address);
  });

  it('publishes the API server as endpoint of kubernetes.default unless it is on loopback', () => {
    expect(apiServer(spec).args).to.include('--advertise-address=198.51.100.10');
    expect(apiServer(spec).args.join(' ')).not.to.contain('endpoint-reconciler');
    expect(apiServer({ ...spec, address: '127.64.0.9' }).args).to.include('--endpoint-reconciler-type=none');
  });

  it('asks for ServiceAccounts only where something makes them', () => {
    const off = '--disable-admission-plugins=ServiceAccount';
    expect(apiServer(spec).args).not.to.include(off);
    expect(apiServer({ ...spec, controllerManager: false }).args).to.include(off);
  });

  it('starts what needs the API server after it', () => {
    expect(followers(spec).map(program => program.name)).to.eql([
      'kube-controller-manager',
      'kube-scheduler',
    ]);
    expect(followers({ ...spec, controllerManager: false, scheduler: false })).to.eql([]);
  });
});
