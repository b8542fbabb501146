import { describe, expect, it } from "vitest";
import { type SseMessage, SseParser } from "./sse.js";

function parse(...pieces: (string | Uint8Array)[]): { messages: SseMessage[]; parser: SseParser } {
  const messages: SseMessage[] = [];
  const parser = new SseParser((message) => messages.push(message));
  for (const piece of pieces) typeof piece === "string" ? parser.feedText(piece) : parser.feed(piece);
  return { messages, parser };
}

describe("the parser", () => {
  it("knows fields, comments, names and empty values", () => {
    const { messages, parser } = parse(
      ": hello\nretry: 1000\nid: 1\ndata: a\n\nid\nevent: end\ndata:b\ndata:  c\ndata\n\nfoo: x\nretry: 2x\n\ndata: d\n\n",
    );
    expect(messages).toEqual([
      { id: "1", event: "message", data: "a" },
      { id: "", event: "end", data: "b\n c\n" },
      { id: "", event: "message", data: "d" },
    ]);
    expect(parser.retryMs).toBe(1000);
  });

  it("moves the cursor by an id alone, and takes none with a NUL", () => {
    const { messages, parser } = parse("id: 5\n\nid: 6\0\ndata: x\n\n");
    expect(messages).toEqual([{ id: "5", event: "message", data: "x" }]);
    expect(parser.lastEventId).toBe("5");
  });

  it("says nothing of an event that is not over", () => {
    expect(parse("data: a\n\ndata: b\n").messages).toHaveLength(1);
  });

  it("takes empty data for an event, and no data for none", () => {
    expect(parse("data\n\nevent: x\n\ndata:\n\n").messages.map((m) => m.data)).toEqual(["", ""]);
  });

  it("passes over a byte order mark at the beginning only", () => {
    const bytes = new TextEncoder().encode("\uFEFFdata: \uFEFFa\n\n");
    expect(parse(bytes).messages).toEqual([{ id: "", event: "message", data: "\uFEFFa" }]);
  });

  it("finds the same in pieces of any size, with any line ends", () => {
    const random = generator(3);
    const ends = ["\n", "\r", "\r\n"];
    const texts = ["plain", "ä ö €", "🙂🙃", "{\"a\":\"\\r\\n\"}", "", " leading", "x".repeat(300), "日本語テキスト"];
    for (let round = 0; round < 300; round++) {
      const expected: SseMessage[] = [];
      let source = "";
      for (let i = 0; i < 8; i++) {
        const end = pick(random, ends);
        const lines = Array.from({ length: 1 + Math.floor(random() * 3) }, () => pick(random, texts));
        const named = random() < 0.3;
        source += `id: ${i}${end}`;
        if (named) source += `event: end${end}`;
        if (random() < 0.3) source += `: 🙂 comment${end}`;
        for (const line of lines) source += `data: ${line}${end}`;
        source += end;
        expected.push({ id: String(i), event: named ? "end" : "message", data: lines.join("\n") });
      }
      const bytes = new TextEncoder().encode(source);
      const pieces: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; ) {
        const size = 1 + Math.floor(random() * (random() < 0.5 ? 3 : 60));
        pieces.push(bytes.subarray(at, at + size));
        at += size;
      }
      expect(parse(...pieces).messages).toEqual(expected);
      expect(parse(bytes).messages).toEqual(expected);
    }
  });

  it("reads a stream with CR alone", () => {
    expect(parse("data: a\r", "\rdata: b\r", "\r").messages.map((m) => m.data)).toEqual(["a", "b"]);
    expect(parse("data: a\r", "\n\r", "\ndata: b\r\n\r\n").messages.map((m) => m.data)).toEqual(["a", "b"]);
  });

  it("is fast enough for any run", () => {
    const frame = `id: 12345\ndata: {"type":"stream_event","text":"${"x".repeat(400)}"}\n\n`;
    const bytes = new TextEncoder().encode(frame.repeat(50_000));
    const began = performance.now();
    let count = 0;
    const parser = new SseParser(() => count++);
    for (let at = 0; at < bytes.length; at += 65_536) parser.feed(bytes.subarray(at, at + 65_536));
    console.log(`50,000 events in ${(performance.now() - began).toFixed(0)} ms`);
    expect(count).toBe(50_000);
  });
});

function pick(random: () => number, from: readonly string[]): string {
  return from[Math.floor(random() * from.length)] as string;
}

function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) % 2 ** 32;
    return state / 2 ** 32;
  };
}
