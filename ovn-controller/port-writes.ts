import type { Transaction, Uuid } from 'ovsdb-client';
import type { OVNNorthboundDatabase } from 'ovsdb-client/ovn-northbound';
import type { PortPlan } from './port-plan.ts';

/**
 * Adds all that a plan does to a transaction. Ports stand on their switch by the same transaction that makes them.
 *
 * @param seat the switch.
 */
export function addPortWrites(
  transaction: Transaction<OVNNorthboundDatabase>,
  seat: Uuid,
  plan: PortPlan,
): void {
  const onSwitch = [['_uuid', '==', seat]] as const;
  if (plan.remove.length > 0) {
    // The database collects ports that no switch has.
    transaction.mutate('Logical_Switch', onSwitch, [['ports', 'delete', plan.remove.map(port => port.uuid)]]);
  }
  if (plan.create.length > 0) {
    const created = plan.create.map(({ port }) =>
      transaction.insert('Logical_Switch_Port', {
        name: port.name,
        addresses: port.addresses,
        port_security: port.portSecurity,
        external_ids: port.externalIds,
      }),
    );
    transaction.mutate('Logical_Switch', onSwitch, [['ports', 'insert', created]]);
  }
  for (const { uuid, port } of plan.repair) {
    const onPort = [['_uuid', '==', uuid]] as const;
    transaction.update('Logical_Switch_Port', onPort, {
      name: port.name,
      addresses: port.addresses,
      port_security: port.portSecurity,
    });
    transaction.mutate('Logical_Switch_Port', onPort, [
      ['external_ids', 'delete', Object.keys(port.externalIds)],
      ['external_ids', 'insert', port.externalIds],
    ]);
  }
}
