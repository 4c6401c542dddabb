import { readFile } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type {
  CompletionItem,
  CompletionList,
  Definition,
  DefinitionLink,
  DocumentSymbol,
  Hover,
  Location,
  LocationLink,
  Diagnostic as LspDiagnostic,
  SignatureHelp,
} from 'vscode-languageserver-types';
import { type ProjectSettings, settingsOf } from '../typescript/project-settings.js';
import type { Failure } from './batch.js';
import { type Completion, completion, wordAt } from './complete.js';
import { DataSummary } from './data-summary.js';
import { type Declaration, declarationsOf, likelyNames, mayDeclare, type Names } from './declarations.js';
import { type Diagnostic, undeclaredNames, userDiagnostics } from './diagnose.js';
import { fileNames } from './file-names.js';
import { globalsText } from './globals.js';
import { ImportedFiles } from './imported-files.js';
import { hoverMarkdown, type Inspection, inspection, notFound, signatureMarkdown } from './inspect.js';
import { type LiveValues, liveProperties } from './live.js';
import { LspClient } from './lsp-client.js';
import { kindOf } from './markup.js';
import { nodeGlobalsText } from './node-globals.js';
import { Notebook, rootText } from './notebook.js';
import { cellFileName, globalsFile, nodeGlobalsFile, projectFile, projectText, rootFile } from './project.js';
import { Lines, utf16Offset } from './text.js';

/** Shortest time between two checks of the disk while a cell is being written. */
const REFRESH_AFTER_MS = 1000;

interface OpenFile {
  readonly text: string;
  readonly version: number;
}

/**
 * TypeScript's view of a notebook: completion, inspection and type checking over all cells that have run.
 * The language server runs as a child process, started by the first request and again after it has died.
 * Requests that it cannot answer are answered from values of the running program, or are empty; they never throw.
 */
export class LanguageService {
  readonly #directory: string;
  readonly #notebook = new Notebook();
  readonly #imported: ImportedFiles;
  /** The file of the cell being written, whose name depends on what is written. */
  #current = cellFileName('current');
  #client: LspClient | undefined;
  #open = new Map<string, OpenFile>();
  /** Requests share one file for the cell being written, and so run one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Declarations of the code that was checked last, so that running it does not check it again. */
  #checked: { readonly code: string; readonly declared: ReadonlyMap<string, Declaration> } | undefined;
  #declared: ReadonlyMap<string, Declaration> = new Map();
  #disposed = false;
  readonly #summary = new DataSummary();
  #settings: ProjectSettings | undefined;
  #refreshedMs = Number.NEGATIVE_INFINITY;

  /** @param options `directory`: the folder of the notebook, from which imports are resolved */
  constructor({ directory }: { readonly directory: string }) {
    this.#directory = directory;
    this.#imported = new ImportedFiles(directory);
  }

  /** Process id of the server, while one is running. */
  get serverPid(): number | undefined {
    return this.#client?.ended === false ? this.#client.pid : undefined;
  }

  /**
   * Completions at the cursor.
   * @param cursor in code points, as Jupyter counts
   * @param live adds properties of values of the running program, which types may lack
   */
  async complete(written: string, cursor: number, live?: LiveValues): Promise<Completion> {
    const code = this.#summary.of(written);
    const at = utf16Offset(code, cursor);
    const word = wordAt(code, at);
    const living = liveProperties(word.inString ? undefined : live, code.slice(0, word.start));
    const items = await this.#use<readonly CompletionItem[]>(async (client) => {
      const text = await this.#sync(client, code);
      const found = await this.#ask<CompletionList | CompletionItem[] | null>(
        client,
        'textDocument/completion',
        { position: new Lines(text).positionAt(at) },
      );
      return Array.isArray(found) ? found : (found?.items ?? []);
    }, []);
    const found = completion(code, at, word, items, await living);
    if (!word.inString || found.matches.length > 0) return found;
    // No type says what the string may be: most such strings that are completed are paths.
    return completion(code, at, word, await fileNames(this.#directory, word.typed), []);
  }

  /**
   * Information about the name at the cursor, or about the call that the cursor is in.
   * @param cursor in code points
   * @param detailLevel 1 adds the source of the declaration
   */
  async inspect(written: string, cursor: number, detailLevel: 0 | 1 = 0): Promise<Inspection> {
    const code = this.#summary.of(written);
    const at = utf16Offset(code, cursor);
    const name = at > 0 && !/[\p{ID_Continue}$]/u.test(code[at] ?? '') ? at - 1 : at;
    return this.#use(async (client) => {
      const text = await this.#sync(client, code);
      const lines = new Lines(text);
      const onName = { position: lines.positionAt(name) };
      const hover = hoverMarkdown(await this.#ask<Hover | null>(client, 'textDocument/hover', onName));
      if (hover === '') {
        const position = lines.positionAt(at);
        const help = await this.#ask<SignatureHelp | null>(client, 'textDocument/signatureHelp', {
          position,
        });
        return inspection([signatureMarkdown(help)]);
      }
      if (detailLevel === 0) return inspection([hover]);
      const found = await this.#ask<Definition | DefinitionLink[] | null>(
        client,
        'textDocument/definition',
        onName,
      );
      const location = Array.isArray(found) ? found[0] : found;
      const source = location ? await this.#sourceAt(code, location) : undefined;
      return inspection([hover, source === undefined ? '' : `\`\`\`typescript\n${source}\n\`\`\``]);
    }, notFound);
  }

  /** Type errors and warnings of a cell, as it would run now. Empty when the server cannot tell. */
  async diagnose(written: string): Promise<Diagnostic[]> {
    const code = this.#summary.of(written);
    return this.#use(async (client) => {
      const { declared, found } = await this.#check(client, code);
      this.#checked = { code, declared };
      return userDiagnostics(code, found, (name) => this.#notebook.isConstant(name));
    }, []);
  }

  /**
   * Takes a cell that has run into account: later cells see what it declares.
   *
   * @param failure the cell failed: names that it had not come to are still what earlier cells made of them
   */
  async commit(written: string, failure?: Failure): Promise<void> {
    const code = this.#summary.of(written);
    await this.#use(async (client) => {
      const { declared } = this.#checked?.code === code ? this.#checked : await this.#check(client, code);
      this.#commit(client, code, failure ? this.#notebook.reached(code, declared, failure.line) : declared);
    }, undefined);
  }

  /**
   * Takes cells that have run into account as if they were one.
   * @returns `false`, with nothing done, when the server finds anything wrong in them
   */
  async commitTogether(codes: readonly string[]): Promise<boolean> {
    const code = codes.map((code) => this.#summary.of(code)).join('\n;\n');
    return this.#use(async (client) => {
      const { declared, found, text } = await this.#check(client, code);
      const lines = new Lines(text);
      const wrong = found.some(
        ({ severity = 1, range }) => severity <= 2 && lines.indexAt(range.start) < code.length,
      );
      if (wrong) return false;
      this.#commit(client, code, declared);
      return true;
    }, false);
  }

  #commit(client: LspClient, code: string, declared: ReadonlyMap<string, Declaration>): void {
    this.#checked = undefined;
    // It declares nothing that later cells could see.
    if (declared.size === 0) return;
    this.#declared = new Map();
    const { added, dropped } = this.#notebook.commit(code, declared);
    this.#write(client, added.file, added.text);
    for (const file of dropped) this.#close(client, file);
    this.#writeRoot(client);
  }

  /** Has the server bind the project with all cells committed, so that the next keystroke need not wait for it. */
  async prepare(): Promise<void> {
    await this.#use((client) => this.#sync(client, ''), '');
  }

  /** Forgets all cells, for when the kernel's variables are reset. */
  reset(): void {
    this.#turn = this.#turn.then(() => {
      const files = this.#notebook.files();
      this.#notebook.reset();
      this.#checked = undefined;
      this.#declared = new Map();
      const client = this.#client;
      if (client === undefined || client.ended) return;
      for (const { file } of files) this.#close(client, file);
      this.#writeRoot(client);
    });
  }

  /** Ends the server. Later requests are answered with nothing. */
  dispose(): void {
    this.#disposed = true;
    this.#client?.dispose();
    this.#client = undefined;
  }

  /** Runs a request when its turn comes, and once more on a new server if the old one died meanwhile. */
  #use<Result>(request: (client: LspClient) => Promise<Result>, fallback: Result): Promise<Result> {
    const attempt = async (): Promise<Result> => {
      for (let trial = 0; trial < 2 && !this.#disposed; trial++) {
        let client: LspClient | undefined;
        try {
          client = this.#running();
          await client.ready;
          return await request(client);
        } catch {
          if (client === undefined || !client.ended) return fallback;
        }
      }
      return fallback;
    };
    const result = this.#turn.then(attempt);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  #running(): LspClient {
    if (this.#client !== undefined && !this.#client.ended) return this.#client;
    const client = new LspClient(this.#directory);
    this.#client = client;
    this.#open = new Map();
    void client.ready.then(
      () => {
        this.#writeProject(client);
        this.#write(client, globalsFile, globalsText());
        this.#write(client, nodeGlobalsFile, nodeGlobalsText);
        for (const { file, text } of this.#notebook.files()) this.#write(client, file, text);
        this.#writeRoot(client);
      },
      () => undefined,
    );
    return client;
  }

  /**
   * Sets the file of the cell being written to `code`, with generated lines that fit its declarations.
   * @returns the file's text
   */
  async #sync(client: LspClient, code: string): Promise<string> {
    // Between keystrokes little changes on disk.
    if (performance.now() - this.#refreshedMs > REFRESH_AFTER_MS) this.#refresh(client, code);
    else this.#useKind(client, code);
    let text = this.#notebook.fileText(code, this.#declared, false);
    this.#write(client, this.#current, text);
    const declared = await this.#declarations(client, code);
    if (!sameNames(declared, this.#declared)) {
      this.#declared = declared;
      text = this.#notebook.fileText(code, declared, false);
      this.#write(client, this.#current, text);
    }
    return text;
  }

  /** Applies changes on disk, and sets the kind of the cell being written. */
  #refresh(client: LspClient, code: string): void {
    const changes = this.#imported.changes(code);
    if (changes.length > 0) client.notify('workspace/didChangeWatchedFiles', { changes });
    this.#writeProject(client);
    this.#refreshedMs = performance.now();
    this.#useKind(client, code);
  }

  #useKind(client: LspClient, code: string): void {
    const file = cellFileName('current', kindOf(code));
    if (file === this.#current) return;
    this.#close(client, this.#current);
    this.#current = file;
  }

  #writeProject(client: LspClient): void {
    const settings = settingsOf(this.#directory);
    if (settings === this.#settings && this.#open.has(projectFile)) return;
    this.#settings = settings;
    this.#write(client, projectFile, projectText(settings, this.#directory));
  }

  /** Checks a cell and finds out which of the names in it are really declared at its top level. */
  async #check(
    client: LspClient,
    code: string,
  ): Promise<{ declared: ReadonlyMap<string, Declaration>; found: readonly LspDiagnostic[]; text: string }> {
    this.#refresh(client, code);
    const guessed = likelyNames(code);
    let { text, found } = this.#checkAs(client, code, guessed);
    let declared = await this.#declarations(client, code);
    if (!sameNames(declared, guessed)) ({ text, found } = this.#checkAs(client, code, declared));
    for (;;) {
      const diagnostics = await found;
      const nested = new Set(undeclaredNames(text, code, diagnostics));
      if (nested.size === 0) {
        this.#declared = declared;
        return { declared, found: diagnostics, text };
      }
      declared = new Map([...declared].filter(([name]) => !nested.has(name)));
      ({ text, found } = this.#checkAs(client, code, declared));
    }
  }

  /** What the file of the cell being written may declare at its top level. */
  async #declarations(client: LspClient, code: string): Promise<ReadonlyMap<string, Declaration>> {
    if (!mayDeclare(code)) return new Map();
    const symbols = await this.#ask<DocumentSymbol[] | null>(client, 'textDocument/documentSymbol', {});
    return declarationsOf(code, symbols ?? []);
  }

  /** Asks for the diagnostics of a cell, taking it to declare the names given. */
  #checkAs(
    client: LspClient,
    code: string,
    declared: Names,
  ): { text: string; found: Promise<readonly LspDiagnostic[]> } {
    const text = this.#notebook.fileText(code, declared, true);
    this.#write(client, this.#current, text);
    const report = this.#ask<{ items?: LspDiagnostic[] }>(client, 'textDocument/diagnostic', {});
    const found = report.then(({ items }) => items ?? []);
    // A better one may replace it.
    found.catch(() => undefined);
    return { text, found };
  }

  #ask<Result>(client: LspClient, method: string, parameters: object): Promise<Result> {
    return client.request(method, { textDocument: { uri: this.#uri(this.#current) }, ...parameters });
  }

  #uri(file: string): string {
    return pathToFileURL(join(this.#directory, file)).href;
  }

  #write(client: LspClient, file: string, text: string): void {
    const before = this.#open.get(file);
    if (before?.text === text) return;
    const version = (before?.version ?? 0) + 1;
    this.#open.set(file, { text, version });
    const uri = this.#uri(file);
    if (before === undefined) {
      const languageId = languageIds[extname(file)] ?? 'typescript';
      client.notify('textDocument/didOpen', { textDocument: { uri, languageId, version, text } });
    } else {
      client.notify('textDocument/didChange', {
        textDocument: { uri, version },
        contentChanges: [{ text }],
      });
    }
  }

  #writeRoot(client: LspClient): void {
    this.#write(client, rootFile, rootText(this.#notebook.files().map(({ file }) => file)));
  }

  #close(client: LspClient, file: string): void {
    if (!this.#open.delete(file)) return;
    client.notify('textDocument/didClose', { textDocument: { uri: this.#uri(file) } });
  }

  /** The text of a declaration, from a cell or from a file. */
  async #sourceAt(code: string, location: Location | LocationLink): Promise<string | undefined> {
    // A link says where the whole declaration is.
    const [uri, range] =
      'targetUri' in location ? [location.targetUri, location.targetRange] : [location.uri, location.range];
    if (!uri.startsWith('file:')) return undefined;
    const path = fileURLToPath(uri);
    const own = dirname(path) === this.#directory ? basename(path) : '';
    const text =
      own === this.#current
        ? code
        : (this.#notebook.codeOf(own) ?? (await readFile(path, 'utf8').catch(() => undefined)));
    if (text === undefined) return undefined;
    const lines = new Lines(text);
    return text.slice(lines.indexAt(range.start), lines.indexAt(range.end));
  }
}

const languageIds: Readonly<Record<string, string>> = { '.json': 'json', '.tsx': 'typescriptreact' };

function sameNames(a: Names, b: Names): boolean {
  return a.size === b.size && [...a.keys()].every((name) => b.has(name));
}
