import { expect, test } from "vitest";
import { describeSuggestion } from "./suggestions";

test.each([
  [{ type: "setMode", destination: "session", mode: "acceptEdits" }, "Use the mode acceptEdits in this session"],
  [
    { type: "addRules", rules: [{ toolName: "Bash", ruleContent: "npm test:*" }, { toolName: "Read" }], behavior: "allow", destination: "localSettings" },
    "Always allow Bash(npm test:*), Read in this folder, for you",
  ],
  [{ type: "addDirectories", directories: ["/srv/data"], destination: "session" }, "Let it work in /srv/data in this session"],
  [{ type: "addRules", destination: "elsewhere" }, "Always ?  (elsewhere)"],
  [{ type: "new kind", x: 1 }, '{"type":"new kind","x":1}'],
  [null, "null"],
])("%j is told in words", (suggestion, words) => {
  expect(describeSuggestion(suggestion)).toBe(words);
});
