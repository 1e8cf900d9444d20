import { clientPod, exampleUrl } from './example.ts';

/** What to try once the demo has run. Each works when pasted, in this order too. */
export const nextCommands: readonly { readonly what: string; readonly command: string }[] = [
  {
    what: 'the name again, and what DNS says of it',
    command: `npm run -s lab -- kubectl cluster2 exec ${clientPod} -- curl -s ${exampleUrl}`,
  },
  {
    what: 'more pods: the answers follow',
    command:
      'npm run -s lab -- kubectl cluster1 scale deployment nginx --replicas 3 && ' +
      'npm run -s lab -- kubectl cluster1 rollout status deployment nginx && ' +
      `npm run -s lab -- kubectl cluster2 exec ${clientPod} -- dig +noall +answer nginx-svc.default.svc.hyperos.local`,
  },
  {
    what: 'the same service by the virtual address of KEP-1645',
    command: `npm run -s lab -- kubectl cluster2 exec ${clientPod} -- dig +short nginx-svc.default.svc.clusterset.local`,
  },
  {
    what: 'who is a member, and what cluster2 knows of cluster1',
    command:
      'npm run -s lab -- kubectl hub get peers -n syncer-operator && ' +
      'npm run -s lab -- kubectl cluster2 get serviceimports,endpointslices -n default',
  },
  {
    what: 'no export, no name: NXDOMAIN (exported again by the next "npm run demo")',
    command:
      'npm run -s lab -- kubectl cluster1 delete serviceexport nginx-svc && ' +
      `npm run -s lab -- kubectl cluster2 exec ${clientPod} -- dig nginx-svc.default.svc.hyperos.local`,
  },
  { what: 'what runs, and its logs', command: 'npm run -s lab -- status' },
  { what: 'take everything away again', command: 'npm run -s lab -- down' },
];
