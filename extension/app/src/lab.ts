import { JupyterLab } from '@jupyterlab/application';
import { JupyterPluginRegistry, PageConfig } from '@jupyterlab/coreutils';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { IConnectionStatus, IServiceManager } from '@jupyterlab/services';
import { extensions, mimeExtensions } from 'fovea-app-plugins';
import 'fovea-app-style';
import { aboutPlugin } from './about.js';
import { cellExecutorPlugin } from './cell-executor.js';
import { lostServerPlugin } from './lost-server.js';
import { movedFilesPlugin } from './moved-files.js';
import { narrowWindowPlugin } from './narrow-window.js';
import type { FederatedExtension } from './page.js';
import { type Plugin, PluginCollection } from './plugins.js';
import { unsavedSettingsPlugin } from './unsaved-settings.js';

/** The named module of a labextension, or undefined when the extension has none or it fails. */
async function federatedModule(extension: FederatedExtension, name: string | undefined): Promise<unknown> {
  if (!name) return undefined;
  try {
    return (await window._JUPYTERLAB[extension.name]!.get(name))();
  } catch (reason) {
    console.error(`The module ${name} of ${extension.name} failed.`, reason);
    return undefined;
  }
}

async function collect(federated: readonly FederatedExtension[]): Promise<PluginCollection> {
  const collection = new PluginCollection(PageConfig.Extension.disabled, PageConfig.Extension.deferred, [
    aboutPlugin as Plugin,
    cellExecutorPlugin as Plugin,
  ]);
  for (const [name, module] of mimeExtensions) collection.addMime(name, module);
  for (const [name, module] of extensions) collection.add(name, module);
  collection.add('@fovea/app', [
    lostServerPlugin,
    movedFilesPlugin,
    narrowWindowPlugin,
    unsavedSettingsPlugin,
  ]);
  for (const extension of federated) {
    const mime = await federatedModule(extension, extension.mimeExtension);
    if (mime) collection.addMime(extension.name, mime);
    const plugins = await federatedModule(extension, extension.extension);
    if (plugins) collection.add(extension.name, plugins);
    if (!collection.isDisabled(extension.name)) await federatedModule(extension, extension.style);
  }
  return collection;
}

/**
 * Starts JupyterLab with the bundled plugins and those of the given labextensions; resolves when the layout is
 * restored. Sets `data-lab-restored` on the body then, which is what tests wait for.
 */
export async function startLab(federated: readonly FederatedExtension[]): Promise<void> {
  const collection = await collect(federated);
  const pluginRegistry = new JupyterPluginRegistry();
  pluginRegistry.registerPlugins(collection.plugins);
  const connectionStatus = await pluginRegistry.resolveOptionalService(IConnectionStatus);
  const serviceManager = await pluginRegistry.resolveRequiredService(IServiceManager);
  const lab = new JupyterLab({
    pluginRegistry,
    serviceManager,
    ...(connectionStatus && { connectionStatus }),
    mimeExtensions: collection.mimePlugins as unknown as IRenderMime.IExtensionModule[],
    disabled: { matches: collection.disabled, patterns: PageConfig.Extension.disabled },
    deferred: { matches: collection.deferred, patterns: PageConfig.Extension.deferred },
    availablePlugins: collection.available,
  });
  performance.mark('lab-start');
  void lab.start({ ignorePlugins: collection.deferred, bubblingKeydown: true });
  if (PageConfig.getOption('exposeAppInBrowser') === 'true') window.jupyterapp = lab;
  await lab.restored;
  performance.mark('lab-restored');
  document.body.dataset.labRestored = 'true';
}
