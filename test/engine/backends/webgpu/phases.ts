/**
 * What invocations of a workgroup do to memory that they share, read from the text of a kernel. Between two barriers, a
 * phase, they run in any order: there, what one of them writes no other may read. Software drivers run them in an order in
 * which many such mistakes are never seen.
 */

type Space = 'workgroup' | 'storage';

/** Something that an invocation does, in the order of the text. */
type Event = { readonly kind: 'barrier'; readonly space: Space } | Access;

interface Access {
  readonly kind: 'access';
  readonly name: string;
  readonly at: string;
  /** Atomic additions do not disturb each other. */
  readonly how: 'read' | 'write' | 'add';
}

/** What invocations of a shader share and write, by its name. */
function sharedIn(shader: string): Map<string, Space> {
  const found = shader.matchAll(/var<(workgroup|storage, read_write)> (\w+): /g);
  return new Map([...found].map(([, space, name]) => [name!, space === 'workgroup' ? space : 'storage']));
}

/** Accesses in one phase to the same memory that may meet, as `name: one / other`. */
export function conflicts(text: string): string[] {
  const shader = text.replaceAll(/\/\/.*/g, '');
  const names = sharedIn(shader);
  const functions = functionsOf(shader);
  const found = new Set<string>();
  let phase: Access[] = [];
  for (const event of eventsOf(functions.get('main')!, names, functions)) {
    if (event.kind === 'barrier') {
      phase = phase.filter(({ name }) => names.get(name) !== event.space);
      continue;
    }
    const { name, at, how } = event;
    for (const other of phase) {
      if (other.name !== name || other.how === how) continue;
      // The same text stands for the same place of an invocation: whether that is its own, other tests say.
      const isOwn = other.at === at && !/^\d*u?$/.test(at);
      if (!isOwn && !inOtherParts(name, other.at, at)) found.add(`${name}: ${other.at} / ${at}`);
    }
    phase.push(event);
  }
  return [...found];
}

/** True of places in what holds several arrays, one behind the other, when they are not in the same one. */
function inOtherParts(name: string, one: string, other: string): boolean {
  const part = (at: string) => /^(?:\du \* )?[\w.]+/.exec(at)![0];
  return name === 'scratch' && part(one) !== part(other);
}

/** Bodies of functions by name. */
function functionsOf(shader: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const match of shader.matchAll(/\bfn (\w+)\(/g)) {
    const open = shader.indexOf('{', match.index);
    found.set(match[1]!, shader.slice(open + 1, closingOf(shader, open)));
  }
  return found;
}

const PAIRS: Readonly<Record<string, string>> = { '{': '}', '[': ']', '(': ')' };

/** Where what opens at a place closes. */
function closingOf(text: string, at: number): number {
  const [open, close] = [text[at]!, PAIRS[text[at]!]!];
  let depth = 0;
  for (let i = at; i < text.length; i++) {
    if (text[i] === open) depth++;
    if (text[i] === close && --depth === 0) return i;
  }
  throw new Error(`${open} at ${at} does not close`);
}

/** What a piece of code does; a loop with barriers is gone through twice, so that its end meets its beginning. */
function eventsOf(
  code: string,
  names: ReadonlyMap<string, Space>,
  functions: ReadonlyMap<string, string>,
): Event[] {
  const events: Event[] = [];
  const within = (from: number, to: number) => eventsOf(code.slice(from, to), names, functions);
  const token = /\bfor \(|\b(workgroup|storage)Barrier\(\)|\b([A-Za-z_]\w*)/g;
  for (let match = token.exec(code); match; match = token.exec(code)) {
    const [text, space, name] = match;
    if (text === 'for (') {
      const head = closingOf(code, match.index + 4);
      const open = code.indexOf('{', head);
      const close = closingOf(code, open);
      const body = within(open + 1, close);
      const repeated = body.some(({ kind }) => kind === 'barrier') ? [...body, ...body] : body;
      events.push(...within(match.index + 5, head), ...repeated);
      token.lastIndex = close;
    } else if (space) events.push({ kind: 'barrier', space: space as Space });
    else if (name && names.has(name)) {
      const { accesses, end } = accessAt(code, match.index, name);
      // What an index reads, it reads before.
      events.push(...within(match.index + name.length, end), ...accesses);
      token.lastIndex = end;
    } else if (name && code[token.lastIndex] === '(' && functions.has(name)) {
      const end = closingOf(code, token.lastIndex);
      events.push(...within(token.lastIndex + 1, end), ...eventsOf(functions.get(name)!, names, functions));
      token.lastIndex = end;
    }
  }
  return events;
}

/** What begins at a name: where in it, and what is done there. */
function accessAt(code: string, begin: number, name: string): { accesses: Access[]; end: number } {
  let end = begin + name.length;
  let at = '';
  if (code[end] === '[') {
    const close = closingOf(code, end);
    at = code.slice(end + 1, close).replaceAll(/\s+/g, ' ');
    end = close + 1;
    if (code[end] === '[') end = closingOf(code, end) + 1;
  }
  const [, pointer] =
    /\b(subgroupMatrix(?:Load|Store)|atomic(?:Load|Store|Add))[^;(]*\(&$/.exec(
      code.slice(Math.max(0, begin - 100), begin),
    ) ?? [];
  // A matrix of a subgroup stands where the next argument says.
  if (pointer?.startsWith('subgroup')) at = `matrix ${code.slice(end).split(',')[1]!.trim()}`;
  const [, changed, assigned] = /^\s*([-+*/]?)(=)(?!=)/.exec(code.slice(end)) ?? [];
  const access = (how: Access['how']): Access => ({ kind: 'access', name, at, how });
  if (pointer?.endsWith('Add')) return { accesses: [access('add')], end };
  if (pointer?.endsWith('Store') || (assigned && !changed)) return { accesses: [access('write')], end };
  return { accesses: [access('read'), ...(assigned ? [access('write')] : [])], end };
}
