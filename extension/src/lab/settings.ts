import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import type { Emphasis } from '../masks/paint';
import { preferences } from '../preferences';

/** Reads the settings, and follows them. Viewers that are open keep what was chosen in them. */
export const settingsPlugin: JupyterFrontEndPlugin<void> = {
  id: '@fovea/lab:plugin',
  description: 'Defaults of the mask overlays and of the live panel.',
  autoStart: true,
  optional: [ISettingRegistry],
  activate: async (_app: JupyterFrontEnd, registry: ISettingRegistry | null) => {
    if (!registry) return;
    try {
      const settings = await registry.load(settingsPlugin.id);
      const read = () =>
        preferences.set({
          opacity: settings.composite.opacity as number,
          emphasis: settings.composite.emphasis as Emphasis,
          grid: settings.composite.grid as boolean,
          runDelayMs: settings.composite.runDelayMs as number,
        });
      read();
      settings.changed.connect(read);
    } catch (error) {
      // The viewers work with their own defaults where the server keeps no settings.
      console.warn('Fovea: settings could not be read, defaults are used.', error);
    }
  },
};
