import { Command } from 'commander';
import { type Component, processOptions, runComponent } from '../process/component.ts';
import { environmentName, type Option, type OptionSet, readOptions, UsageError } from '../process/options.ts';
import { components } from './components.ts';

/** Exit code for a command line that could not be used. */
const usageExit = 2;

const program = new Command('nauti')
  .description('Multi-cluster service discovery, DNS and secondary network for Kubernetes.')
  .showHelpAfterError('(add --help for what is possible)')
  .exitOverride(error => process.exit(error.exitCode === 0 ? 0 : usageExit));

for (const [name, entry] of Object.entries(components)) {
  program
    .command(name, { hidden: false })
    .summary(entry.summary)
    .helpOption(false)
    .allowUnknownOption()
    .allowExcessArguments()
    .argument('[arguments...]')
    .action(async (words: string[]) => {
      process.exitCode = await start(await entry.load(), words);
    });
}

await program.parseAsync();

async function start(component: Component, words: readonly string[]): Promise<number> {
  const command = describe(component);
  command.parse([...words], { from: 'user' });
  const given = command.opts<Record<string, string[] | undefined>>();
  try {
    const byFlag = Object.fromEntries(
      command.options.map(option => [option.long?.slice(2) ?? '', given[option.attributeName()]]),
    );
    const processValues = readOptions(processOptions, byFlag, process.env);
    const values = readOptions(component.options, byFlag, process.env);
    return await runComponent(component, values, processValues);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\nSee "nauti ${component.name} --help".\n`);
    return usageExit;
  }
}

/** The command line of a component, made from the description of its options. */
function describe(component: Component): Command {
  const command = new Command(`nauti ${component.name}`)
    .description(component.summary)
    .exitOverride(error => process.exit(error.exitCode === 0 ? 0 : usageExit))
    .addHelpText('after', `\n${component.help.trim()}\n`);
  const all: OptionSet = { ...component.options, ...processOptions };
  for (const option of Object.values(all)) addOption(command, option);
  return command;
}

function addOption(command: Command, option: Option<unknown>): void {
  const value = option.placeholder === undefined ? '' : ` <${option.placeholder}>`;
  const notes = [
    `env ${[environmentName(option.flag), ...(option.aliases ?? [])].join(', ')}`,
    option.default === undefined || option.default === '' ? undefined : `default ${option.default}`,
    option.required ? 'required' : undefined,
    option.repeatable ? 'may be repeated' : undefined,
  ].filter(note => note !== undefined);
  const collect = (text: string | true, before: string[] | undefined) => [
    ...(before ?? []),
    text === true ? 'true' : text,
  ];
  command.option(`--${option.flag}${value}`, `${option.description} (${notes.join('; ')})`, collect as never);
}
