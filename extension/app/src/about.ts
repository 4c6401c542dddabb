import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Dialog, ICommandPalette, showDialog } from '@jupyterlab/apputils';
import { Widget } from '@lumino/widgets';
import { jupyterlabVersion } from 'fovea-app-plugins';

/** What the dialog says, a line each. */
export function aboutLines(version: string, jupyterlab: string): readonly string[] {
  return [
    `Version ${version}`,
    'An open lab for spatially adaptive inference: networks that compute only where it matters.',
    `Built on JupyterLab ${jupyterlab}, © Project Jupyter contributors. Licences of all parts: Help > Licenses.`,
  ];
}

/**
 * Help > About Fovea. It stands in for JupyterLab's own plugin, under the same id, so that menu, palette and
 * settings stay as they are: that one shows the name of JupyterLab beside the version of this program.
 */
export const aboutPlugin: JupyterFrontEndPlugin<void> = {
  id: '@jupyterlab/help-extension:about',
  description: 'Adds the dialog "About Fovea".',
  autoStart: true,
  optional: [ICommandPalette],
  activate: (app: JupyterFrontEnd, palette: ICommandPalette | null) => {
    const command = 'help:about';
    app.commands.addCommand(command, {
      label: `About ${app.name}`,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => {
        const body = new Widget();
        for (const line of aboutLines(app.version, jupyterlabVersion)) {
          const paragraph = document.createElement('p');
          paragraph.textContent = line;
          body.node.append(paragraph);
        }
        return showDialog({
          title: app.name,
          body,
          buttons: [Dialog.cancelButton({ label: 'Close' })],
        });
      },
    });
    palette?.addItem({ command, category: 'Help' });
  },
};
