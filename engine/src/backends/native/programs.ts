import type { Network } from '../../network/network.js';
import type { LoweredNetwork } from '../../plan/lower.js';
import type { Plan } from '../../plan/plan.js';
import { workOf } from '../../program/work.js';
import type { ProgramMaker } from '../kept-programs.js';
import { ProgramReport } from '../program-report.js';
import type { InferAddon, SessionHandle } from './addon.js';
import { type EncodedProgram, encodeProgram, type PackedNumbers } from './encode.js';

/** A lowered network that the addon has accepted. */
export interface NativeProgram {
  readonly number: number;
  readonly lowered: LoweredNetwork;
  readonly encoded: EncodedProgram;
  readonly report: ProgramReport;
}

/**
 * Hands lowered networks to the addon.
 * @param packed where the programs' convolutions and maskers get their numbers
 */
export function nativePrograms(
  network: Network,
  addon: InferAddon,
  handle: SessionHandle,
  packed: PackedNumbers,
): ProgramMaker<NativeProgram> {
  return {
    make(lowered: LoweredNetwork, plan: Plan): NativeProgram {
      const encoded = encodeProgram(lowered.program, packed);
      const number = addon.inferProgram(handle, ...encoded.tables);
      const report = new ProgramReport(
        network,
        plan,
        lowered,
        encoded.instructions,
        encoded.stops.map(({ owner, operation }) => ({ owner, work: workOf(operation) })),
      );
      return { number, lowered, encoded, report };
    },
    drop({ number }: NativeProgram): void {
      addon.inferDropProgram(handle, number);
    },
  };
}
