/** A property of a value of the running program. */
export interface LiveProperty {
  readonly name: string;
  /** What kind of value it holds: `function`, `class`, `property`, … */
  readonly type?: string;
}

/** What the service requests from the process that runs the cells. */
export interface LiveValues {
  /**
   * Properties of what a chain of names leads to (`a.b[0]`), own and inherited, without running any code of
   * the user's. The empty chain asks for the names of the global scope.
   * @returns an empty list when the chain leads nowhere, or could not be followed without side effects
   */
  properties(chain: string): Promise<readonly LiveProperty[]>;
}

/** Longest wait for values of the running program: a completion without them is better than a late one. */
const patienceMs = 150;

/**
 * The living properties that can follow at the end of `before`, the text in front of the word being typed.
 * Only plain chains of names and constant indices are followed: anything else might run code.
 */
export async function liveProperties(
  live: LiveValues | undefined,
  before: string,
): Promise<readonly LiveProperty[]> {
  const chain = chainBefore(before);
  if (live === undefined || chain === undefined) return [];
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<readonly LiveProperty[]>((resolve) => {
    timer = setTimeout(() => resolve([]), patienceMs);
  });
  try {
    return await Promise.race([live.properties(chain), late]);
  } catch {
    return [];
  } finally {
    clearTimeout(timer);
  }
}

const memberChain =
  /(?<![\p{ID_Continue}$.)\]"'`])([\p{ID_Start}$_][\p{ID_Continue}$]*(?:\??\.[\p{ID_Continue}$]+|\[\d+\]|\["[^"\\\n]*"\]|\['[^'\\\n]*'\])*)\??\.\s*$/u;

/** The chain whose members follow; empty for the global scope, undefined where it cannot be followed. */
function chainBefore(before: string): string | undefined {
  if (!/\.\s*$/.test(before)) return '';
  return memberChain.exec(before)?.[1]?.replace(/\?\./g, '.');
}
