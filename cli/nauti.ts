import { Command } from 'commander';
import { type Component, processOptions, runComponent } from '../process/component.ts';
import { environmentName, type Option, type OptionSet, readOptions, UsageError } from '../process/options.ts';
import { components, type Tool } from './components.ts';

/** Exit code for a command line that could not be used. */
const usageExit = 2;
/** How long a process whose work is over may live on for its last writes, in milliseconds. */
const lastWordsMs = 1_000;

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
      const tool = entry.tools?.[words[0] ?? ''];
      process.exitCode = tool
        ? await useTool(`${name} ${words[0]}`, await tool(), words.slice(1))
        : await start(await entry.load(), words);
    });
}

await program.parseAsync();
// What failed may have left a socket open: a process that does not work any more ends, and is started anew.
setTimeout(() => process.exit(), lastWordsMs).unref();

async function start(component: Component, words: readonly string[]): Promise<number> {
  const { name, summary, help } = component;
  const command = describe(name, summary, { ...component.options, ...processOptions });
  command.addHelpText('after', `\n${help.trim()}\n`).parse([...words], { from: 'user' });
  return withUsage(name, async () => {
    const byFlag = givenTo(command);
    const processValues = readOptions(processOptions, byFlag, process.env);
    const values = readOptions(component.options, byFlag, process.env);
    return await runComponent(component, values, processValues);
  });
}

async function useTool(name: string, tool: Tool, words: readonly string[]): Promise<number> {
  const command = describe(name, tool.summary, tool.options).usage(`${tool.usage} [options]`);
  command.argument('[words...]').parse([...words], { from: 'user' });
  return withUsage(name, () =>
    tool.run(command.args, readOptions(tool.options, givenTo(command), process.env)),
  );
}

/** The texts of the command line by flag. */
function givenTo(command: Command): Record<string, string[] | undefined> {
  const given = command.opts<Record<string, string[] | undefined>>();
  return Object.fromEntries(
    command.options.map(option => [option.long?.slice(2) ?? '', given[option.attributeName()]]),
  );
}

async function withUsage(name: string, work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\nSee "nauti ${name} --help".\n`);
    return usageExit;
  }
}

/** A command line, made from the description of its options. */
function describe(name: string, summary: string, options: OptionSet): Command {
  const command = new Command(`nauti ${name}`)
    .description(summary)
    .exitOverride(error => process.exit(error.exitCode === 0 ? 0 : usageExit));
  for (const option of Object.values(options)) addOption(command, option);
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
