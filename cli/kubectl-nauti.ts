/** `kubectl nauti …`: what people do on the hub. */
import { Command } from 'commander';
import { UsageError } from '../process/options.ts';
import { dnsCommand } from './dns-commands.ts';
import { removeCommand } from './remove-command.ts';
import { statusCommand } from './status-command.ts';
import { tokenCommand } from './token-commands.ts';

/** Exit code for a command line that could not be used. */
const usageExit = 2;

const program = new Command('kubectl nauti')
  .description('Lets clusters join a hub of Nauti, shows them and removes them.')
  .showHelpAfterError('(add --help for what is possible)')
  .addCommand(tokenCommand())
  .addCommand(statusCommand())
  .addCommand(removeCommand())
  .addCommand(dnsCommand());
exitOnUsage(program);

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof UsageError ? usageExit : 1;
}

/** Subcommands do not inherit it. */
function exitOnUsage(command: Command): void {
  command.exitOverride(error => process.exit(error.exitCode === 0 ? 0 : usageExit));
  for (const child of command.commands) exitOnUsage(child as Command);
}
