import type { OptionValues } from '../process/options.ts';
import { AddressIndex } from './addressindex.ts';
import type { Catalog } from './catalog.ts';
import type { options } from './options.ts';
import { ReverseZone, reverseZoneNames } from './reversezone.ts';
import { ServiceIndex } from './serviceindex.ts';
import { ServiceZone } from './servicezone.ts';
import type { Zone } from './zone.ts';

/** What of the settings says which zones are served, and how. */
export type ZoneSettings = Pick<
  OptionValues<typeof options>,
  | 'zone'
  | 'reverseZone'
  | 'ttl'
  | 'negativeTtl'
  | 'versionTtl'
  | 'clusterId'
  | 'topologyZone'
  | 'nameServerAddress'
>;

/** The names of all zones in their order, without a dot at the end: those of services, then reverse zones. */
export function zoneNames({ zone, reverseZone }: Pick<ZoneSettings, 'zone' | 'reverseZone'>): string[] {
  return [...zone.map(({ name }) => name), ...reverseZone.flatMap(reverseZoneNames)];
}

/** Zones that follow the catalog. */
export function openZones(settings: ZoneSettings, catalog: Catalog): readonly Zone[] {
  const index = new ServiceIndex(catalog);
  const common = { ttl: inSeconds(settings.ttl), negativeTtl: inSeconds(settings.negativeTtl) };
  const own = {
    ...common,
    versionTtl: inSeconds(settings.versionTtl),
    locality: { cluster: settings.clusterId, zone: settings.topologyZone },
    nameServers: settings.nameServerAddress,
  };
  const zones: Zone[] = settings.zone.map((choice, i) => new ServiceZone({ ...choice, ...own }, i, index));
  if (settings.reverseZone.length > 0) {
    const addresses = new AddressIndex(catalog, settings.reverseZone);
    const server = `ns.dns.${settings.zone[0]?.name}`;
    for (const name of settings.reverseZone.flatMap(reverseZoneNames)) {
      const options = { name, server, ...common };
      zones.push(new ReverseZone(options, zones.length, { addresses, named: settings.zone }));
    }
  }
  catalog.subscribe(() => {
    for (const zone of zones) zone.touch();
  });
  return zones;
}

function inSeconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}
