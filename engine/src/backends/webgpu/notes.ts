import type { LoweredNetwork } from '../../plan/lower.js';
import type { EncodedProgram } from './encode.js';

/** The network with a note at each pass that is more than one dispatch. */
export function profiledNotes(lowered: LoweredNetwork, { passes }: EncodedProgram): LoweredNetwork {
  const passNotes = new Map(lowered.passNotes);
  const steps = lowered.program.steps.filter(
    ({ operations: [first] }) => first!.kind !== 'ask' && first!.kind !== 'foreign',
  );
  steps.forEach(({ owner, operations }, step) => {
    if (owner.group < 0) return;
    if (operations.length === 1) return;
    const sentence = fusedNote(operations.length, passes[step]!.launches.length);
    const key = `${owner.node}.${owner.group}`;
    const before = passNotes.get(key);
    passNotes.set(key, before ? `${before}; ${sentence}` : sentence);
  });
  return { ...lowered, passNotes };
}

function fusedNote(operations: number, dispatches: number): string {
  if (dispatches === 1) return 'fused on the GPU: one dispatch';
  if (dispatches === operations) return `not fused on the GPU: ${dispatches} dispatches one after the other`;
  return `fused on the GPU in part: ${dispatches} dispatches for ${operations} operations`;
}

/**
 * How a program's convolutions are computed, and who chose so; undefined when it has none.
 * @param chosenBy the end of a sentence
 */
export function variantsNote({ passes }: EncodedProgram, chosenBy: string): string | undefined {
  const counts = new Map<string, number>();
  for (const { effort } of passes.flatMap(({ launches }) => launches)) {
    if (effort) counts.set(effort.family, (counts.get(effort.family) ?? 0) + 1);
  }
  if (counts.size === 0) return undefined;
  const listed = [...counts].map(([family, count]) => `${count} ${family}`).join(', ');
  return `convolutions: ${listed}; chosen by ${chosenBy}`;
}
