/** One Server-Sent Event. `id` is the last one that was told, here or before. */
export interface SseMessage {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/**
 * Server-Sent Events from bytes in pieces of any size, as the HTML standard reads them: lines end with CR, LF or
 * CRLF, also where a piece ends between the two, and a character may come in two pieces.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export class SseParser {
  lastEventId = "";
  /** In ms, if the stream has told one. */
  retryMs: number | null = null;
  readonly #onMessage: (message: SseMessage) => void;
  readonly #decoder = new TextDecoder("utf-8"); // it takes the byte order mark off
  #rest = "";
  #endedWithCr = false;
  #id = "";
  #event = "";
  #data = "";
  #hasData = false;

  constructor(onMessage: (message: SseMessage) => void) {
    this.#onMessage = onMessage;
  }

  feed(bytes: Uint8Array): void {
    this.feedText(this.#decoder.decode(bytes, { stream: true }));
  }

  feedText(piece: string): void {
    if (piece === "") return;
    let text = piece;
    if (this.#endedWithCr && text.charCodeAt(0) === LF) text = text.slice(1);
    this.#endedWithCr = piece.charCodeAt(piece.length - 1) === CR;
    let start = 0;
    let cr = text.indexOf("\r"); // looked for once, since most streams have none
    for (;;) {
      const lf = text.indexOf("\n", start);
      if (cr >= 0 && cr < start) cr = text.indexOf("\r", start);
      const end = cr >= 0 && (lf < 0 || cr < lf) ? cr : lf;
      if (end < 0) break;
      const line = text.slice(start, end);
      start = end + (text.charCodeAt(end) === CR && text.charCodeAt(end + 1) === LF ? 2 : 1);
      if (this.#rest === "") this.#take(line);
      else {
        const whole = this.#rest + line;
        this.#rest = "";
        this.#take(whole);
      }
    }
    this.#rest += text.slice(start);
  }

  #take(line: string): void {
    if (line === "") {
      this.#dispatch();
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment: the keepalive
    const field = colon < 0 ? line : line.slice(0, colon);
    const from = colon < 0 ? line.length : line.charCodeAt(colon + 1) === SPACE ? colon + 2 : colon + 1;
    const value = line.slice(from);
    if (field === "data") {
      this.#data = this.#hasData ? `${this.#data}\n${value}` : value;
      this.#hasData = true;
    } else if (field === "event") this.#event = value;
    else if (field === "id") {
      if (!value.includes("\0")) this.#id = value;
    } else if (field === "retry" && /^\d+$/.test(value)) this.retryMs = Number(value);
  }

  #dispatch(): void {
    this.lastEventId = this.#id; // also without data: a filter moves the cursor so
    const message = { id: this.#id, event: this.#event || "message", data: this.#data };
    const told = this.#hasData;
    this.#event = this.#data = "";
    this.#hasData = false;
    if (told) this.#onMessage(message);
  }
}

const LF = 10;
const CR = 13;
const SPACE = 32;
