import { hookModules } from './register.js';

/** Imported first in workers that run TypeScript. */
hookModules();
