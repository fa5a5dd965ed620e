/** Every way in which Vitrail can fail. `docs/errors.md` has a section for each. */
export const errorCodes = [
  'gpu-unavailable',
  'gpu-feature-missing',
  'gpu-limit-exceeded',
  'gpu-out-of-memory',
  'gpu-device-lost',
  'shader-invalid',
  'model-unsupported',
  'model-corrupt',
  'tokenizer-unsupported',
  'context-full',
  'storage-quota',
  'storage-corrupt',
  'network',
  'camera-unavailable',
  'aborted',
  'invalid-argument',
  'internal',
] as const;

export type VitrailErrorCode = (typeof errorCodes)[number];

export interface VitrailErrorInit {
  /** The part that failed, as `file-stem/step`: `gguf/header`, `download/resume`. */
  where: string;
  /** What the reader of the message can do about it, as a full sentence. */
  fix: string;
  /** Figures and names that help: `{ neededBytes, availableBytes }`. Structured-cloneable. */
  detail?: Record<string, unknown> | undefined;
  cause?: unknown;
}

/** The one error type that Vitrail throws. It crosses the worker boundary whole. */
export class VitrailError extends Error {
  override readonly name = 'VitrailError';
  readonly code: VitrailErrorCode;
  readonly where: string;
  readonly fix: string;
  readonly detail: Record<string, unknown>;

  constructor(code: VitrailErrorCode, message: string, init: VitrailErrorInit) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.code = code;
    this.where = init.where;
    this.fix = init.fix;
    this.detail = init.detail ?? {};
  }
}

/** Wraps anything thrown: a `VitrailError` stays as it is, an abort becomes `aborted`, the rest `internal`. */
export function toVitrailError(thrown: unknown, where: string): VitrailError {
  if (thrown instanceof VitrailError) return thrown;
  if (isCopy(thrown)) {
    return Object.assign(new VitrailError(thrown.code, thrown.message, thrown), {
      stack: thrown.stack,
    });
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  if (thrown instanceof Error && thrown.name === 'AbortError') return abortedError(where, thrown);
  return new VitrailError('internal', message, {
    where,
    fix: 'This is a defect in Vitrail. Please report it with the steps that led here.',
    cause: thrown,
  });
}

/** Parts of the runtime that are loaded later bring a copy of the class; its errors are as good. */
function isCopy(thrown: unknown): thrown is VitrailError {
  return thrown instanceof Error && thrown.name === 'VitrailError' && 'code' in thrown;
}

export function abortedError(where: string, cause?: unknown): VitrailError {
  return new VitrailError('aborted', 'The operation was aborted.', {
    where,
    fix: 'Nothing to repair: the caller asked for it. Start the operation again if that was a mistake.',
    cause,
  });
}

/** Throws `aborted` when the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined, where: string): void {
  if (signal?.aborted) throw abortedError(where, signal.reason);
}

export function invalidArgument(where: string, message: string, fix: string): VitrailError {
  return new VitrailError('invalid-argument', message, { where, fix });
}
