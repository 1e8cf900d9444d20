import type { TlsFiles } from 'ovsdb-client';
import { type OptionValues, UsageError } from '../process/options.ts';
import type { options } from './options.ts';

type Given = Pick<OptionValues<typeof options>, 'ovnNb' | 'ovnCa' | 'ovnCert' | 'ovnKey' | 'ovnServerName'>;

/** The files of TLS with OVN; undefined where no endpoint needs them. @throws UsageError where one is missing. */
export function tlsOf({ ovnNb, ovnCa, ovnCert, ovnKey, ovnServerName }: Given): TlsFiles | undefined {
  if (ovnNb.every(({ kind }) => kind !== 'ssl')) return undefined;
  if (ovnCa === undefined || ovnCert === undefined || ovnKey === undefined) {
    throw new UsageError(
      'Cannot use --ovn-nb ssl:… as --ovn-ca-file, --ovn-cert-file and --ovn-key-file must be given',
    );
  }
  return {
    ca: ovnCa,
    cert: ovnCert,
    key: ovnKey,
    ...(ovnServerName === undefined ? {} : { serverName: ovnServerName }),
  };
}
