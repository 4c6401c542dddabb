import type { JupyterLab } from '@jupyterlab/application';

export type Plugin = Parameters<JupyterLab['registerPlugin']>[0];
type Available = NonNullable<JupyterLab.IOptions['availablePlugins']>[number];

/** The plugins of an extension module: its default export, one plugin or a list of them. */
function pluginsOf(module: unknown): Plugin[] {
  const exported =
    typeof module === 'object' && module !== null && '__esModule' in module
      ? (module as unknown as { default: unknown }).default
      : module;
  return (Array.isArray(exported) ? exported : [exported]) as Plugin[];
}

/** A pattern names one plugin (`package:plugin`) or all plugins of a package. */
const matches = (patterns: readonly string[], id: string): boolean =>
  patterns.some((pattern) => pattern === id || pattern === id.split(':')[0]);

/** Sorts every plugin of every extension into those to start, those deferred and those disabled by the page. */
export class PluginCollection {
  readonly plugins: Plugin[] = [];
  readonly mimePlugins: Plugin[] = [];
  readonly disabled: string[] = [];
  readonly deferred: string[] = [];
  readonly available: Available[] = [];

  constructor(
    private readonly disabledPatterns: readonly string[],
    private readonly deferredPatterns: readonly string[],
    /** Plugins that stand in for those of the same id. */
    private readonly replacements: readonly Plugin[] = [],
  ) {}

  /** Whether the page disables this plugin or package. */
  isDisabled(id: string): boolean {
    return matches(this.disabledPatterns, id);
  }

  /** Adds an extension's plugins. */
  add(packageName: string, module: unknown): void {
    this.plugins.push(...this.enabled(packageName, module));
  }

  /** Adds a MIME extension's renderers. */
  addMime(packageName: string, module: unknown): void {
    this.mimePlugins.push(...this.enabled(packageName, module));
  }

  private enabled(packageName: string, module: unknown): Plugin[] {
    const own = pluginsOf(module).map(
      (plugin) => this.replacements.find(({ id }) => id === plugin.id) ?? plugin,
    );
    return own.filter((plugin) => {
      const enabled = !this.isDisabled(plugin.id);
      this.available.push({
        id: plugin.id,
        description: plugin.description ?? '',
        requires: plugin.requires ?? [],
        optional: plugin.optional ?? [],
        provides: plugin.provides ?? null,
        autoStart: plugin.autoStart ?? false,
        enabled,
        extension: packageName,
      });
      if (!enabled) this.disabled.push(plugin.id);
      else if (matches(this.deferredPatterns, plugin.id)) this.deferred.push(plugin.id);
      return enabled;
    });
  }
}
