import type { Emphasis } from './masks/paint';

/** What a person can set for all viewers; the values here stand where no settings are to be had. */
export interface Preferences {
  readonly opacity: number;
  readonly grid: boolean;
  readonly emphasis: Emphasis;
  /** How long the live panel's controls rest before a measured run starts. */
  readonly runDelayMs: number;
}

let current: Preferences = { opacity: 0.7, grid: false, emphasis: 'dim', runDelayMs: 300 };

/**
 * The preferences for viewers that are opened from now on. JupyterLab creates MIME renderers without access to
 * its settings, so the plugin that reads them leaves them here.
 */
export const preferences = {
  get: (): Preferences => current,
  set(next: Partial<Preferences>): void {
    current = { ...current, ...next };
  },
};
