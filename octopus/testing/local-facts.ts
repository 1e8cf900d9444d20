import type { LocalFacts } from '../plan.ts';

/** What a gateway knows of itself, but for its id. */
export const localFacts: Omit<LocalFacts, 'id'> = {
  device: 'wg0',
  clusterDevice: 'eth-ovn',
  listenPort: 31_820,
  probePort: 31_821,
  underlayMtu: 1_500,
  keepalive: 10,
  relay: true,
  managesClusterAddress: false,
};
