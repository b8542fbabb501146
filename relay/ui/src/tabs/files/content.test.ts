import { describe, expect, it } from "vitest";

import { columnsOf, decode, isBinary, linesOf, parseJsonl } from "./content";
import { languageOf } from "../../ui/language-of";
import { imageType, kindOf } from "./kind";

const bytes = (text: string) => new TextEncoder().encode(text);

describe("isBinary", () => {
  it("takes UTF-8 for text, also when a character is cut at the end", () => {
    expect(isBinary(bytes("grüß dich"), true)).toBe(false);
    expect(isBinary(bytes("grü").subarray(0, 3), false)).toBe(false);
    expect(isBinary(bytes("grü").subarray(0, 3), true)).toBe(true);
  });

  it("takes a NUL and broken UTF-8 for binary", () => {
    expect(isBinary(new Uint8Array([80, 78, 0, 71]), true)).toBe(true);
    expect(isBinary(new Uint8Array([0xff, 0xfe, 0x41]), true)).toBe(true);
  });

  it("looks at the head only, wherever that cuts a character", () => {
    expect(isBinary(bytes("ü".repeat(10_000)), true)).toBe(false);
    expect(isBinary(bytes("a" + "ü".repeat(10_000)), true)).toBe(false);
  });
});

describe("decode", () => {
  it("joins a character that two pages share", () => {
    const all = bytes("a€b");
    for (let cut = 0; cut <= all.length; cut += 1) {
      expect(decode([all.subarray(0, cut), all.subarray(cut)], true)).toBe("a€b");
    }
  });
});

describe("linesOf", () => {
  it("knows both ends of lines, and no line after the last end", () => {
    expect(linesOf("a\r\nb\n\nc")).toEqual(["a", "b", "", "c"]);
    expect(linesOf("a\n")).toEqual(["a"]);
    expect(linesOf("")).toEqual([]);
  });
});

describe("parseJsonl", () => {
  it("keeps what is broken, and leaves out a last line that is cut", () => {
    const lines = ['{"a":1}', "", "nonsense", '{"a":'];
    expect(parseJsonl(lines, false)).toEqual([
      { line: 1, value: { a: 1 } },
      { line: 3, broken: "nonsense" },
    ]);
    expect(parseJsonl(lines, true).at(-1)).toEqual({ line: 4, broken: '{"a":' });
  });

  it("makes columns of the plain fields that most lines have", () => {
    const rows = parseJsonl(['{"type":"x","n":1,"deep":{}}', '{"type":"y","n":2,"rare":1}', '{"type":"z"}', "[1]"], true);
    expect(columnsOf(rows)).toEqual(["type", "n"]);
  });
});

describe("kindOf", () => {
  it("goes by the suffix; what a browser could run is text", () => {
    expect(["a.PNG", "b.md", "c.jsonl", "d.html", "e.svg", "f", "g.json"].map(kindOf)).toEqual([
      "image", "markdown", "jsonl", "text", "text", "text", "json",
    ]);
    expect([imageType("x.svg"), imageType("x.jpg")]).toEqual([undefined, "image/jpeg"]);
    expect([languageOf("x.html"), languageOf("x.dat")]).toEqual(["xml", undefined]);
  });
});
