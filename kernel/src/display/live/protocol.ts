import type { Plan } from '@fovea/engine';
import type { LatencyProfile, MasksDocument } from '../mime.js';

/** Comm target that the panel opens on the kernel of the notebook in front. */
export const LIVE_TARGET = 'fovea.live';

/** The settings of the panel's controls. Plain data: "insert as cell" reproduces it. */
export interface LiveState {
  readonly network: string;
  readonly image: string;
  /** Device predicted for; runs always use this machine. */
  readonly device: string;
  readonly strategy: string;
  /** S per stage. */
  readonly granularity: readonly number[];
  readonly masker: 'learned' | 'saliency' | 'random' | 'painted';
  /** Activation rate for maskers that take one, 0…1. */
  readonly rate: number;
  readonly threads: number;
  /**
   * The region painted on the image, for masker `painted`: `rows · columns` characters over the whole image,
   * `1` inside. A cell of a block is active when the region covers any of it.
   */
  readonly region?: { readonly rows: number; readonly columns: number; readonly cells: string } | undefined;
}

/** Something to predict for. */
export interface LiveDevice {
  readonly name: string;
  /** This machine as measured; a generic processor, not measured; or hardware from a data sheet. */
  readonly kind: 'this-machine' | 'generic-cpu' | 'other';
}

/** What can be picked, answered to `hello`. */
export interface LiveCatalogue {
  readonly networks: readonly {
    readonly name: string;
    readonly stages: number;
    readonly learned: boolean;
    /** Output side of each stage's map, for offering values of S. */
    readonly maps: readonly { readonly height: number; readonly width: number }[];
  }[];
  readonly images: readonly { readonly name: string; readonly png: string }[];
  /** Pictures beside the notebook that cannot be chosen, with a sentence that names the file and says why. */
  readonly refusedImages?: readonly { readonly name: string; readonly reason: string }[];
  /** How many pictures there are beyond those that are looked at. */
  readonly moreImages?: number;
  readonly devices: readonly LiveDevice[];
  readonly strategies: readonly string[];
  readonly maxThreads: number;
  readonly state: LiveState;
}

/** Panel → kernel. `serial` grows with every request; answers carry it, and only the latest one counts. */
export type LiveRequest =
  | {
      readonly type: 'hello';
      /** A file beside the notebook that was just put there: offered or refused from now on, however many there are. */
      readonly picture?: string;
    }
  | { readonly type: 'predict'; readonly serial: number; readonly state: LiveState }
  | {
      readonly type: 'run';
      readonly serial: number;
      readonly state: LiveState;
      /** Whether the panel runs the same in its browser afterwards; the result then says with what. */
      readonly inBrowser?: boolean;
    }
  /** The next piece of a network's file, from `offset` on. */
  | {
      readonly type: 'network';
      readonly serial: number;
      readonly network: string;
      readonly key: string;
      readonly offset: number;
    }
  | { readonly type: 'calibrate'; readonly serial: number }
  | { readonly type: 'cancel' }
  | { readonly type: 'code'; readonly serial: number; readonly state: LiveState };

/**
 * With what a browser computes what the kernel has run. The message brings two buffers of float32: what the network
 * was given, and what it answered.
 */
export interface LiveBrowserRun {
  /** The network as it was run, by a unique key. Its file is requested with `network`. */
  readonly key: string;
  readonly plan: Plan;
  /** Of the input, `[N, H, W, C]`. */
  readonly shape: readonly number[];
  /** For the GPU that is calibrated where the kernel is; left out where none is, or only a software driver. */
  readonly predicted?: LiveGpuPrediction;
}

/** What the same plan and masks are predicted to take on a calibrated GPU. */
export interface LiveGpuPrediction {
  /** The GPU's name. */
  readonly device: string;
  readonly totalMs: number;
  /** The same network all dense. */
  readonly denseMs: number;
}

/** Kernel → panel. */
export type LiveReply =
  | { readonly type: 'catalogue'; readonly catalogue: LiveCatalogue }
  | {
      readonly type: 'prediction';
      readonly serial: number;
      readonly profile: LatencyProfile;
      /** The same network all dense on the same device. */
      readonly dense: LatencyProfile;
      readonly computeMs: number;
    }
  | { readonly type: 'progress'; readonly serial: number; readonly fraction: number; readonly name: string }
  | {
      readonly type: 'result';
      readonly serial: number;
      readonly masks: MasksDocument;
      readonly measured: LatencyProfile;
      readonly predicted: LatencyProfile;
      /** The same network run densely, alternating with the adaptive runs. */
      readonly dense: LatencyProfile;
      /** Where it was asked for; `refused` says why a browser cannot compute this. */
      readonly browser?: LiveBrowserRun | { readonly refused: string };
    }
  /** A piece of a network's file, as the message's buffer. */
  | {
      readonly type: 'network';
      readonly serial: number;
      readonly key: string;
      readonly offset: number;
      readonly totalBytes: number;
    }
  /** This machine has been measured; a catalogue with it among the devices has come before. */
  | { readonly type: 'calibrated'; readonly serial: number; readonly device: string }
  | { readonly type: 'code'; readonly serial: number; readonly source: string }
  | { readonly type: 'error'; readonly serial?: number; readonly message: string };
