import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { CATEGORY, COMMANDS } from './commands';
import { findExamples } from './examples';
import { foveaIcon } from './lab-icon';

/** Cards in the launcher, and entries in the palette, for the example notebooks that are there. */
export const launcherPlugin: JupyterFrontEndPlugin<void> = {
  id: '@fovea/lab:launcher',
  description: 'Cards for the example notebooks.',
  autoStart: true,
  optional: [ILauncher, ICommandPalette],
  activate: (app: JupyterFrontEnd, launcher: ILauncher | null, palette: ICommandPalette | null) => {
    app.commands.addCommand(COMMANDS.openExample, {
      label: (args) => (args.title as string | undefined) ?? 'Open Example Notebook',
      caption: (args) => (args.path as string | undefined) ?? 'Open an example notebook',
      icon: (args) => (args.isPalette ? undefined : foveaIcon),
      isEnabled: (args) => typeof args.path === 'string',
      execute: (args) => app.commands.execute('docmanager:open', { path: args.path, factory: 'Notebook' }),
    });
    void app.restored.then(async () => {
      try {
        const examples = await findExamples(app.serviceManager.contents);
        examples.forEach(({ path, title }, rank) => {
          launcher?.add({ command: COMMANDS.openExample, category: CATEGORY, rank, args: { path, title } });
          palette?.addItem({
            command: COMMANDS.openExample,
            category: CATEGORY,
            args: { path, title: `Open Example: ${title}`, isPalette: true },
          });
        });
      } catch (error) {
        // Examples are a convenience: a folder that cannot be listed only means that there are none.
        console.warn('Fovea: the example notebooks could not be listed.', error);
      }
    });
  },
};
