import type { IncomingMessage } from 'node:http';

/** What goes wrong with a request. */
export interface Fault {
  /** Answers with this status and nothing else. */
  status?: number;
  /** Drops the connection after this many bytes of the body. */
  cutAfterBytes?: number;
  /** Ignores Range, and does not offer it. */
  noRange?: boolean;
  /** Answers with this ETag instead of the file's. */
  etag?: string;
  /** Waits before the answer. */
  delayMs?: number;
  /** Sends slowly. */
  bytesPerSecond?: number;
}

export interface ServerOptions {
  /** Folders or files by the path that they are served under, longest first. */
  roots: Record<string, string>;
  /** 0, the default, chooses a free one. */
  port?: number;
  /** Sent with every answer. */
  headers?: Record<string, string>;
  fault?: (request: IncomingMessage) => Fault | undefined;
}

export interface Server {
  url: string;
  /** Every request so far. */
  requests: { path: string; range: string | null }[];
  close(): Promise<void>;
}

/** Starts a static file server with Range, If-Range and ETag. */
export function startServer(options: ServerOptions): Promise<Server>;
