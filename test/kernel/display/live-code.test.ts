import * as engine from '@fovea/engine';
import type { LiveState, MasksDocument } from '@fovea/kernel';
import * as kernel from '@fovea/kernel';
import { transformSync } from '@swc/wasm-typescript';
import { describe, expect, it } from 'vitest';
import { useDataFolder } from '../../support/data-folder.js';
import { quarter, useLivePanel } from './live-panel.js';

useDataFolder();
const live = useLivePanel();

describe('inserting a cell', () => {
  /** Runs a cell's source as a notebook would: imports from the packages, globals at hand. */
  async function execute(source: string): Promise<{ masks: MasksDocument; profiles: unknown[] }> {
    const shown: Record<string, unknown>[] = [];
    kernel.connectOutput({ display: ({ data }) => shown.push(data) });
    const js = transformSync(source, { mode: 'strip-only' }).code.replace(
      /import \{(.*?)\} from '@fovea\/engine';/,
      'const {$1} = engine;',
    );
    const AsyncFunction = (async () => undefined).constructor as FunctionConstructor;
    const here = process.cwd();
    process.chdir(live.directory);
    try {
      await (new AsyncFunction('engine', 'fovea', 'tiny', js)(
        engine,
        kernel.fovea,
        live.tiny,
      ) as unknown as Promise<void>);
    } finally {
      process.chdir(here);
    }
    const masks = shown.find((data) => kernel.MASKS_MIME in data)?.[kernel.MASKS_MIME] as MasksDocument;
    const latency = shown.find((data) => kernel.LATENCY_MIME in data)?.[kernel.LATENCY_MIME] as {
      views: { profiles: unknown[] }[];
    };
    return { masks, profiles: latency.views[0]!.profiles };
  }

  it.each<[string, Partial<LiveState>]>([
    ['learned masks', {}],
    ['a rate and another strategy', { masker: 'saliency', rate: 0.25, strategy: 'lasnet' }],
    ['a painted region', { masker: 'painted', region: quarter }],
    ['a picture beside the notebook', { image: 'mine.png', masker: 'random', rate: 0.75 }],
  ])('gives code that shows the same: %s', async (_, change) => {
    const state: LiveState = { ...(await live.initialState()), ...change };
    await live.session.receive({ type: 'run', serial: 1, state });
    await live.session.receive({ type: 'code', serial: 2, state });
    const { masks, profiles } = await execute(live.last('code').source);
    expect(masks.images).toEqual(live.last('result').masks.images);
    expect(profiles).toMatchObject([
      {
        origin: 'predicted',
        device: 'cpu-avx2',
        strategy: state.strategy,
        totalMs: live.last('result').predicted.totalMs,
      },
      { origin: 'measured', strategy: state.strategy },
    ]);
  });

  it('names where a network comes from', async () => {
    const state = {
      ...(await live.initialState()),
      network: 'resnet18',
      masker: 'saliency' as const,
      granularity: [8, 4, 2, 1],
    };
    await live.session.receive({ type: 'code', serial: 1, state });
    expect(live.last('code').source).toMatch(
      /^import \{ builtNetwork, predict, resolveMaskers, run \} from '@fovea\/engine';\n\nconst network = builtNetwork\('resnet18'\);/,
    );
  });
});
