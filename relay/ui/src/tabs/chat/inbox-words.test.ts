import { expect, test } from "vitest";
import { wordsOf } from "./inbox-words";

const bytes = (text: string) => new TextEncoder().encode(text);

test("words are found by id, or by the place of the line", () => {
  const first = '{"id":"a","type":"message","content":"ü tabs"}\n';
  const second = '{"type":"message","content":[{"type":"text","text":"look"},{"type":"image"}]}\n';
  const rest = '{"id":"a","type":"message","content":"again"}\n{"type":"stop"}\nno json\n[1]\n{"id":"torn","type":"mess';
  const place = bytes(first + second).length;
  expect([...wordsOf(bytes(first + second + rest))]).toEqual([
    ["a", "ü tabs"],
    [`inbox-${place}`, "look\n[image]"],
  ]);
});
