import { add } from './add.js';
import { convolutions } from './convolution.js';
import { excite } from './excite.js';
import { gather } from './gather.js';
import { index } from './index-lists.js';
import { mask } from './mask.js';
import { nextPool } from './next-pool.js';
import { pool } from './pool.js';
import type { Primitive } from './primitive.js';
import { projection } from './projection.js';
import type { PrimitiveRecord } from './record.js';
import { scatter } from './scatter.js';

/** Every primitive, in the order in which plans mostly have them. */
export const primitives: Readonly<Record<Primitive, PrimitiveRecord>> = {
  pool,
  mask,
  index,
  projection,
  gather,
  ...convolutions,
  excite,
  scatter,
  add,
  'next-pool': nextPool,
};

/** Names of all primitives. */
export const primitiveNames = Object.keys(primitives) as readonly Primitive[];
