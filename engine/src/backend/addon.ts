import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** Functions of the native addon, by name; the rooms that call them know their signatures. */
export type Addon = Readonly<Record<string, (...values: never[]) => unknown>>;

/** Loaded once; undefined where the addon was not built or cannot be loaded, with the reason beside it. */
let loaded: { addon?: Addon; reason?: string } | undefined;

/**
 * The native addon, if this machine has one.
 * @returns `addon`, or `reason`: one sentence saying why there is none
 */
export function loadAddon(): { readonly addon?: Addon; readonly reason?: string } {
  if (!loaded) {
    const file = fileURLToPath(
      new URL(`../../native/${process.env.FOVEA_NATIVE_BUILD ?? 'build'}/fovea.node`, import.meta.url),
    );
    try {
      loaded = { addon: createRequire(import.meta.url)(file) as Addon };
    } catch (error) {
      loaded = { reason: `the native addon is not usable: ${(error as Error).message.split('\n')[0]}` };
    }
  }
  return loaded;
}
