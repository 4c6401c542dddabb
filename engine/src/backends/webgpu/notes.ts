import type { LoweredNetwork } from '../../plan/lower.js';
import type { EncodedProgram } from './encode.js';

/** The network with a note at each pass whose operations the GPU runs one after the other. */
export function profiledNotes(lowered: LoweredNetwork): LoweredNetwork {
  const passNotes = new Map(lowered.passNotes);
  for (const { owner, operations } of lowered.program.steps) {
    if (operations.length === 1 || owner.group < 0) continue;
    const key = `${owner.node}.${owner.group}`;
    const before = passNotes.get(key);
    const sentence = `not fused on the GPU: ${operations.length} dispatches one after the other`;
    passNotes.set(key, before ? `${before}; ${sentence}` : sentence);
  }
  return { ...lowered, passNotes };
}

/** How a program's convolutions are computed, and who chose so; undefined when it has none. */
export function variantsNote({ passes }: EncodedProgram, tuned: boolean): string | undefined {
  const counts = new Map<string, number>();
  for (const { effort } of passes.flatMap(({ launches }) => launches)) {
    if (effort) counts.set(effort.family, (counts.get(effort.family) ?? 0) + 1);
  }
  if (counts.size === 0) return undefined;
  const listed = [...counts].map(([family, count]) => `${count} ${family}`).join(', ');
  return `convolutions: ${listed}; chosen by ${tuned ? 'timing them on this GPU' : 'a rule'}`;
}
