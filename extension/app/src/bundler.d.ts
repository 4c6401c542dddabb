/* What the bundler provides: its own globals, and the modules that build.mjs generates. */

declare let __webpack_public_path__: string;
declare function __webpack_init_sharing__(scope: string): Promise<void>;
declare const __webpack_share_scopes__: { readonly default: unknown };

declare module 'fovea-app-plugins' {
  /** Version of the JupyterLab that is bundled. */
  export const jupyterlabVersion: string;
  /** Package name and module of every bundled extension. */
  export const extensions: readonly (readonly [name: string, module: unknown])[];
  /** The same for renderers of MIME types. */
  export const mimeExtensions: readonly (readonly [name: string, module: unknown])[];
}

declare module 'fovea-app-style';
