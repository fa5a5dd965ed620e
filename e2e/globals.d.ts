import type * as Vitrail from '../src/index.ts';

declare global {
  /** What `vitrail.iife.js` defines on the pages that the tests open. */
  var vitrail: typeof Vitrail;

  /** Of pages/blank.html. */
  function failureOf(promise: Promise<unknown>): Promise<Failure | null>;

  interface Failure {
    name: string;
    code: Vitrail.VitrailErrorCode;
    message: string;
    where: string;
    fix: string;
    detail: Record<string, unknown>;
  }
}
