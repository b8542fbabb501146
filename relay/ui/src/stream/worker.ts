import { Hub } from "./hub.js";
import type { ToHub } from "./protocol.js";

/** The shared worker: one hub for each API, for all tabs. */
const hubs = new Map<string, Hub>();

interface Connecting extends Event {
  readonly ports: readonly MessagePort[];
}

addEventListener("connect", (event) => {
  const line = (event as Connecting).ports[0];
  if (line === undefined) return;
  const port = { send: (message: unknown) => line.postMessage(message) };
  let hub: Hub | undefined;
  line.addEventListener("message", ({ data }: MessageEvent<ToHub>) => {
    if (data.type === "hello") {
      hub = hubs.get(data.base);
      if (hub === undefined) hubs.set(data.base, (hub = new Hub({ base: data.base, token: data.token })));
    }
    if (hub === undefined) port.send({ type: "again" });
    else hub.receive(port, data);
  });
  line.start();
});
