import type { ProgramMask } from '../../program/program.js';
import { ARGUMENTS_GROUP, argumentsKernel, dispatchFields } from './kernels/masks.js';
import type { Launch, Workgroups } from './launch.js';
import type { Lists } from './lists.js';

type Counted = Exclude<Workgroups, readonly number[]>;

/** Bytes of the arguments of an indirect dispatch. */
const ARGUMENT_BYTES = 12;

function isCounted(workgroups: Workgroups): workgroups is Counted {
  return 'counter' in workgroups;
}

const keyOf = (counted: Counted) => dispatchFields.map((field) => counted[field]).join();

/** Where the GPU keeps how many workgroups each dispatch over a list has: equal ones share a slot. */
export class DispatchSlots {
  /** Rows of `dispatchFields`. */
  readonly table: Uint32Array<ArrayBuffer>;
  readonly #slots = new Map<string, number>();
  readonly #byMask = new Map<ProgramMask, { first: number; count: number }>();

  constructor(lists: Lists, launches: readonly Launch[]) {
    const byMask = new Map<ProgramMask, Map<string, Counted>>();
    for (const { workgroups } of launches) {
      if (!isCounted(workgroups)) continue;
      const mask = lists.counted[workgroups.counter >> 1]!.region.mask;
      const wanted = byMask.get(mask) ?? new Map<string, Counted>();
      wanted.set(keyOf(workgroups), workgroups);
      byMask.set(mask, wanted);
    }
    const table: number[] = [];
    for (const [mask, wanted] of byMask) {
      this.#byMask.set(mask, { first: this.#slots.size, count: wanted.size });
      for (const [key, counted] of wanted) {
        this.#slots.set(key, this.#slots.size);
        table.push(...dispatchFields.map((field) => counted[field]));
      }
    }
    this.table = Uint32Array.from(table);
  }

  /** Bytes of all slots. */
  get bytes(): number {
    return this.#slots.size * ARGUMENT_BYTES;
  }

  /** Where the arguments of a dispatch stand, in bytes; undefined when they are known beforehand. */
  offset(workgroups: Workgroups): number | undefined {
    return isCounted(workgroups) ? this.#slots.get(keyOf(workgroups))! * ARGUMENT_BYTES : undefined;
  }

  /** The dispatch that fills a mask's slots; none when nothing is dispatched over its lists. */
  launches(mask: ProgramMask): Launch[] {
    const slots = this.#byMask.get(mask);
    if (!slots) return [];
    return [
      {
        kernel: argumentsKernel,
        parameters: { first: slots.first, items: slots.count },
        buffers: { table: 'dispatchTable', counters: 'counters', dispatches: 'dispatches' },
        workgroups: [Math.ceil(slots.count / ARGUMENTS_GROUP), 1, 1],
      },
    ];
  }
}
