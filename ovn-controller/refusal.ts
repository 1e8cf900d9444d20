/** Why a pod has no address. The reason is that of the Event and of the condition on the pod. */
export interface Refusal {
  readonly reason: RefusalReason;
  /** For people. */
  readonly note: string;
  /** When it may be otherwise, by time alone; releases are told of. */
  readonly retryAfterMs?: number;
}

export type RefusalReason =
  /** Every address is used, or rests. */
  | 'AddressesExhausted'
  /** The annotation asks for something that is no address of the network. */
  | 'InvalidAddressRequest'
  /** Somebody else has what it asks for. */
  | 'AddressTaken'
  /** Another pod is the gateway. */
  | 'GatewayTaken'
  /** Somebody else has a port of its name in OVN. */
  | 'PortNameTaken';
