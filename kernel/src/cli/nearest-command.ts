import { didYouMean } from '@fovea/engine/files';
import { Command, type ErrorOptions, type ParseOptionsResult } from 'commander';

/** A command that answers names which it does not know with the nearest that it does, as all of Fovea does. */
export class NearestCommand extends Command {
  #unknown: readonly string[] = [];

  constructor(name?: string) {
    super(name);
    // Commander's own would name other candidates than the rest of Fovea.
    this.showSuggestionAfterError(false);
  }

  override createCommand(name?: string): NearestCommand {
    return new NearestCommand(name);
  }

  override parseOptions(argv: string[]): ParseOptionsResult {
    const parsed = super.parseOptions(argv);
    this.#unknown = parsed.unknown;
    return parsed;
  }

  override error(message: string, options?: ErrorOptions): never {
    const [flag = ''] = this.#unknown;
    const isFlag = flag.startsWith('--');
    switch (options?.code) {
      case 'commander.unknownOption':
        return super.error(`${message}${isFlag ? this.#nearOption(flag) : ''}`, options);
      case 'commander.unknownCommand':
        return super.error(`${message}${didYouMean(this.args[0], namesBelow(this))}`, options);
      // An option that is needed is missing, perhaps because it is misspelt.
      case 'commander.missingMandatoryOptionValue':
        return isFlag
          ? super.error(`error: unknown option '${flag}'${this.#nearOption(flag)}`, options)
          : super.error(message, options);
      // A group with a default command takes the name of a command for an argument of that one.
      case 'commander.excessArguments': {
        const near = this.parent ? didYouMean(this.args[0], namesBelow(this.parent)) : '';
        return super.error(near ? `error: unknown command '${this.args[0]}'${near}` : message, options);
      }
      default:
        return super.error(message, options);
    }
  }

  #nearOption(flag: string): string {
    const known = this.createHelp().visibleOptions(this);
    return didYouMean(
      flag.split('=', 1)[0],
      known.flatMap(({ long }) => (long ? [long] : [])),
    );
  }
}

const namesBelow = (command: Command): string[] =>
  command
    .createHelp()
    .visibleCommands(command)
    .map((each) => each.name());
