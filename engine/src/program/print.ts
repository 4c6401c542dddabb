import type { Layout, Operation, Program, ProgramMap, ProgramRegion } from './program.js';

/**
 * A program as text, one operation a line: `%3` is map 3, `@2` the pixels of region 2, `!@2` those outside it. The
 * operations of a stream stand between braces.
 * @param nameOf what to call the owner of a step, by the node's position
 */
export function printProgram(program: Program, nameOf: (node: number) => string = String): string {
  const lines: string[] = [];
  for (const { id, mask, height, width, reads } of program.regions) {
    const source = reads ? `what ${reads.convolution.name} reads for @${reads.of.id}` : 'active pixels';
    lines.push(`@${id} = ${source} of mask ${mask.id} on ${height} x ${width}`);
  }
  lines.push(`input ${mapText(program.input)}`);
  program.steps.forEach(({ owner, operations, bandPixels }, at) => {
    const pass = owner.group < 0 ? nameOf(owner.node) : `${nameOf(owner.node)} pass ${owner.group}`;
    if (operations.length === 1) {
      lines.push(`${at}: ${operationText(operations[0]!)}  ; ${pass}`);
      return;
    }
    const bands = bandPixels === undefined ? '' : ` in bands of ${bandPixels} pixels`;
    lines.push(`${at}: stream${bands} {  ; ${pass}`);
    for (const operation of operations) lines.push(`     ${operationText(operation)}`);
    lines.push('   }');
  });
  if (program.output) lines.push(`output ${mapText(program.output)}`);
  return lines.join('\n');
}

const ref = ({ id }: ProgramMap) => `%${id}`;
const at = (region: ProgramRegion | undefined, others = false) =>
  region ? ` ${others ? '!' : ''}@${region.id}` : '';

function layoutText(layout: Layout): string {
  switch (layout.kind) {
    case 'map':
      return '';
    case 'packed':
      return ` packed @${layout.region.id}`;
    case 'halo':
      return ` cells of @${layout.halo.region.id} with halo`;
  }
}

function mapText({ id, shape, dtype, layout }: ProgramMap): string {
  const type = dtype === 'f32' ? '' : `${dtype} `;
  return `%${id} ${type}[${shape.join(', ')}]${layoutText(layout)}`;
}

/** How many cells of an order are printed. */
const PRINTED_CELLS = 8;

function orderText(order: readonly number[] | undefined): string {
  if (!order) return '';
  const cells = order.slice(0, PRINTED_CELLS).join(' ');
  return `, cells in the order ${cells}${order.length > PRINTED_CELLS ? ' …' : ''}`;
}

/** An operation as text, as `printProgram` writes it. */
export function operationText(operation: Operation): string {
  const { kind } = operation;
  switch (kind) {
    case 'convolve': {
      const { convolution, source, destination, region, others, residual, activation } = operation;
      const added = convolution.normalisation ? ' normalised' : residual ? ` + ${ref(residual)}` : '';
      const epilogue = `${added}${activation === 'none' ? '' : ` ${activation}`}`;
      return `${mapText(destination)} = convolve ${convolution.name} ${ref(source)}${at(region, others)}${epilogue}`;
    }
    case 'max-pool':
    case 'average-pool': {
      const { source, destination, kernel, stride } = operation;
      return `${mapText(destination)} = ${kind} ${kernel.join('x')}/${stride.join('x')} ${ref(source)}`;
    }
    case 'copy-channels': {
      const { source, destination, from, count, to } = operation;
      return `${mapText(destination)} = channels ${from} to ${from + count - 1} of ${ref(source)}, from ${to} on`;
    }
    case 'resize':
      return `${mapText(operation.destination)} = resize ${operation.interpolation} ${ref(operation.source)}`;
    case 'normalise-map': {
      const { source, destination, by, groups } = operation;
      return `${mapText(destination)} = normalise by ${by} of ${groups} ${groups === 1 ? 'group' : 'groups'} ${ref(source)}`;
    }
    case 'pixel-attention': {
      const { attention, query, key, value, destination } = operation;
      const { by, heads, windows, bias } = attention;
      const read = [...(query ? [query] : []), key, value].map(ref).join(' ');
      const how = [
        `${by} of ${heads} ${heads === 1 ? 'head' : 'heads'}`,
        ...(windows ? [`in windows of ${windows.extent.join('x')}`] : []),
        ...(windows?.shift.some((pixels) => pixels > 0) ? [`shifted by ${windows.shift.join('x')}`] : []),
        ...(bias ? ['with a bias'] : []),
      ].join(' ');
      return `${mapText(destination)} = attend by ${how} ${read}`;
    }
    case 'global-pool':
    case 'gather':
    case 'scatter':
      return `${mapText(operation.destination)} = ${kind} ${ref(operation.source)}`;
    case 'multiply':
      return `${mapText(operation.destination)} = multiply ${ref(operation.a)} ${ref(operation.b)}`;
    case 'add': {
      const { a, b, destination, activation } = operation;
      return `${mapText(destination)} = add ${ref(a)}${b ? ` ${ref(b)}` : ''} ${activation}`;
    }
    case 'grid-pool': {
      const { source, pooled, changed } = operation;
      return `${mapText(pooled)} = grid-pool ${ref(source)}${changed ? ` where @${changed.region.id} changed` : ''}`;
    }
    case 'decide': {
      const { mask, pooled, decider } = operation;
      const rule = decider.kind === 'learned' ? 'learned' : `salient ${decider.rate}`;
      return `mask ${mask.id} = decide ${ref(pooled)} ${rule}`;
    }
    case 'ask':
      return `mask ${operation.mask.id} = ask ${ref(operation.pooled)}`;
    case 'foreign': {
      const { node, inputs, output } = operation;
      return `${output ? mapText(output) : '?'} = foreign ${node.name} ${inputs.map(ref).join(' ')}`;
    }
    case 'index':
      return `index mask ${operation.mask.id}${orderText(operation.order)}`;
    case 'scatter-add': {
      const { source, destination, region, shortcut, activation } = operation;
      return `${mapText(destination)} = scatter-add ${ref(source)}${at(region)} + ${ref(shortcut)} ${activation}`;
    }
    case 'activate-others':
      return `${mapText(operation.map)} = ${operation.activation}${at(operation.region, true)}`;
    case 'excite': {
      const { map, pooledOver, scaled } = operation;
      return `${mapText(map)} = excite, pooled over${at(pooledOver) || ' all'}, scaled${at(scaled) || ' everywhere'}`;
    }
  }
}
