import { delimiter, join } from 'node:path';
import { homeFolder } from '@fovea/engine/files';

const environment = (name: string): string | undefined => process.env[name] || undefined;

/** Jupyter's data folder of this user, as jupyter_core finds it. */
export function userDataFolder(): string {
  const given = environment('JUPYTER_DATA_DIR');
  if (given) return given;
  if (process.platform === 'darwin') return join(homeFolder(), 'Library', 'Jupyter');
  if (process.platform === 'win32') {
    return join(environment('APPDATA') ?? join(homeFolder(), 'AppData', 'Roaming'), 'jupyter');
  }
  return join(environment('XDG_DATA_HOME') ?? join(homeFolder(), '.local', 'share'), 'jupyter');
}

/** The prefix of the active Python environment, if one is active. */
export function activePrefix(): string | undefined {
  return environment('VIRTUAL_ENV') ?? environment('CONDA_PREFIX');
}

/** Jupyter's data folders in the order in which they are searched. */
export function dataFolders(): string[] {
  const listed = (environment('JUPYTER_PATH') ?? '').split(delimiter).filter(Boolean);
  const prefix = activePrefix();
  const system =
    process.platform === 'win32'
      ? [join(environment('PROGRAMDATA') ?? 'C:\\ProgramData', 'jupyter')]
      : ['/usr/local/share/jupyter', '/usr/share/jupyter'];
  const all = [...listed, ...(prefix ? [join(prefix, 'share', 'jupyter')] : []), userDataFolder(), ...system];
  return [...new Set(all)];
}

/** Where Fovea keeps its own files: settings, workspaces, runtime files. Never inside the user's work. */
export function stateFolder(): string {
  const given = environment('FOVEA_STATE_DIR');
  if (given) return given;
  if (process.platform === 'darwin') return join(homeFolder(), 'Library', 'Application Support', 'fovea');
  if (process.platform === 'win32') {
    return join(environment('LOCALAPPDATA') ?? join(homeFolder(), 'AppData', 'Local'), 'fovea');
  }
  return join(environment('XDG_STATE_HOME') ?? join(homeFolder(), '.local', 'state'), 'fovea');
}
