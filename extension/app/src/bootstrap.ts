/**
 * The page's entry. Containers of prebuilt labextensions must have joined the share scope before any shared
 * module is loaded, so everything of JupyterLab's own comes in through one dynamic import at the end.
 */
import { type FederatedExtension, readPageData } from './page.js';
import { stayInLab } from './staying.js';

const page = readPageData();
__webpack_public_path__ = `${page.fullStaticUrl}/`;
stayInLab(page.baseUrl);

function loadScript(src: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.onload = () => resolve();
    script.onerror = () => reject(new Error(`cannot load ${src}`));
    script.async = true;
    script.src = src;
    document.head.appendChild(script);
  });
}

async function attach(extension: FederatedExtension): Promise<void> {
  await loadScript(`${page.fullLabextensionsUrl}/${extension.name}/${extension.load}`);
  await __webpack_init_sharing__('default');
  const container = window._JUPYTERLAB[extension.name];
  if (!container) throw new Error(`${extension.load} did not register a container`);
  await container.init(__webpack_share_scopes__.default);
}

async function start(): Promise<void> {
  window._JUPYTERLAB ??= {};
  const announced = page.federated_extensions;
  const outcomes = await Promise.allSettled(announced.map(attach));
  const attached = announced.filter((extension, index) => {
    const outcome = outcomes[index]!;
    if (outcome.status === 'rejected') {
      console.error(`The extension ${extension.name} could not be loaded.`, outcome.reason);
    }
    return outcome.status === 'fulfilled';
  });
  const { startLab } = await import('./lab.js');
  await startLab(attached);
}

start().catch((reason: unknown) => {
  console.error(reason);
  document.body.dataset.labError = String(reason);
  const notice = document.createElement('p');
  notice.textContent = `The lab could not start: ${String(reason)}`;
  document.body.appendChild(notice);
});
