import { transferHandlers } from 'comlink';
import { errorCodes, VitrailError, type VitrailErrorCode } from '../errors.ts';

/** A thrown value on the wire. Comlink's own form keeps only name, message and stack. */
interface ThrownRecord {
  kind: 'vitrail' | 'error' | 'value';
  name: string;
  message: string;
  stack: string;
  code?: VitrailErrorCode;
  where?: string;
  fix?: string;
  detail?: Record<string, unknown>;
  cause?: ThrownRecord;
  value?: unknown;
}

/** Chains of causes are cut here: a cyclic one must not hang the transfer. */
const maxCauses = 8;

/** Replaces Comlink's handler for thrown values, on both sides, so that a `VitrailError` arrives as the same class. */
export function installErrorTransfer(): void {
  const comlinkHandler = transferHandlers.get('throw');
  if (!comlinkHandler || installed.has(comlinkHandler)) return;
  const handler = {
    canHandle: comlinkHandler.canHandle as (value: unknown) => value is { value: unknown },
    serialize: ({ value }: { value: unknown }): [ThrownRecord, Transferable[]] => [
      recordOf(value, maxCauses),
      [],
    ],
    deserialize: (record: ThrownRecord): never => {
      throw thrownOf(record);
    },
  };
  installed.add(handler);
  transferHandlers.set('throw', handler);
}

const installed = new WeakSet<object>();

function recordOf(thrown: unknown, causesLeft: number): ThrownRecord {
  if (!(thrown instanceof Error)) {
    const value = cloneable(thrown);
    return { kind: 'value', name: '', message: String(thrown), stack: '', value };
  }
  const record: ThrownRecord = {
    kind: 'error',
    name: thrown.name,
    message: thrown.message,
    stack: thrown.stack ?? '',
  };
  if (thrown.cause !== undefined && causesLeft > 0) {
    record.cause = recordOf(thrown.cause, causesLeft - 1);
  }
  // By its name: parts of the worker bring a class of their own.
  if (thrown.name !== 'VitrailError') return record;
  const { code, where, fix, detail: given } = thrown as VitrailError;
  const detail = cloneable(given) as Record<string, unknown>;
  return { ...record, kind: 'vitrail', code, where, fix, detail };
}

function thrownOf(record: ThrownRecord): unknown {
  if (record.kind === 'value') return record.value;
  const cause = record.cause && thrownOf(record.cause);
  const error = isVitrailRecord(record)
    ? new VitrailError(record.code, record.message, { ...record, cause })
    : Object.assign(new Error(record.message, cause === undefined ? {} : { cause }), {
        name: record.name,
      });
  error.stack = record.stack;
  return error;
}

function isVitrailRecord(
  record: ThrownRecord,
): record is ThrownRecord & { code: VitrailErrorCode; where: string; fix: string } {
  return record.kind === 'vitrail' && errorCodes.includes(record.code as VitrailErrorCode);
}

/** What cannot be cloned would make the error itself fail to arrive; its text is better than nothing. */
function cloneable(value: unknown): unknown {
  try {
    return structuredClone(value);
  } catch {
    if (typeof value !== 'object' || value === null) return String(value);
    return Object.fromEntries(
      Object.entries(value).map(([key, member]) => [key, cloneable(member)]),
    );
  }
}
