import { clientPod, exampleUrl, vipUrl } from './example.ts';

export interface Suggestion {
  readonly what: string;
  readonly commands: readonly string[];
}

const lab = 'npm run -s lab --';
const name = new URL(exampleUrl).hostname;

/** What to try once the demo has run. Each works when pasted into a shell at the root of the project, in this order too. */
export const suggestions: readonly Suggestion[] = [
  {
    what: 'the same again',
    commands: [`${lab} kubectl cluster2 exec ${clientPod} -- curl -s ${exampleUrl}`],
  },
  {
    what: 'the same by the address that the service has in cluster2, which kube-proxy serves',
    commands: [`${lab} kubectl cluster2 exec ${clientPod} -- curl -s ${vipUrl}`],
  },
  {
    what: 'more pods in cluster1: the answers in cluster2 follow',
    commands: [
      `${lab} kubectl cluster1 scale deployment nginx --replicas 3`,
      `${lab} kubectl cluster1 rollout status deployment nginx`,
      `${lab} kubectl cluster2 exec ${clientPod} -- dig +noall +answer ${name}`,
    ],
  },
  {
    what: 'the pods have the same addresses in both clusters, and others on the network of all; nginx saw the client',
    commands: [
      `${lab} kubectl cluster1 get pods -o wide`,
      `${lab} kubectl cluster2 exec ${clientPod} -- ip -4 -brief address`,
      `${lab} kubectl cluster1 logs -l app=nginx --tail 1000 | grep -v kube-probe`,
    ],
  },
  {
    what: 'who is a member, and what cluster2 knows of the others',
    commands: [
      'PATH=$PWD/.lab/bin:$PATH KUBECONFIG=.lab/hub.kubeconfig kubectl nauti status',
      `${lab} kubectl cluster2 get serviceimports,endpointslices -n default`,
    ],
  },
  {
    what: 'who has a tunnel to whom, for graphviz',
    commands: ['npm exec -- nauti octopus graph --hub-kubeconfig .lab/hub.kubeconfig'],
  },
  {
    what: 'no export, no name: NXDOMAIN (the next "npm run demo" exports it again)',
    commands: [
      `${lab} kubectl cluster1 delete serviceexport nginx-svc`,
      `${lab} kubectl cluster2 exec ${clientPod} -- dig ${name}`,
    ],
  },
  {
    what: 'what runs',
    commands: [`${lab} status`, `${lab} kubectl cluster1 logs -n nauti-system deployment/nauti-syncer`],
  },
];

/** The last thing to do, which ends all others. */
export const farewell: Suggestion = { what: 'take everything away again', commands: [`${lab} down`] };
