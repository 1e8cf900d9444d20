import { expect } from 'chai';
import { Served } from './served.fixture.ts';
import { parseManifests } from './sources/directory.ts';

/** Submariner Lighthouse: no virtual address by default; a slice a cluster, with the address of its Service. */
const lighthouse = `
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceImport
metadata:
  name: nginx
  namespace: default
  annotations: { lighthouse.submariner.io/clusterset-ip-enabled: "false" }
spec:
  type: ClusterSetIP
  ports: [{ name: http, protocol: TCP, port: 8080 }]
  sessionAffinityConfig: {}
status: { clusters: [{ cluster: cluster1 }, { cluster: cluster2 }] }
---
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceImport
metadata:
  name: nginx-default-cluster1
  namespace: submariner-operator
  labels:
    lighthouse.submariner.io/sourceCluster: cluster1
    multicluster.kubernetes.io/service-name: nginx
spec: { type: ClusterSetIP, ips: ["10.43.7.7"], ports: [{ name: http, protocol: TCP, port: 8080 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: nginx-default-cluster1-7xkqv
  namespace: default
  labels:
    endpointslice.kubernetes.io/managed-by: lighthouse-agent.submariner.io
    lighthouse.submariner.io/is-headless: "false"
    lighthouse.submariner.io/sourceNamespace: default
    multicluster.kubernetes.io/service-name: nginx
    multicluster.kubernetes.io/source-cluster: cluster1
    submariner-io/clusterID: cluster1
addressType: IPv4
endpoints: [{ addresses: ["10.43.7.7"], conditions: { ready: true } }]
ports: [{ name: http, protocol: TCP, port: 8080, appProtocol: "" }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: nginx-default-cluster2-p2m9d
  namespace: default
  labels:
    endpointslice.kubernetes.io/managed-by: lighthouse-agent.submariner.io
    multicluster.kubernetes.io/service-name: nginx
    multicluster.kubernetes.io/source-cluster: cluster2
addressType: IPv4
endpoints: [{ addresses: ["10.45.9.9"], conditions: { ready: true } }]
ports: [{ name: http, protocol: TCP, port: 8080 }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: web-cluster1-zzzzz
  namespace: default
  labels:
    endpointslice.kubernetes.io/managed-by: lighthouse-agent.submariner.io
    lighthouse.submariner.io/is-headless: "true"
    multicluster.kubernetes.io/service-name: web
    multicluster.kubernetes.io/source-cluster: cluster1
addressType: IPv4
endpoints:
  - { addresses: ["10.42.0.9"], hostname: web-0, nodeName: n1, conditions: { ready: true, serving: true, terminating: false } }
  - { addresses: ["10.42.0.10"], hostname: web-1, nodeName: n2, conditions: { ready: false } }
ports: []
---
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceImport
metadata: { name: web, namespace: default }
spec: { type: Headless, ports: [] }
`;

/** Cilium Cluster Mesh: a virtual address by a derived Service, whose name the slices carry too. */
const cilium = `
apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceImport
metadata:
  name: rebel-base
  namespace: default
  annotations: { multicluster.kubernetes.io/derived-service: derived-8jmfq1tk2p }
spec:
  type: ClusterSetIP
  ips: ["10.96.31.7", "fd00:10:96::1f07"]
  ipFamilies: [IPv4, IPv6]
  ports: [{ name: http, port: 80, protocol: TCP }, { port: 53, protocol: UDP }]
  sessionAffinity: None
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: derived-8jmfq1tk2p-cluster2-x4c7b
  namespace: default
  labels:
    endpointslice.kubernetes.io/managed-by: endpointslice-mesh-controller.cilium.io
    kubernetes.io/service-name: derived-8jmfq1tk2p
    multicluster.kubernetes.io/service-name: rebel-base
    multicluster.kubernetes.io/source-cluster: cluster2
addressType: IPv4
endpoints:
  - { addresses: ["10.2.1.4"], conditions: { ready: true, serving: true, terminating: false }, nodeName: n, zone: z }
  - { addresses: ["10.2.1.5"], conditions: { ready: false, serving: true, terminating: true } }
ports: [{ name: http, port: 8080, protocol: TCP }]
`;

describe('objects as other implementations of the MCS API write them', () => {
  it('of Submariner Lighthouse answer in zones of the form endpoints, its headless services in both', () => {
    const served = new Served(parseManifests(lighthouse));
    expect(served.data('nginx.default.svc.hyperos.local A')).to.eql(['10.43.7.7', '10.45.9.9']);
    expect(served.data('cluster2.nginx.default.svc.hyperos.local A')).to.eql(['10.45.9.9']);
    expect(served.data('_http._tcp.nginx.default.svc.hyperos.local SRV')).to.have.length(2);
    // It gave the import no address.
    expect(served.data('nginx.default.svc.clusterset.local A')).to.equal('NODATA');
    for (const zone of ['hyperos.local', 'clusterset.local']) {
      expect(served.data(`web.default.svc.${zone} A`)).to.eql(['10.42.0.9']);
      expect(served.data(`web-0.cluster1.web.default.svc.${zone} A`)).to.eql(['10.42.0.9']);
      expect(served.data(`web-1.cluster1.web.default.svc.${zone} A`)).to.equal('NXDOMAIN');
    }
  });

  it('of Cilium answer the virtual address in zones of the form mcs, the endpoints in others', () => {
    const served = new Served(parseManifests(cilium));
    expect(served.data('rebel-base.default.svc.clusterset.local A')).to.eql(['10.96.31.7']);
    expect(served.data('rebel-base.default.svc.clusterset.local AAAA')).to.eql(['fd00:10:96::1f07']);
    expect(served.data('_http._tcp.rebel-base.default.svc.clusterset.local SRV')).to.eql([
      '0 1 80 rebel-base.default.svc.clusterset.local.',
    ]);
    expect(served.data('rebel-base.default.svc.hyperos.local A')).to.eql(['10.2.1.4']);
    expect(served.data('derived-8jmfq1tk2p.default.svc.hyperos.local A')).to.equal('NXDOMAIN');
  });
});
