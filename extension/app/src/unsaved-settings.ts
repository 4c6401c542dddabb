import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { showErrorMessage } from '@jupyterlab/apputils';

/**
 * Settings that the server did not keep, as with a full disk. JupyterLab itself reports only those of its settings
 * editor: a theme that is chosen in the menu just stays as it was.
 */
export const unsavedSettingsPlugin: JupyterFrontEndPlugin<void> = {
  id: '@fovea/app:unsaved-settings',
  description: 'Reports settings that could not be saved.',
  autoStart: true,
  activate: ({ serviceManager: { settings } }: JupyterFrontEnd) => {
    const save = settings.save.bind(settings);
    settings.save = async (id: string, raw: string) => {
      try {
        await save(id, raw);
      } catch (error) {
        void showErrorMessage('Setting Not Saved', await reasonOf(error as Error));
        throw error;
      }
    };
  },
};

/** The server's own words, which JupyterLab's error for a refused setting lacks. */
async function reasonOf(error: Error): Promise<string> {
  const answer = await (error as { response?: Response }).response
    ?.clone()
    .json()
    .catch(() => undefined);
  return typeof answer?.message === 'string' ? answer.message : error.message;
}
