/** What the package offers; README.md shows how it is used. */
export { type ClientOptions, type ClientState, type MonitorHandle, OvsdbClient } from './client.ts';
export type { Condition, ConditionFunction, Mutation } from './condition.ts';
export { type Endpoint, formatEndpoint, parseEndpoint, parseEndpoints } from './endpoint.ts';
export {
  ColumnTypeError,
  DisconnectedError,
  OutcomeUnknownError,
  OverloadedError,
  OvsdbError,
  ProtocolError,
  RequestError,
  TransactionError,
  UnknownColumnError,
} from './errors.ts';
export type { Lock } from './lock.ts';
export type { Change, Kept, MonitorRequest, Replica, ReplicaTable, TableRequest } from './replica.ts';
export { type ColumnSchema, type DatabaseSchema, parseSchema, type TableSchema } from './schema.ts';
export { type Selection, Transaction, type TransactionResult } from './transaction.ts';
export type { TlsFiles } from './transport.ts';
export { type ColumnInput, isUuid, NewRow, type RowInput, type Uuid, uuid } from './value.ts';
