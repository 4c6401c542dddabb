import type { LoweredNetwork } from '../../plan/lower.js';

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
