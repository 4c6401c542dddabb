import { FoveaError } from '../../../errors.js';
import { callable, type Global, Namespace, resolveGlobal } from './globals.js';
import { decodeText, PickleBytes } from './pickle-bytes.js';

/**
 * What one pickle opcode may make weighs up to some hundred bytes, so their number bounds the memory. The checkpoint
 * of a ResNet-152 with its optimiser's state takes some ten thousand.
 */
const mostOperations = 1_000_000;

/** Marks where the items of a list, tuple or dict begin on the stack. */
const mark = Symbol('mark');

export interface Unpickled {
  readonly value: unknown;
  /** First byte after the pickle. */
  readonly end: number;
}

/**
 * Reads one pickle as data. Protocols 0 to 5; dicts become Maps, lists and tuples arrays, sets arrays. Nothing of what
 * the pickle names is ever executed: classes and functions come from a fixed list of those that make up data, and
 * every other is refused by name.
 *
 * @param persistent the value behind a persistent id, as PyTorch's storages are referred to
 * @throws FoveaError `bad-file` where it is damaged, `unsupported` naming the class or function that is not read
 */
export function unpickle(
  bytes: Uint8Array,
  source: string,
  persistent: (id: unknown) => unknown,
  start = 0,
): Unpickled {
  return new Machine(new PickleBytes(bytes, start, source), source, persistent).run();
}

class Machine {
  readonly #memo = new Map<number, unknown>();
  #stack: unknown[] = [];

  constructor(
    readonly input: PickleBytes,
    readonly source: string,
    readonly persistent: (id: unknown) => unknown,
  ) {}

  run(): Unpickled {
    for (let operations = 0; operations < mostOperations; operations++) {
      const opcode = this.input.byte();
      if (opcode === 0x2e) return { value: this.#pop(), end: this.input.position };
      if (!this.#atom(opcode) && !this.#container(opcode) && !this.#object(opcode)) {
        this.#fail(`opcode 0x${opcode.toString(16)} at byte ${this.input.position - 1}`);
      }
    }
    throw new FoveaError('unsupported', `${this.source}: its pickle takes more than ${mostOperations} steps`);
  }

  /** Numbers, texts and bytes, the stack and the memo. */
  #atom(opcode: number): boolean {
    const { input } = this;
    switch (String.fromCharCode(opcode)) {
      case '(':
        return this.#push(mark);
      case '0':
        this.#pop();
        return true;
      case '1':
        this.#items();
        return true;
      case '2':
        return this.#push(this.#top());
      case 'F':
        return this.#push(Number(input.line()));
      case 'G':
        return this.#push(input.float());
      case 'I':
      case 'L':
        return this.#push(input.decimal());
      case 'J':
        return this.#push(input.integer(4) | 0);
      case 'K':
        return this.#push(input.integer(1));
      case 'M':
        return this.#push(input.integer(2));
      case '\x8a':
        return this.#push(input.long(input.integer(1)));
      case '\x8b':
        return this.#push(input.long(input.integer(4)));
      case 'N':
        return this.#push(null);
      case '\x88':
        return this.#push(true);
      case '\x89':
        return this.#push(false);
      case 'S':
        return this.#push(input.line().replace(/^(['"])(.*)\1$/, '$2'));
      case 'V':
        return this.#push(input.line());
      case 'T':
        return this.#push(decodeText(input.take(input.integer(4))));
      case 'U':
      case '\x8c':
        return this.#push(decodeText(input.take(input.integer(1))));
      case 'X':
        return this.#push(decodeText(input.take(input.integer(4))));
      case '\x8d':
        return this.#push(decodeText(input.take(input.integer(8))));
      case 'B':
        return this.#push(input.take(input.integer(4)));
      case 'C':
        return this.#push(input.take(input.integer(1)));
      case '\x8e':
      case '\x96':
        return this.#push(input.take(input.integer(8)));
      case 'p':
        return this.#store(Number(input.line()));
      case 'q':
        return this.#store(input.integer(1));
      case 'r':
        return this.#store(input.integer(4));
      case '\x94':
        return this.#store(this.#memo.size);
      case 'g':
        return this.#fetch(Number(input.line()));
      case 'h':
        return this.#fetch(input.integer(1));
      case 'j':
        return this.#fetch(input.integer(4));
      case '\x80':
        input.integer(1);
        return true;
      case '\x95':
        input.integer(8);
        return true;
      default:
        return false;
    }
  }

  /** Lists, tuples, sets and dicts. */
  #container(opcode: number): boolean {
    switch (String.fromCharCode(opcode)) {
      case ']':
      case ')':
      case '\x8f':
        return this.#push([]);
      case '}':
        return this.#push(new Map());
      case 'l':
      case 't':
      case '\x91':
        return this.#push(this.#items());
      case '\x85':
      case '\x86':
      case '\x87':
        return this.#push(this.#last(opcode - 0x84));
      case 'd':
        return this.#push(this.#paired(new Map(), this.#items()));
      case 'a': {
        const [item] = this.#last(1);
        this.#list().push(item);
        return true;
      }
      case 'e':
      case '\x90': {
        const items = this.#items();
        const list = this.#list();
        for (const item of items) list.push(item);
        return true;
      }
      case 's': {
        const pair = this.#last(2);
        this.#paired(this.#dict(), pair);
        return true;
      }
      case 'u': {
        const items = this.#items();
        this.#paired(this.#dict(), items);
        return true;
      }
      default:
        return false;
    }
  }

  /** Classes and functions, and what they are asked to make. */
  #object(opcode: number): boolean {
    const { input } = this;
    switch (String.fromCharCode(opcode)) {
      case 'c':
        return this.#push(this.#global(input.line(), input.line()));
      case '\x93': {
        const [module, name] = this.#last(2);
        return this.#push(this.#global(module, name));
      }
      case 'R':
      case '\x81': {
        const [made, args] = this.#last(2);
        return this.#push(this.#call(made, args));
      }
      case '\x92': {
        const [made, args] = this.#last(3);
        return this.#push(this.#call(made, args));
      }
      case 'i': {
        const made = this.#global(input.line(), input.line());
        return this.#push(this.#call(made, this.#items()));
      }
      case 'o': {
        const [made, ...args] = this.#items();
        return this.#push(this.#call(made, args));
      }
      case 'b': {
        const [state] = this.#last(1);
        const target = this.#top();
        // The attributes that a dict or a tensor has besides its content are of no use here.
        if (target instanceof Namespace && state instanceof Map) target.attributes = state;
        return true;
      }
      case 'P':
        return this.#push(this.persistent(input.line()));
      case 'Q':
        return this.#push(this.persistent(this.#pop()));
      default:
        return false;
    }
  }

  #global(module: unknown, name: unknown): Global {
    const found = typeof module === 'string' && typeof name === 'string' && resolveGlobal(module, name);
    if (found) return found;
    const asked = `${String(module)}.${String(name)}`.slice(0, 100);
    throw new FoveaError(
      'unsupported',
      `${this.source}: its pickle asks for ${asked}, which is not among the data that is read (tensors, numbers, ` +
        'text, dicts and lists); save the weights alone: torch.save(model.state_dict(), "weights.pth")',
    );
  }

  #call(made: unknown, args: unknown): unknown {
    if (!callable(made) || !Array.isArray(args)) return this.#fail('something is called that cannot be');
    return made.make(args, (what) => this.#fail(what));
  }

  #push(value: unknown): true {
    this.#stack.push(value);
    return true;
  }

  #pop(): unknown {
    return this.#last(1)[0];
  }

  #top(): unknown {
    if (this.#stack.length === 0) this.#fail('an empty stack is read');
    return this.#stack[this.#stack.length - 1];
  }

  /** Takes the last values off the stack. */
  #last(count: number): unknown[] {
    if (this.#stack.length < count) this.#fail('more values are used than there are');
    return this.#stack.splice(this.#stack.length - count, count);
  }

  /** Takes off what lies above the last mark, and the mark. */
  #items(): unknown[] {
    const at = this.#stack.lastIndexOf(mark);
    if (at < 0) this.#fail('items without a mark');
    const items = this.#stack.splice(at);
    items.shift();
    return items;
  }

  #list(): unknown[] {
    const list = this.#top();
    return Array.isArray(list) ? list : this.#fail('an item is added to what is no list');
  }

  #dict(): Map<unknown, unknown> {
    const dict = this.#top();
    return dict instanceof Map ? dict : this.#fail('an item is set in what is no dict');
  }

  #paired(dict: Map<unknown, unknown>, items: readonly unknown[]): Map<unknown, unknown> {
    if (items.length % 2 !== 0) this.#fail('a key without a value');
    for (let i = 0; i < items.length; i += 2) dict.set(items[i], items[i + 1]);
    return dict;
  }

  #store(place: number): true {
    this.#memo.set(place, this.#top());
    return true;
  }

  #fetch(place: number): true {
    if (!this.#memo.has(place)) this.#fail(`memo ${place} is read before it is written`);
    return this.#push(this.#memo.get(place));
  }

  #fail(what: string): never {
    throw new FoveaError('bad-file', `${this.source}: its pickle is damaged: ${what}`);
  }
}
