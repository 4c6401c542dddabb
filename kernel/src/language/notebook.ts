import type { Declaration, Names } from './declarations.js';
import { kindOf } from './markup.js';
import { cellFileName } from './project.js';

/** A cell that has run, as a file of the project. */
interface CommittedCell {
  readonly id: number;
  readonly code: string;
  readonly file: string;
  readonly declarations: ReadonlyMap<string, Declaration>;
  /** Names read from earlier cells, and which cell had them when this one ran. */
  readonly imports: ReadonlyMap<string, number>;
}

/**
 * The cells run so far, and who declared each name last. Every cell is a module of its own: the user's text
 * unchanged, followed by generated lines that bring in names from earlier cells and export the cell's own.
 * Offsets into the file are therefore offsets into the cell.
 */
export class Notebook {
  readonly #cells = new Map<number, CommittedCell>();
  /** Name → id of the cell that declared it last. */
  readonly #owners = new Map<string, number>();
  #nextId = 1;

  /** Whether a cell has declared a name. */
  has(name: string): boolean {
    return this.#owners.has(name);
  }

  /** Whether a name that new cells can see was declared with `const`. */
  isConstant(name: string): boolean {
    const cell = this.#cells.get(this.#owners.get(name) ?? -1);
    return cell?.declarations.get(name)?.constant === true;
  }

  /**
   * What a cell that failed has declared: names that it had not come to are still what earlier cells made of them.
   * @param line on which it failed, from 0; everything counts where that is not known
   */
  reached(
    code: string,
    declared: ReadonlyMap<string, Declaration>,
    line: number | undefined,
  ): ReadonlyMap<string, Declaration> {
    if (line === undefined) return declared;
    const before = code
      .split(/\r\n?|\n/)
      .slice(0, line)
      .join('\n');
    const words = new Set(before.match(/[\p{ID_Continue}$]+/gu) ?? []);
    return new Map([...declared].filter(([name]) => words.has(name) || !this.has(name)));
  }

  /** Source of the cell behind a file name of the project. */
  codeOf(file: string): string | undefined {
    for (const cell of this.#cells.values()) if (cell.file === file) return cell.code;
    return undefined;
  }

  /**
   * The text of a file for `code`.
   * @param declared the names that the code declares itself, which are exported and not brought in
   * @param mentionedOnly leaves names out that the code does not mention, so that long notebooks stay quick
   */
  fileText(code: string, declared: Names, mentionedOnly: boolean): string {
    return code + this.#tail(this.#importsFor(code, declared, mentionedOnly), declared);
  }

  /**
   * Adds a cell that has run. Cells that no name leads to any more are dropped.
   * @returns the files that are new, and those that are no longer needed
   */
  commit(
    code: string,
    declarations: ReadonlyMap<string, Declaration>,
  ): { added: { file: string; text: string }; dropped: readonly string[] } {
    const imports = this.#importsFor(code, declarations, true);
    const id = this.#nextId++;
    const file = cellFileName(id, kindOf(code));
    this.#cells.set(id, { id, code, file, declarations, imports });
    for (const name of declarations.keys()) this.#owners.set(name, id);
    const text = code + this.#tail(imports, declarations);
    return { added: { file, text }, dropped: this.#collect() };
  }

  /** Every file of the project that cells make up. */
  files(): { file: string; text: string }[] {
    return [...this.#cells.values()].map(({ file, code, imports, declarations }) => ({
      file,
      text: code + this.#tail(imports, declarations),
    }));
  }

  reset(): void {
    this.#cells.clear();
    this.#owners.clear();
  }

  #importsFor(code: string, declared: Names, mentionedOnly: boolean): Map<string, number> {
    const mentioned = mentionedOnly ? new Set(code.match(/[\p{ID_Continue}$]+/gu) ?? []) : undefined;
    const imports = new Map<string, number>();
    for (const [name, owner] of this.#owners) {
      if (declared.has(name) || mentioned?.has(name) === false) continue;
      imports.set(name, owner);
    }
    return imports;
  }

  /**
   * The generated lines. A variable that later cells may assign to is declared with its type, since an import
   * cannot be assigned to; everything else is imported, so that types, classes and namespaces come along.
   */
  #tail(imports: ReadonlyMap<string, number>, declared: Names): string {
    const byCell = new Map<number, string[]>();
    let variables = '';
    for (const [name, owner] of imports) {
      const cell = this.#cells.get(owner);
      if (cell === undefined) continue;
      if (cell.declarations.get(name)?.mutable) {
        variables += ` declare var ${name}: typeof import("./${moduleName(cell.file)}").${name};`;
        continue;
      }
      const names = byCell.get(owner) ?? [];
      names.push(name);
      byCell.set(owner, names);
    }
    const lines = [...byCell].map(
      ([owner, names]) =>
        ` import { ${names.join(', ')} } from "./${moduleName(this.#cells.get(owner)!.file)}";`,
    );
    return `\n;${variables}${lines.join('')}\nexport { ${[...declared.keys()].join(', ')} };`;
  }

  /** Removes cells that neither own a name nor are read by a cell that is kept. */
  #collect(): string[] {
    const kept = new Set<number>();
    const visit = (id: number) => {
      if (kept.has(id)) return;
      kept.add(id);
      for (const owner of this.#cells.get(id)?.imports.values() ?? []) visit(owner);
    };
    for (const owner of this.#owners.values()) visit(owner);
    const dropped: string[] = [];
    for (const { id, file } of this.#cells.values()) {
      if (kept.has(id)) continue;
      this.#cells.delete(id);
      dropped.push(file);
    }
    return dropped;
  }
}

const moduleName = (file: string) => file.replace(/\.tsx?$/, '');

/** The project's root: a file that leads to every cell, so that each of them is part of the project. */
export function rootText(files: readonly string[]): string {
  return [...files, cellFileName('current')].map((file) => `import "./${moduleName(file)}";`).join('\n');
}
