import type { OperationOf } from '../program/program.js';

/** Operations for which a run stops, because they are JavaScript's. */
export type ScriptedOperation = OperationOf<'ask' | 'foreign'>;
