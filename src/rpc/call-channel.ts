/**
 * A call that streams gets a MessageChannel of its own: events one way, an abort the other way. The worker ends it with
 * an end mark, because messages of different ports have no common order: the result may overtake the last event.
 * Both ports are closed when the call is over, so nothing is left to release.
 */
export interface CallChannel {
  /** The worker's end, to be transferred. */
  readonly port: MessagePort;
  /** Resolves when the last event has been delivered. */
  readonly drained: Promise<void>;
  close(): void;
}

const endMark = 'end';
const abortMark = 'abort';

type ChannelMessage<Event> = { event: Event } | typeof endMark;

/** The page's side. `onEvent` gets each event in order; the signal's abort is passed on. */
export function openCallChannel<Event>(
  signal: AbortSignal | undefined,
  onEvent: (event: Event) => void,
): CallChannel {
  const { port1, port2 } = new MessageChannel();
  const drained = new Promise<void>((resolve) => {
    port1.onmessage = ({ data }: MessageEvent<ChannelMessage<Event>>) => {
      if (data === endMark) resolve();
      else onEvent(data.event);
    };
  });
  const abort = (): void => port1.postMessage(abortMark);
  if (signal?.aborted) abort();
  else signal?.addEventListener('abort', abort, { once: true });
  return {
    port: port2,
    drained,
    close() {
      signal?.removeEventListener('abort', abort);
      port1.close();
    },
  };
}

export interface CallContext<Event> {
  signal: AbortSignal;
  emit(event: Event): void;
}

/** The worker's side: runs `call` and ends the channel, whether the call succeeds or throws. */
export async function serveCallChannel<Event, Result>(
  port: MessagePort,
  call: (context: CallContext<Event>) => Promise<Result>,
): Promise<Result> {
  const controller = new AbortController();
  port.onmessage = () => controller.abort();
  try {
    return await call({
      signal: controller.signal,
      emit: (event) => port.postMessage({ event } satisfies ChannelMessage<Event>),
    });
  } finally {
    port.postMessage(endMark);
    // The page closes the channel once it has read the end mark; closing here could drop events on their way.
    port.onmessage = null;
  }
}
