import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** Functions of the native addon, by name; the rooms that call them know their signatures. */
export type Addon = Readonly<Record<string, (...values: never[]) => unknown>>;

/** What the addon must say of itself: `addon_version` in engine/native/module.h. */
const ADDON_VERSION = 6;

/** Loaded once; undefined where the addon was not built or cannot be loaded, with the reason beside it. */
let loaded: { addon?: Addon; reason?: string; stale?: boolean } | undefined;

/**
 * The native addon, if this machine has one.
 * @returns `addon`, or `reason`: one sentence saying why there is none, and `stale` when there is one that was
 *   built from other sources than these
 */
export function loadAddon(): { readonly addon?: Addon; readonly reason?: string; readonly stale?: boolean } {
  if (!loaded) {
    const file = fileURLToPath(
      new URL(`../../native/${process.env.FOVEA_NATIVE_BUILD ?? 'build'}/fovea.node`, import.meta.url),
    );
    try {
      const addon = createRequire(import.meta.url)(file) as Addon & { readonly version?: unknown };
      loaded =
        addon.version === ADDON_VERSION
          ? { addon }
          : {
              stale: true,
              reason: `the native addon was built for another version of the engine (${addon.version ?? 1}, not ${ADDON_VERSION}): run \`npm run build\``,
            };
    } catch (error) {
      loaded = { reason: `the native addon is not usable: ${(error as Error).message.split('\n')[0]}` };
    }
  }
  return loaded;
}
