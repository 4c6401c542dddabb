import { SourceMap, type SourceMapping } from 'node:module';
import type { Position } from '../../typescript/edits.js';

/** Positions in compiled code and in its source, mapped both ways. */
export interface Mapping {
  toSource(position: Position): Position;
  toScript(position: Position): Position;
}

/**
 * @param map a source map as JSON
 * @param code the compiled code
 */
export function mappingOf(map: string, code: string): Mapping {
  const sourceMap = new SourceMap(JSON.parse(map) as ConstructorParameters<typeof SourceMap>[0]);
  const lineCount = code.split('\n').length;
  const find = (line: number, column: number) => sourceMap.findEntry(line, column) as Partial<SourceMapping>;
  return {
    toSource({ line, column }) {
      const entry = find(line, column);
      return entry.originalLine === undefined
        ? { line, column }
        : { line: entry.originalLine, column: entry.originalColumn ?? 0 };
    },
    toScript({ line, column }) {
      // The first generated place on the line; maps are made for the other direction.
      for (let generated = 0; generated < lineCount; generated++) {
        const entry = find(generated, Number.MAX_SAFE_INTEGER);
        if (
          entry.generatedLine === generated &&
          entry.originalLine !== undefined &&
          entry.originalLine >= line
        ) {
          return { line: generated, column: 0 };
        }
      }
      return { line, column };
    },
  };
}
