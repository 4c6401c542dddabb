import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import { IConsoleTracker } from '@jupyterlab/console';
import { INotebookTracker, NotebookActions } from '@jupyterlab/notebook';
import { LivePanel } from '../live/panel';
import { commConnection } from './comm-connection';
import { CATEGORY, COMMANDS } from './commands';
import { foveaIcon } from './lab-icon';
import { SessionViews } from './session-views';

/** The palette gives the focus back to the notebook after a command has run, in several turns: this long they may take. */
const paletteMs = 100;

/** The live panel in the right area, and its commands. */
export const panelPlugin: JupyterFrontEndPlugin<void> = {
  id: '@fovea/lab:panel',
  description: 'Live controls for the notebook in front.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [IConsoleTracker, ICommandPalette, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    consoles: IConsoleTracker | null,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
  ) => {
    const views = new SessionViews(tracker, consoles);
    const panel = new LivePanel({
      tracker,
      commConnection: (kernel) => commConnection(kernel, views.all()),
      contents: app.serviceManager.contents,
      changeKernel: () => void app.commands.execute('notebook:change-kernel'),
      insertBelow: ({ content }, source) => {
        NotebookActions.insertBelow(content);
        content.activeCell?.model.sharedModel.setSource(source);
        void NotebookActions.focusActiveCell(content);
      },
      leave: ({ id }) => app.shell.activateById(id),
      notify: (message) => Notification.error(message, { autoClose: 8000 }),
    });
    panel.title.icon = foveaIcon;
    panel.title.caption = 'Fovea: live controls';
    app.shell.add(panel, 'right', { rank: 900, type: 'Fovea' });
    restorer?.add(panel, panel.id);

    const { commands } = app;
    const show = () => {
      app.shell.activateById(panel.id);
      setTimeout(() => panel.activate(), paletteMs);
    };
    commands.addCommand(COMMANDS.openPanel, {
      label: 'Show Live Controls',
      caption: 'Show the Fovea panel for the notebook in front',
      icon: foveaIcon,
      execute: show,
    });
    commands.addCommand(COMMANDS.insertCell, {
      label: 'Insert Live Settings as Cell',
      caption: 'Write the panel’s settings as TypeScript below the active cell',
      isEnabled: () => panel.canInsert,
      execute: () => panel.insertCell(),
    });
    commands.addCommand(COMMANDS.run, {
      label: 'Run Live Settings Now',
      caption: 'Measure the network with the panel’s settings',
      isEnabled: () => panel.canInsert,
      // Shown too: what is measured behind another tab would be seen by nobody.
      execute: () => {
        show();
        panel.run();
      },
    });
    panel.changed.connect(() => {
      commands.notifyCommandChanged(COMMANDS.insertCell);
      commands.notifyCommandChanged(COMMANDS.run);
    });
    for (const command of [COMMANDS.openPanel, COMMANDS.insertCell, COMMANDS.run]) {
      palette?.addItem({ command, category: CATEGORY });
    }
  },
};
