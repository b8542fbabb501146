export { createClient } from "./client.js";
export { StreamProvider, useConnection, useRun, useRuns, useStreamClient } from "./hooks.js";
export { SseParser, type SseMessage } from "./sse.js";
export type {
  ClientOptions,
  Connection,
  ConnectionView,
  Pace,
  RunEvent,
  RunList,
  RunLog,
  RunStatus,
  RunSummary,
  StreamClient,
} from "./types.js";
