import type { Command } from 'commander';

/** Says what a command's argument is, and what it is when it is not given; the table of commands has its name. */
export function describeArgument(command: Command, description: string, byDefault?: string): Command {
  const [argument] = command.registeredArguments;
  argument!.description = description;
  if (byDefault !== undefined) argument!.default(byDefault);
  return command;
}
