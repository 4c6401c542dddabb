import { type Node, type Options, parse } from 'acorn';
import type { Position } from '../typescript/edits.js';

const syntax: Options = {
  ecmaVersion: 'latest',
  sourceType: 'script',
  allowAwaitOutsideFunction: true,
  allowReturnOutsideFunction: true,
  allowImportExportEverywhere: true,
};

/**
 * Whether a throw at a place is caught in the same function: the place is inside the `try` of a statement that
 * has a `catch`. Source that cannot be parsed is taken not to catch.
 */
export function isCaughtAt(source: string, place: Position): boolean {
  let program: Node;
  try {
    program = parse(source, syntax);
  } catch {
    return false;
  }
  const offset = offsetOf(source, place);
  let caught = false;
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) for (const item of value) visit(item);
    else if (isNode(value) && value.start <= offset && offset <= value.end) {
      // Whether an outer function catches it is determined from its own frame.
      if (/Function/.test(value.type)) caught = false;
      if (value.type === 'TryStatement' && value.handler != null && contains(value.block, offset))
        caught = true;
      for (const child of Object.values(value)) visit(child);
    }
  };
  visit(program);
  return caught;
}

interface AnyNode extends Node {
  readonly handler?: unknown;
  readonly block?: unknown;
}

const isNode = (value: unknown): value is AnyNode =>
  typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';

const contains = (value: unknown, offset: number) =>
  isNode(value) && value.start <= offset && offset < value.end;

function offsetOf(source: string, { line, column }: Position): number {
  let start = 0;
  for (let n = 0; n < line; n++) {
    const end = source.indexOf('\n', start);
    if (end < 0) break;
    start = end + 1;
  }
  return start + column;
}
