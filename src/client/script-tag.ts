/** The entry of vitrail.iife.js: `window.vitrail` and the custom elements, in one file. */
export * from '../index.ts';

import './elements/index.ts';
