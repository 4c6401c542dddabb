import { eachItem, type Kernel } from '../kernel.js';
import { type ActivationKind, activationCode, activationParameters } from './activation.js';
import { rowBindings, rowCode, rowParameters } from './rows.js';

/** How an operand of an addition is read: not at all, from a map of its own, from what is overwritten. */
export type Operand = 'none' | 'own' | 'overwritten';

const operand = (how: Operand, name: string, at: string) =>
  how === 'none' ? 'vec4f(0)' : `vec4f(${how === 'own' ? name : 'destination'}[${at}])`;

/** `destination = activation(a + b)`, everywhere. */
export function addKernel(a: Operand, b: Operand, activation: ActivationKind): Kernel {
  const functions = { activated: activation };
  return {
    name: `add ${a} ${b} ${activation}`,
    parameters: ['items', ...activationParameters(functions)],
    bindings: [
      { name: 'destination', access: 'write', element: 'Value' },
      ...(a === 'own' ? [{ name: 'a', access: 'read', element: 'Value' } as const] : []),
      ...(b === 'own' ? [{ name: 'b', access: 'read', element: 'Value' } as const] : []),
    ],
    code: `${activationCode(functions)}
${eachItem}
  if (item >= p.items) { return; }
  destination[item] = stored(activated(${operand(a, 'a', 'item')} + ${operand(b, 'b', 'item')}));
}`,
  };
}

/** `destination = activation(shortcut + source)` at the pixels of a region, each row written by its owner. */
export function scatterAddKernel(shortcut: Exclude<Operand, 'none'>, activation: ActivationKind): Kernel {
  const functions = { activated: activation };
  return {
    name: `scatter-add ${shortcut} ${activation}`,
    parameters: [...rowParameters, 'vectors', 'packed', ...activationParameters(functions)],
    bindings: [
      { name: 'source', access: 'read', element: 'Value' },
      { name: 'destination', access: 'write', element: 'Value' },
      ...rowBindings,
      ...(shortcut === 'own' ? [{ name: 'shortcut', access: 'read', element: 'Value' } as const] : []),
    ],
    code: `${activationCode(functions)}
${rowCode}
${eachItem}
  let row = item / p.vectors;
  let vector = item % p.vectors;
  if (row >= rowCount()) { return; }
  let pixel = pixelOf(row);
  let at = pixel * p.vectors + vector;
  let value = vec4f(source[select(pixel, row, p.packed == 1u) * p.vectors + vector]);
  destination[at] = stored(activated(${operand(shortcut, 'shortcut', 'at')} + value));
}`,
  };
}

/** The activation at the pixels outside a region, in place. */
export function activateOthersKernel(activation: ActivationKind): Kernel {
  const functions = { activated: activation };
  return {
    name: `activate-others ${activation}`,
    parameters: [...rowParameters, 'vectors', ...activationParameters(functions)],
    bindings: [{ name: 'map', access: 'write', element: 'Value' }, ...rowBindings],
    code: `${activationCode(functions)}
${rowCode}
${eachItem}
  if (item / p.vectors >= rowCount()) { return; }
  let at = pixelOf(item / p.vectors) * p.vectors + item % p.vectors;
  map[at] = stored(activated(vec4f(map[at])));
}`,
  };
}

/** Packed rows to their places, zeros everywhere else. */
export const scatterKernel: Kernel = {
  name: 'scatter',
  parameters: ['items', 'vectors', 'positions'],
  bindings: [
    { name: 'source', access: 'read', element: 'Value' },
    { name: 'destination', access: 'write', element: 'Value' },
    { name: 'lists', access: 'read', element: 'u32' },
  ],
  code: `${eachItem}
  if (item >= p.items) { return; }
  let position = lists[p.positions + item / p.vectors];
  var value = Value(vec4f(0));
  if (position != NONE) { value = source[position * p.vectors + item % p.vectors]; }
  destination[item] = value;
}`,
};

/** Active cells with what a convolution reads around them, zeros outside the image; every cell at its own number. */
export const gatherKernel: Kernel = {
  name: 'gather',
  parameters: [
    ...rowParameters,
    ...['vectors', 'height', 'width', 'cellHeight', 'cellWidth', 'gridRows', 'gridColumns'],
    ...['outHeight', 'outWidth', 'strideY', 'strideX', 'top', 'left'],
  ],
  bindings: [
    { name: 'source', access: 'read', element: 'Value' },
    { name: 'destination', access: 'write', element: 'Value' },
    ...rowBindings,
  ],
  code: `${rowCode}
${eachItem}
  let vector = item % p.vectors;
  let within = item / p.vectors % (p.cellHeight * p.cellWidth);
  let row = item / (p.vectors * p.cellHeight * p.cellWidth);
  if (row >= rowCount()) { return; }
  let cell = pixelOf(row);
  let column = cell % p.gridColumns;
  let line = cell / p.gridColumns % p.gridRows;
  let n = cell / (p.gridColumns * p.gridRows);
  let firstY = (line * p.outHeight + p.gridRows - 1u) / p.gridRows * p.strideY;
  let firstX = (column * p.outWidth + p.gridColumns - 1u) / p.gridColumns * p.strideX;
  let y = firstY + within / p.cellWidth - p.top;
  let x = firstX + within % p.cellWidth - p.left;
  var value = Value(vec4f(0));
  if (y < p.height && x < p.width) { value = source[((n * p.height + y) * p.width + x) * p.vectors + vector]; }
  destination[(cell * p.cellHeight * p.cellWidth + within) * p.vectors + vector] = value;
}`,
};

/** A map from the order and the float32 values that the CPU has. */
export const importKernel: Kernel = {
  name: 'import',
  parameters: ['items', 'vectors', 'channels'],
  bindings: [
    { name: 'values', access: 'read', element: 'f32' },
    { name: 'map', access: 'write', element: 'Value' },
  ],
  code: `${eachItem}
  if (item >= p.items) { return; }
  let first = item % p.vectors * 4u;
  var value = vec4f(0);
  for (var lane = 0u; lane < 4u && first + lane < p.channels; lane++) {
    value[lane] = values[item / p.vectors * p.channels + first + lane];
  }
  map[item] = stored(value);
}`,
};

/** A map as the CPU has it: without the channels that fill its vectors. */
export const exportKernel: Kernel = {
  name: 'export',
  parameters: ['items', 'vectors', 'channels'],
  bindings: [
    { name: 'map', access: 'read', element: 'Value' },
    { name: 'values', access: 'write', element: 'f32' },
  ],
  code: `${eachItem}
  if (item >= p.items) { return; }
  let first = item % p.vectors * 4u;
  let value = vec4f(map[item]);
  for (var lane = 0u; lane < 4u && first + lane < p.channels; lane++) {
    values[item / p.vectors * p.channels + first + lane] = value[lane];
  }
}`,
};
