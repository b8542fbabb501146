import { describe, expect, test } from "vitest";
import type { RunView } from "../api";
import { titleOf, withoutScript } from "./title";

describe("titleOf", () => {
  const view = (fields: Partial<RunView>) => ({ prompt: null, params: {}, ...fields }) as RunView;

  test.each([
    [view({ prompt: "\n Write it\nand more" }), "Write it"],
    [view({ prompt: [{ type: "image" }, { type: "text", text: "What is this?" }] }), "What is this?"],
    [view({ params: { argv: ["ls", "-l"] } }), "ls -l"],
    [view({}), "r-1"],
    [undefined, "r-1"],
  ])("%#", (given, title) => expect(titleOf("r-1", undefined, given)).toBe(title));
});

test.each([
  ["Begin. <<SCRIPT>>[{\"text\": \"x\"}]<<END>> and go on", "Begin. and go on"],
  ["Begin. <<SCRIPT>>[{\"text\": \"cut of", "Begin."],
  ["<<SCRIPT>>[]<<END>>", ""],
  ["What is <<SCRIPT? ", "What is <<SCRIPT?"],
])("%s is shown as %s", (title, shown) => expect(withoutScript(title)).toBe(shown));
