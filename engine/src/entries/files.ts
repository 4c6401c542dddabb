/**
 * What Fovea's own packages share to write files and to refuse names, without the engine behind it: small processes load
 * it. Not public: names here change without notice.
 */
export { expectArgument, expectFields, expectOptional, expectOptions } from '../arguments/expect.js';
export {
  aCount,
  aFlag,
  aFunction,
  aMask,
  aNetwork,
  aNumber,
  anImage,
  anObject,
  aPosition,
  aProfile,
  aSignal,
  aSize,
  aTensor,
  aText,
  aUint8Array,
  either,
  type Kind,
  later,
  listOf,
  numbers,
  someBytes,
} from '../arguments/kinds.js';
export { said } from '../arguments/said.js';
export { didYouMean } from '../did-you-mean.js';
export { diskRefusal, refusal, writeRefusal } from '../file.js';
export { homeFolder } from '../home-folder.js';
export {
  awaitLock,
  describeHolder,
  hasEnded,
  type LockHolder,
  type LockOptions,
  lockHolder,
  type Release,
  takeLock,
  underLock,
  watchedHolder,
} from '../lock.js';
export { makeFolder } from '../make-folder.js';
export { putContent, putFile } from '../put-in-place.js';
export { replaceFile, replaceFileSync } from '../replace-file.js';
export { isRunning, processSpace, startOf } from '../running-process.js';
export { removeAbandoned, temporaryName } from '../temporary.js';
