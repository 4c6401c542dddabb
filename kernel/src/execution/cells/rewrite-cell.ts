import type {
  AnyNode,
  FunctionDeclaration,
  ImportDeclaration,
  Program,
  TryStatement,
  VariableDeclaration,
} from 'acorn';
import { boundNames } from '../../typescript/bindings.js';
import { blanked, Editor } from '../../typescript/edits.js';
import { freshName } from '../../typescript/fresh-name.js';
import { usedNames } from '../../typescript/names.js';
import { SourceSyntaxError } from '../../typescript/syntax-error.js';
import { walkSyntax } from '../../typescript/walk-syntax.js';
import { BRIDGE } from '../bridge.js';
import type { CellProgram, GuardedLoop } from '../wire.js';
import { localise } from './hot-loops.js';
import { isReserved } from './reserved-names.js';

/** What the rewrite needs to know beside the parsed cell. */
export interface RewriteOptions {
  /** Number of the cell, so that its continuations can be recognised after an interrupt. */
  readonly cell: number;
  /** Whether a last expression is the result: `true`, `false`, or when it does not end in a semicolon. */
  readonly result: boolean | 'without-semicolon';
  /** Variables of earlier cells, if loops may keep those that they assign to in locals. */
  readonly variables?: ReadonlySet<string> | undefined;
  /** Names that a compiler has declared. */
  readonly helpers: ReadonlySet<string>;
}

export interface RewrittenCell extends CellProgram {
  /** Maps a position in the running code to one in the text that was rewritten. */
  readonly editor: Editor;
}

const intrinsics: ReadonlySet<string> = new Set(
  (
    'Array Atomics BigInt Boolean Date Error Function Infinity Int32Array JSON Map Math NaN Number Object Promise ' +
    'Proxy Reflect RegExp Set SharedArrayBuffer String Symbol TypeError WeakMap globalThis undefined'
  ).split(' '),
);

/**
 * Turns a cell's module-like JavaScript into scripts whose top-level names are global variables, so that
 * later cells see them and may declare them again as anything. Lines stay where they are; columns move only
 * where `RewrittenCell.editor` can say by how much.
 *
 * Cells without top-level `await` or imports stay synchronous scripts; the others become an asynchronous
 * arrow function, in front of which their function declarations run as a script of their own.
 */
export function rewrite(source: string, program: Program, options: RewriteOptions): RewrittenCell {
  return new Rewriter(source, program, options).rewrite();
}

class Rewriter {
  readonly #editor: Editor;
  readonly #names = new Set<string>();
  readonly #imports: string[] = [];
  readonly #functions: FunctionDeclaration[] = [];
  readonly #bridge: string;
  readonly #module: string;
  #usedNames: ReadonlySet<string> | undefined;
  #async = false;

  constructor(
    private readonly source: string,
    private readonly program: Program,
    private readonly options: RewriteOptions,
  ) {
    this.#editor = new Editor(source);
    this.#bridge = freshName(BRIDGE, source);
    this.#module = freshName(`${BRIDGE}module`, source);
  }

  rewrite(): RewrittenCell {
    const { body } = this.program;
    this.#async = isAsync(this.program);
    this.#expressions();
    for (const statement of body) this.#statement(statement);
    this.#refuseIntrinsics();
    const { cell, variables } = this.options;
    let loops: () => GuardedLoop[] = () => [];
    if (variables) {
      const isVariable = (name: string) => this.#names.has(name) || variables.has(name);
      const keeper = freshName(`${BRIDGE}kept`, this.source);
      loops = localise(this.program, this.#editor, { cell, bridge: this.#bridge, keeper, isVariable });
    }
    const last = body.at(-1);
    const { result } = this.options;
    const hasResult =
      last?.type === 'ExpressionStatement' &&
      (result === 'without-semicolon' ? this.source[last.end - 1] !== ';' : result);
    if (this.#async && hasResult) {
      // In a list, so that a result with a method `then` is not taken for a promise.
      const end = this.source[last.end - 1] === ';' ? last.end - 1 : last.end;
      this.#editor.insert(last.start, ';return [(', 'open-statement');
      this.#editor.insert(end, ')]', 'close-statement');
    }
    return this.#assemble(hasResult, loops());
  }

  /** Built-in objects are shared with the kernel: a cell may not replace them. */
  #refuseIntrinsics(): void {
    for (const name of this.#names) {
      if (isReserved(name) && !this.options.helpers.has(name)) {
        throw new SourceSyntaxError(
          `'${name}' cannot be declared at the top of a cell: names that begin with ${BRIDGE} there are the kernel’s own. Use another name, or put it into a block.`,
        );
      }
      if (!intrinsics.has(name)) continue;
      throw new SourceSyntaxError(
        `'${name}' is part of the language and cannot be declared at the top of a cell. Use another name, or put it into a block.`,
      );
    }
  }

  #assemble(hasResult: boolean, loops: readonly GuardedLoop[]): RewrittenCell {
    const strict = '"use strict";';
    const common = {
      bridge: this.#bridge,
      loops,
      isAsync: this.#async,
      names: [...this.#names],
      resetNames: [],
      helperNames: [],
      hasResult,
      editor: this.#editor,
    };
    if (!this.#async) {
      return {
        ...common,
        main: strict + this.#editor.apply(),
        mainColumnOffset: -strict.length,
        functionsColumnOffset: 0,
      };
    }
    const prefix = `${strict}(async()=>{${this.#imports.join('')}`;
    let main = '';
    let functions = '';
    let at = 0;
    for (const { start, end } of this.#functions) {
      main += this.#editor.apply(at, start) + blanked(this.source.slice(start, end));
      functions += blanked(this.source.slice(at, start)) + this.#editor.apply(start, end, { ends: false });
      at = end;
    }
    main += this.#editor.apply(at);
    return {
      ...common,
      ...(this.#functions.length > 0 ? { functions: strict + functions } : {}),
      functionsColumnOffset: -strict.length,
      main: `${prefix}${main}\n})()`,
      mainColumnOffset: -prefix.length,
    };
  }

  /** Whatever may stand at any depth: `import.meta`, dynamic imports, `await`, and nested `var`. */
  #expressions(): void {
    const tries: { node: TryStatement; functionDepth: number; waitsBefore: number }[] = [];
    /** Where something is waited for, in the order of the source, by how many functions are around it. */
    const waits: number[][] = [];
    walkSyntax(this.program, (node, { functionDepth, parent }) => {
      waits[functionDepth] ??= [];
      if (isWait(node)) waits[functionDepth].push(node.start);
      switch (node.type) {
        case 'MetaProperty':
          if (node.meta.name === 'import') this.#editor.replace(node.start, node.end, `${this.#bridge}.meta`);
          break;
        case 'ImportExpression':
          this.#editor.replace(node.start, node.start + 'import'.length, `${this.#bridge}.import`);
          break;
        case 'AwaitExpression':
          // A continuation of an interrupted cell stops here instead of going on in the background, and any other
          // goes on in the name of the cell that it belongs to, which a function knows before it waits.
          this.#editor.insert(
            node.start,
            `${this.#bridge}.resume(${functionDepth === 0 ? this.options.cell : `${this.#bridge}.cell()`},`,
            'open',
          );
          this.#editor.insert(node.end, ')', 'close');
          break;
        case 'ForOfStatement':
          if (node.await && node.body.type === 'BlockStatement') {
            const cell = functionDepth === 0 ? this.options.cell : '';
            this.#editor.insert(node.body.start + 1, `${this.#bridge}.resume(${cell});`, 'open-statement');
          }
          break;
        case 'TryStatement':
          if (node.handler) {
            tries.push({ node, functionDepth, waitsBefore: waits[functionDepth].length });
          }
          break;
        case 'VariableDeclaration':
          if (node.kind === 'var' && functionDepth === 0 && parent && !isTopLevel(parent))
            this.#nestedVar(node, parent);
          break;
        default:
      }
    });
    for (const { node, functionDepth, waitsBefore } of tries) {
      // A rejection goes on here, past the check around its `await`: a loop that catches everything would never end.
      const { block, handler } = node;
      const first = waits[functionDepth]?.[waitsBefore];
      if (first === undefined || first >= block.end) continue;
      const cell = functionDepth === 0 ? this.options.cell : '';
      this.#editor.insert(handler!.body.start + 1, `${this.#bridge}.caught(${cell});`, 'open-statement');
    }
  }

  #statement(node: AnyNode): void {
    switch (node.type) {
      case 'VariableDeclaration':
        this.#variable(node);
        break;
      case 'ClassDeclaration': {
        const { name } = node.id!;
        this.#names.add(name);
        this.#editor.insert(node.start, this.#async ? `;(${name}=` : `var ${name}=`, 'open-statement');
        this.#editor.insert(node.end, this.#async ? ');' : ';', 'close-statement');
        break;
      }
      case 'FunctionDeclaration':
        this.#names.add(node.id!.name);
        this.#functions.push(node as FunctionDeclaration);
        break;
      case 'ImportDeclaration':
        this.#import(node);
        this.#editor.remove(node.start, node.end);
        break;
      case 'ExportNamedDeclaration':
        if (node.declaration) {
          this.#editor.blank(node.start, node.declaration.start);
          this.#statement(node.declaration);
          break;
        }
        if (node.source) {
          const picks = node.specifiers.map((specifier) => {
            const name = nameOf(specifier.exported);
            this.#names.add(name);
            return `${name}=${this.#bridge}.pick(${this.#module},${JSON.stringify(nameOf(specifier.local))},true);`;
          });
          this.#imports.push(
            `{const ${this.#module}=await ${this.#load(node.source.raw!, node.attributes, node.start)};${picks.join('')}}`,
          );
        }
        this.#editor.remove(node.start, node.end);
        break;
      case 'ExportAllDeclaration': {
        const load = `await ${this.#load(node.source.raw!, node.attributes, node.start)}`;
        if (node.exported) {
          const name = nameOf(node.exported);
          this.#names.add(name);
          this.#imports.push(`${name}=${load};`);
        } else this.#imports.push(`${this.#bridge}.spread(${load});`);
        this.#editor.remove(node.start, node.end);
        break;
      }
      case 'ExportDefaultDeclaration':
        this.#exportDefault(node.start, node.declaration as AnyNode);
        break;
      default:
    }
  }

  #exportDefault(start: number, declaration: AnyNode): void {
    this.#editor.blank(start, declaration.start);
    if (
      (declaration.type === 'FunctionDeclaration' || declaration.type === 'ClassDeclaration') &&
      declaration.id
    ) {
      this.#statement(declaration);
    } else {
      this.#editor.insert(declaration.start, ';(', 'open-statement');
      this.#editor.insert(declaration.end, ')', 'close-statement');
    }
  }

  #variable(node: VariableDeclaration): void {
    for (const { id } of node.declarations) for (const name of boundNames(id)) this.#names.add(name);
    const using = node.kind === 'using' || node.kind === 'await using';
    // A `var` without a value keeps the one it has, as in any script; everything else starts over.
    const starts = node.kind !== 'var';
    for (const { id, init } of node.declarations) {
      if (!init && starts) this.#editor.insert(id.end, '=void 0', 'close-statement');
      if (init && using) {
        const name = JSON.stringify(boundNames(id)[0]);
        this.#editor.insert(
          init.start,
          `${node.kind === 'using' ? '' : 'await '}${this.#bridge}.use${node.kind === 'using' ? '' : 'Async'}(${name},(`,
          'open-statement',
        );
        this.#editor.insert(init.end, '))', 'close-statement');
      }
    }
    const end = node.start + node.kind.length;
    if (!this.#async) {
      this.#editor.replace(node.start, end, 'var'.padEnd(node.kind.length));
      return;
    }
    const bare = node.declarations.length === 1 && !node.declarations[0]!.init && !starts;
    if (bare) {
      this.#editor.blank(node.start, node.end);
      return;
    }
    this.#editor.replace(node.start, end, ';('.padStart(node.kind.length));
    this.#editor.insert(node.declarations.at(-1)!.end, ')', 'close-statement');
  }

  /** `var` inside a block: global in a script by nature, but local to the arrow of an asynchronous cell. */
  #nestedVar(node: VariableDeclaration, parent: AnyNode): void {
    for (const { id } of node.declarations) for (const name of boundNames(id)) this.#names.add(name);
    if (!this.#async) return;
    const inHead =
      ((parent.type === 'ForInStatement' || parent.type === 'ForOfStatement') && parent.left === node) ||
      (parent.type === 'ForStatement' && parent.init === node);
    const end = node.start + 'var'.length;
    if (inHead || node.declarations.every(({ id }) => id.type === 'Identifier')) {
      this.#editor.blank(node.start, end);
      return;
    }
    const inList =
      parent.type === 'BlockStatement' || parent.type === 'SwitchCase' || parent.type === 'StaticBlock';
    this.#editor.replace(node.start, end, inList ? ' ;(' : '  (');
    this.#editor.insert(node.declarations.at(-1)!.end, ')', 'close-statement');
  }

  #load(specifier: string, attributes: ImportDeclaration['attributes'] | undefined, at: number): string {
    const pairs = (attributes ?? []).map(
      ({ key, value }) => `${JSON.stringify(key.type === 'Identifier' ? key.name : key.value)}:${value.raw}`,
    );
    const options = pairs.length > 0 ? `{with:{${pairs.join(',')}}}` : 'undefined';
    const line = this.source.slice(0, at).split('\n').length;
    return `${this.#bridge}.import(${specifier},${options},${line})`;
  }

  /** Whether a cell uses a name outside its imports: one that only types go by does not exist when it runs. */
  #isUsed(name: string): boolean {
    this.#usedNames ??= usedNames(this.program);
    return this.#usedNames.has(name);
  }

  #import(node: ImportDeclaration): void {
    const load = `await ${this.#load(node.source.raw!, node.attributes, node.start)}`;
    if (node.specifiers.length === 0) {
      this.#imports.push(`${load};`);
      return;
    }
    const parts = node.specifiers.map((specifier) => {
      const { name } = specifier.local;
      this.#names.add(name);
      if (specifier.type === 'ImportNamespaceSpecifier') return `${name}=${this.#module};`;
      const imported = specifier.type === 'ImportDefaultSpecifier' ? 'default' : nameOf(specifier.imported);
      return `${name}=${this.#bridge}.pick(${this.#module},${JSON.stringify(imported)},${this.#isUsed(name)});`;
    });
    this.#imports.push(`{const ${this.#module}=${load};${parts.join('')}}`);
  }
}

function nameOf(node: { type: string; name?: string; value?: unknown }): string {
  return node.type === 'Identifier' ? node.name! : String(node.value);
}

function isTopLevel(node: AnyNode): boolean {
  return node.type === 'Program' || node.type === 'ExportNamedDeclaration';
}

/** Whether a cell has to run as an asynchronous function. */
function isAsync(program: Program): boolean {
  let found = program.body.some(
    (node) =>
      node.type === 'ImportDeclaration' ||
      node.type === 'ExportAllDeclaration' ||
      (node.type === 'ExportNamedDeclaration' && Boolean(node.source)),
  );
  walkSyntax(program, (node, { functionDepth }) => {
    if (functionDepth === 0 && isWait(node)) found = true;
  });
  return found;
}

/** Whether code waits for something here. */
function isWait(node: AnyNode): boolean {
  return (
    node.type === 'AwaitExpression' ||
    (node.type === 'ForOfStatement' && node.await) ||
    (node.type === 'VariableDeclaration' && node.kind === 'await using')
  );
}
