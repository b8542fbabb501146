import { Hub } from "./hub.js";
import type { ToHub, ToPage } from "./protocol.js";
import type { Pace } from "./types.js";

/** The way from a page to its hub. */
export interface Link {
  readonly shared: "worker" | "own";
  readonly send: (message: ToHub) => void;
  readonly close: () => void;
}

const ANSWER_MS = 5_000;
const PING_MS = 10_000;

/** A hub in this page. */
export function ownLink(
  base: string,
  token: string | null,
  onMessage: (message: ToPage) => void,
  pace: Partial<Pace> = {},
): Link {
  const hub = new Hub({ base, token }, pace);
  let open = true;
  const port = {
    send: (message: ToPage): void => {
      if (open) onMessage(message);
    },
  };
  return {
    shared: "own",
    send: (message) => hub.receive(port, message),
    close: () => {
      open = false;
      hub.close();
    },
  };
}

/**
 * The hub in the worker that the tabs of the browser share; null if there can be none. `onDeath` is called once it
 * does not answer: it could not be loaded, or was ended.
 */
export function workerLink(base: string, onMessage: (message: ToPage) => void, onDeath: () => void): Link | null {
  if (typeof SharedWorker === "undefined") return null;
  let worker: SharedWorker;
  try {
    worker = new SharedWorker(new URL("./worker.js", import.meta.url), { type: "module", name: `tailcast ${base}` });
  } catch {
    return null; // a policy of the page, or of the browser in private mode
  }
  const { port } = worker;
  let askedAt = Date.now();
  let answered = false;
  let deadline: ReturnType<typeof setTimeout> | undefined;

  function expect(): void {
    askedAt = Date.now();
    answered = false;
    clearTimeout(deadline);
    deadline = setTimeout(onDeadline, ANSWER_MS);
  }
  function onDeadline(): void {
    if (answered) return;
    // Much later than asked for: it was this page that slept. Ask again.
    if (Date.now() - askedAt > 2 * ANSWER_MS) send({ type: "ping" });
    else die();
  }
  function send(message: ToHub): void {
    port.postMessage(message);
    if (message.type === "ping" || message.type === "hello") expect();
  }
  function close(): void {
    clearTimeout(deadline);
    clearInterval(pinging);
    port.onmessage = null;
    port.postMessage({ type: "bye" } satisfies ToHub);
    port.close();
  }
  function die(): void {
    close();
    onDeath();
  }

  const pinging = setInterval(() => send({ type: "ping" }), PING_MS);
  worker.addEventListener("error", die, { once: true });
  port.onmessage = ({ data }: MessageEvent<ToPage>) => {
    answered = true;
    if (data.type !== "pong") onMessage(data);
  };
  return { shared: "worker", send, close };
}
