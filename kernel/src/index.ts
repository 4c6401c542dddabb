export * from './display/live.js';
export * from './display/mime.js';
