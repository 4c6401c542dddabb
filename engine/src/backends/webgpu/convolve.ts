import type { Operation } from '../../program/program.js';

/** A convolution of a program. */
export type Convolve = Extract<Operation, { kind: 'convolve' }>;
