import type { Operation } from '../program/program.js';

/** Operations for which a run stops, because they are JavaScript's. */
export type ScriptedOperation = Extract<Operation, { kind: 'ask' | 'foreign' }>;
