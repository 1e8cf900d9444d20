import { expect } from 'chai';
import { Cluster } from '../../demo/cluster.ts';
import { curlNginx, exportNginx } from '../../demo/example.ts';
import { Journal } from '../../demo/journal.ts';
import { suggestions } from '../../demo/next-commands.ts';
import { tryRun } from '../../lab/command.ts';
import { checkout } from '../../lab/tools.ts';

/** What must be in the output of a command, where there is more to say than that it ends well. */
const expected: readonly (readonly [RegExp, RegExp])[] = [
  [/curl/, /Welcome to nginx!/],
  [/dig \+noall/, /(.*IN\s+A\s+10\.11\d\..*\n){3}/],
  [/nauti status/, /^cluster2 +alive/m],
  [/octopus graph/, /"cluster1" -> "cluster2" \[dir=back\]/],
  [/grep -v kube-probe/, /^10\.11\d\..* "curl/m],
  [/dig nginx/, /status: NXDOMAIN/],
];

describe('the commands that the demo suggests', function () {
  this.timeout(180_000);
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
        const { code, stdout, stderr } = await tryRun('bash', ['-c', command], { cwd: checkout });
        expect(code, `${command}: ${stderr}`).to.equal(0);
        for (const [pattern, output] of expected) {
          if (pattern.test(command)) expect(stdout, command).to.match(output);
        }
      }
    });
  }
});
