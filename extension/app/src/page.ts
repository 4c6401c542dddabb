/** One prebuilt labextension as the server announces it: names of federated modules, relative to its container. */
export interface FederatedExtension {
  readonly name: string;
  /** Path of the container script below the labextension's folder. */
  readonly load: string;
  readonly extension?: string;
  readonly mimeExtension?: string;
  readonly style?: string;
}

/** A module-federation container, as a labextension's script leaves it in `window._JUPYTERLAB`. */
export interface FederatedContainer {
  init(scope: unknown): Promise<void> | void;
  get(module: string): Promise<() => unknown>;
}

/** The part of the page's configuration that is needed before any JupyterLab code is loaded. */
export interface PageData {
  /** Path below which the lab is served, with a trailing slash. */
  readonly baseUrl: string;
  readonly fullStaticUrl: string;
  readonly fullLabextensionsUrl: string;
  readonly federated_extensions: readonly FederatedExtension[];
}

declare global {
  interface Window {
    _JUPYTERLAB: Record<string, FederatedContainer>;
    jupyterapp?: unknown;
  }
}

/** Reads the configuration that the server wrote into the page. */
export function readPageData(): PageData {
  const element = document.getElementById('jupyter-config-data');
  if (!element?.textContent)
    throw new Error('The page contains no jupyter-config-data; was it served by fovea lab?');
  return JSON.parse(element.textContent) as PageData;
}
