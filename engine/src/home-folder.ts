import { homedir } from 'node:os';
import { parse } from 'node:path';

/**
 * The user's home folder. A user that the system does not list, as containers are run under any number, has none where
 * `HOME` is not set either: then it is the root, as for such users elsewhere, and what cannot be written there says so.
 */
export function homeFolder(): string {
  try {
    return homedir();
  } catch {
    return parse(process.execPath).root;
  }
}
