import { expect } from 'chai';
import { Cluster } from '../../demo/cluster.ts';
import { curlNginx, exportNginx } from '../../demo/example.ts';
import { Journal } from '../../demo/journal.ts';
import { suggestions } from '../../demo/next-commands.ts';
import { tryRun } from '../../lab/command.ts';
import { checkout } from '../../lab/tools.ts';
import { eventually } from './eventually.ts';

/**
 * What must be in the output of a command, where there is more to say than that it ends well. Each of these only looks;
 * who pastes it is slower than what it looks for, which a test need not be.
 */
const expected: readonly (readonly [RegExp, RegExp])[] = [
  [/curl/, /Welcome to nginx!/],
  [/dig \+noall/, /(.*IN\s+A\s+10\.11\d\..*\n){3}/],
  [/nauti status/, /^cluster2 +alive .* 1 nri +\d+ +\d+$/m],
  [/octopus graph/, /"cluster1" -> "cluster2" \[dir=back\]/],
  [/grep -v kube-probe/, /^10\.11\d\..* "curl/m],
  [/dig nginx/, /status: NXDOMAIN/],
];

describe('the commands that the demo suggests', function () {
  this.timeout(400_000);
  const stop = new AbortController();
  const journal = new Journal('/dev/null');

  after(async () => {
    await exportNginx(new Cluster('cluster1', journal, stop.signal));
    await curlNginx(new Cluster('cluster2', journal, stop.signal));
    await journal.close();
  });

  for (const { what, commands } of suggestions) {
    it(`work when pasted: ${what}`, async () => {
      for (const command of commands) {
        const paste = () => tryRun('bash', ['-c', command], { cwd: checkout });
        const outputs = expected.filter(([pattern]) => pattern.test(command)).map(([, output]) => output);
        if (outputs.length === 0) {
          const { code, stderr } = await paste();
          expect(code, `${command}: ${stderr}`).to.equal(0);
          continue;
        }
        await eventually(
          command,
          60_000,
          paste,
          ({ code, stdout }) => code === 0 && outputs.every(output => output.test(stdout)),
        );
      }
    });
  }
});
