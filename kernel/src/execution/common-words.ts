/**
 * Words of the memory that the runtime's main thread and its pump share. They let the one wait for, or be
 * seen by, the other while no message can get through.
 */
export const Word = {
  /** Counts interrupt messages that the main thread has begun to handle. */
  interruptsSeen: 0,
  /** Characters of output handed to the pump that the host has not taken yet. */
  backlog: 1,
  /** State of the input that the main thread waits for: one of `InputState`. */
  input: 2,
  /** Work of the kernel under way that could not be taken up again if it were terminated halfway: see `Channel.protect`. */
  ownWork: 3,
  /** 1 while an interrupt is being pressed. */
  pressing: 4,
  /** Calls into native code that the main thread is in. */
  native: 5,
  /** 1 while a termination is under way, during which no call into native code begins and no user code is left. */
  terminating: 6,
  /** Where the main thread stands with a call of user code: one of `UserCode`. */
  userCode: 7,
  /** The same as `ownWork`, on behalf of cells: imports. */
  cellWork: 8,
  /** Counts calls of user code: two that follow each other are not one that does not end. */
  userCalls: 9,
  length: 10,
} as const;

/**
 * What a termination would strike: a call of user code may take it, what follows the call must not. A cell that was
 * `resumed` after an `await` runs as a promise's job.
 */
export const UserCode = { none: 0, inside: 1, left: 2, resumed: 3 } as const;

export const InputState = { waiting: 0, answered: 1, refused: 2, interrupted: 3 } as const;

/** The main thread waits while more characters of output than this are under way. */
export const BACKLOG_LIMIT = 1 << 20;
