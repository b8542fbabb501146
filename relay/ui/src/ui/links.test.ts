import { expect, test } from "vitest";
import { safeHref } from "./links";

test.each([
  ["https://example.org/a?b#c", "https://example.org/a?b#c"],
  ["http://example.org", "http://example.org/"],
  ["mailto:a@example.org", "mailto:a@example.org"],
  ["HTTPS://EXAMPLE.ORG/", "https://example.org/"],
])("%s may be followed", (url, href) => {
  expect(safeHref(url)).toBe(href);
});

test.each([
  "javascript:alert(1)",
  "JaVaScRiPt:alert(1)",
  " \tjavascript:alert(1)",
  "java\nscript:alert(1)",
  "data:text/html,<script>alert(1)</script>",
  "vbscript:x",
  "blob:https://example.org/1",
  "file:///etc/passwd",
  "//example.org",
  "/runs/other",
  "#fragment",
  "",
  7,
  undefined,
])("%s may not", (url) => {
  expect(safeHref(url)).toBeUndefined();
});
