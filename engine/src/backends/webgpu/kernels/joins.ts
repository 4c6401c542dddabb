import { eachItem, type Kernel } from '../kernel.js';

/**
 * Adjacent channels of a map to a place in another: an invocation for each vector that has one of them. Of the first
 * vector the channels before the first one stay; those behind the last one are zeros, until they are written.
 * @param aligned whether channels have the same place in a vector before and after
 */
export function copyChannelsKernel(aligned: boolean): Kernel {
  return {
    name: `copy-channels ${aligned ? 'aligned' : 'apart'}`,
    parameters: ['items', 'span', 'sourceVectors', 'vectors', 'firstRead', 'count', 'firstWritten'],
    bindings: [
      { name: 'source', access: 'read', element: 'Value' },
      { name: 'destination', access: 'write', element: 'Value' },
    ],
    code: `${eachItem}
  if (item >= p.items) { return; }
  let pixel = item / p.span;
  let vector = p.firstWritten / 4u + item % p.span;
  let at = pixel * p.vectors + vector;
  let first = pixel * p.sourceVectors;
  var value = Value(vec4f(0));
${aligned ? '  let copied = source[first + vector - p.firstWritten / 4u + p.firstRead / 4u];' : ''}
  for (var lane = 0u; lane < 4u; lane++) {
    let channel = vector * 4u + lane;
    if (channel < p.firstWritten) {
      value[lane] = destination[at][lane];
    } else if (channel < p.firstWritten + p.count) {
${
  aligned
    ? '      value[lane] = copied[lane];'
    : `      let read = channel - p.firstWritten + p.firstRead;
      value[lane] = source[first + read / 4u][read % 4u];`
}
    }
  }
  destination[at] = value;
}`,
  };
}

/**
 * `destination = a · b`, b with a row for every `plane` pixels: an invocation for each vector of channels.
 * @param ownA,ownB whether a factor has a buffer of its own, or is overwritten: then it is as large as the other one
 * @param byPixel whether b, with a buffer of its own, has one channel
 */
export function multiplyKernel(ownA: boolean, ownB: boolean, byPixel = false): Kernel {
  const row = byPixel ? 'b[item / p.vectors / p.plane].x' : 'b[row]';
  return {
    name: `multiply ${ownA ? 'own' : 'overwritten'} ${ownB ? 'own' : 'overwritten'}${byPixel ? ' pixels' : ''}`,
    parameters: ['items', 'vectors', 'plane'],
    bindings: [
      { name: 'destination', access: 'write', element: 'Value' },
      ...(ownA ? [{ name: 'a', access: 'read', element: 'Value' } as const] : []),
      ...(ownB ? [{ name: 'b', access: 'read', element: 'Value' } as const] : []),
    ],
    code: `${eachItem}
  if (item >= p.items) { return; }
  let row = item / p.vectors / p.plane * p.vectors + item % p.vectors;
  destination[item] = stored(vec4f(${ownA ? 'a' : 'destination'}[item]) * vec4f(${ownB ? row : 'destination[item]'}));
}`,
  };
}

/** A map made larger: an invocation for each output pixel and vector of channels. */
export function resizeKernel(nearest: boolean): Kernel {
  return {
    name: `resize ${nearest ? 'nearest' : 'bilinear'}`,
    parameters: [
      ...['items', 'vectors', 'height', 'width', 'outHeight', 'outWidth'],
      ...['stepY', 'offsetY', 'perY', 'stepX', 'offsetX', 'perX'],
    ],
    bindings: [
      { name: 'source', access: 'read', element: 'Value' },
      { name: 'destination', access: 'write', element: 'Value' },
    ],
    code: `
// The position before a place, the one behind it, and how far it lies between them in parts of \`per\`.
fn around(position: u32, step: u32, offset: u32, per: u32, extent: u32) -> vec3u {
  let place = u32(clamp(i32(position * step) + i32(offset), 0, i32((extent - 1u) * per)));
  return vec3u(place / per, min(place / per + 1u, extent - 1u), place % per);
}
${eachItem}
  if (item >= p.items) { return; }
  let vector = item % p.vectors;
  let pixel = item / p.vectors;
  let n = pixel / (p.outWidth * p.outHeight);
  let y = around(pixel / p.outWidth % p.outHeight, p.stepY, p.offsetY, p.perY, p.height);
  let x = around(pixel % p.outWidth, p.stepX, p.offsetX, p.perX, p.width);
  let above = (n * p.height + y.x) * p.width;
${
  nearest
    ? '  destination[item] = source[(above + x.x) * p.vectors + vector];'
    : `  let below = (n * p.height + y.y) * p.width;
  let across = f32(x.z) / f32(p.perX);
  let high = mix(vec4f(source[(above + x.x) * p.vectors + vector]), vec4f(source[(above + x.y) * p.vectors + vector]), across);
  let low = mix(vec4f(source[(below + x.x) * p.vectors + vector]), vec4f(source[(below + x.y) * p.vectors + vector]), across);
  destination[item] = stored(mix(high, low, f32(y.z) / f32(p.perY)));`
}
}`,
  };
}
