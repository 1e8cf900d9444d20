import { join } from 'node:path';
import { expect } from 'chai';
import { run } from '../../../lab/command.ts';
import { checkout } from '../../../lab/tools.ts';

describe('the start of the switch of a node', () => {
  it('is tried again where the kubelet did not know the Service of the southbound database yet', async () => {
    const script = join(checkout, 'ovn-node', 'scripts', 'switch.sh');
    // What a kubelet leaves of a variable that it has no value for.
    const settings = ['SB=ssl:[$(NAUTI_OVN_SB_SERVICE_HOST)]:6642', 'OVS_RUN=/nowhere', 'UNDERLAY='];
    const failure = await run('timeout', ['20', 'env', ...settings, 'sh', script]).then(
      () => undefined,
      error => String(error),
    );
    expect(failure).to.contain('ended with code 1').and.contain('the Service nauti-ovn-sb must be known');
  }).timeout(30_000);
});
