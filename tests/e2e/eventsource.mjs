// Follows a stream with the npm package `eventsource` until its `end` event; prints each event as a JSON line.
// Usage: node eventsource.mjs FOLDER_WITH_NODE_MODULES URL [NAME...]; NAMEs are listened to as named events.
import { createRequire } from "node:module";

const [folder, url, ...names] = process.argv.slice(2);
const { EventSource } = createRequire(`${folder}/`)("eventsource");
const source = new EventSource(url);
const tell = (event) =>
  console.log(JSON.stringify({ event: event.type, id: event.lastEventId, data: event.data }));
source.onmessage = tell;
for (const name of [...names, "reset", "malformed"]) source.addEventListener(name, tell);
source.onopen = () => console.log(JSON.stringify({ event: "open" }));
source.onerror = (error) => console.log(JSON.stringify({ event: "error", code: error.code ?? null }));
source.addEventListener("end", (event) => {
  tell(event);
  source.close();
});
