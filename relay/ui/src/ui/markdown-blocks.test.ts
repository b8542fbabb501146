import { expect, test } from "vitest";
import { isTooIntricate, splitBlocks } from "./markdown-blocks";

test("paragraphs and headings stand for themselves", () => {
  expect(splitBlocks("# A\n\none\ntwo\n\nthree")).toEqual(["# A\n\n", "one\ntwo\n\n", "three"]);
});

test("a code block is one, whatever is in it, also while it is not closed", () => {
  expect(splitBlocks("```js\na\n\nb\n```\n\nc")).toEqual(["```js\na\n\nb\n```\n\n", "c"]);
  expect(splitBlocks("x\n\n````\n```\n\n```\n\ny")).toEqual(["x\n\n", "````\n```\n\n```\n\ny"]);
});

test("lists, quotes and what is indented go on over an empty line", () => {
  const list = "1. a\n\n   more\n\n2. b\n\n- c\n\n> d\n\n> e";
  expect(splitBlocks(list)).toEqual([list]);
});

test("nothing is lost, wherever the text ends", () => {
  const text = "# T\n\npara\n\n- a\n- b\n\n```\ncode\n\n```\nafter\n\n| a |\n|---|\n\nend\n";
  for (let end = 0; end <= text.length; end += 1) {
    expect(splitBlocks(text.slice(0, end)).join("")).toBe(text.slice(0, end));
  }
});

test("blocks that are complete stay as they are while the text grows", () => {
  const text = "one\n\ntwo\n\n```\na\n\nb\n```\n\nthree";
  const whole = splitBlocks(text);
  for (let end = 1; end < text.length; end += 1) {
    const blocks = splitBlocks(text.slice(0, end));
    expect(blocks.slice(0, -1)).toEqual(whole.slice(0, blocks.length - 1));
  }
});

test.each([
  ["quotes in quotes", "> ".repeat(1000)],
  ["emphasis that is never closed", "*a_".repeat(3000)],
  ["the same over lines", "*a_\n".repeat(3000)],
  ["brackets", "[a](".repeat(2000)],
  ["a huge line", "x".repeat(20_000)],
  ["many blocks, each at the bound", `${"*a_".repeat(400)}\n\n`.repeat(20)],
])("%s would take for ever", (_, text) => {
  expect(isTooIntricate(text)).toBe(true);
});

test("what people and agents write would not", () => {
  const list = Array.from({ length: 200 }, (_, n) => `- **item ${n}**: see [this](https://example.org/${n})`).join("\n");
  const code = `\`\`\`c\n${"int *p = *q[3];\n".repeat(1000)}\`\`\``;
  for (const text of [list, code, "> > quoted twice\n", "prose ".repeat(1000), ""]) expect(isTooIntricate(text)).toBe(false);
});
