import { type Command, Option } from 'commander';
import { parameters, readLaunchOptions } from '../../launcher/options.js';

/** Prefix that Enterprise Gateway adds to the names of options. */
const PREFIX = 'RemoteProcessProxy.';

/** `fovea launcher`: what Enterprise Gateway and gateway_provisioners start on the machine of a kernel. */
export function register(command: Command): void {
  command
    // Gateways pass options that are only for other kernels.
    .allowUnknownOption()
    .allowExcessArguments();
  for (const { option, variables, description } of Object.values(parameters)) {
    const text = `${description} (without it: $${variables.join(', $')})`;
    command.addOption(new Option(`--${option} [value]`, text));
    command.addOption(new Option(`--${PREFIX}${option} [value]`).hideHelp());
  }
  command.action(async () => {
    const [{ launch }, { logLine }] = await Promise.all([
      import('../../launcher/launch.js'),
      import('../../execution/host/main.js'),
    ]);
    await launch(readLaunchOptions(givenOptions(command), process.env), logLine);
    process.exit(0);
  });
}

/** The options of the command line by name; an option without a value counts as left out. */
function givenOptions(command: Command): ReadonlyMap<string, string> {
  const given = new Map<string, string>();
  for (const option of command.options) {
    const value: unknown = command.getOptionValue(option.attributeName());
    if (typeof value === 'string') given.set(option.name().replace(PREFIX, ''), value);
  }
  return given;
}
