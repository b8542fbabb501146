import { describe, expect, it } from "vitest";

import { highlight, tokenLines } from "./highlight";

describe("tokenLines", () => {
  it("reads spans, entities and line ends; a span may go over lines", () => {
    expect(tokenLines('<span class="hljs-comment">/* a\nb */</span> x &lt; &#x27;y&#x27;')).toEqual([
      [{ text: "/* a", className: "hljs-comment" }],
      [{ text: "b */", className: "hljs-comment" }, { text: " x < 'y'", className: "" }],
    ]);
  });

  it("gives an inner span its own class, and the outer one again after it", () => {
    expect(tokenLines('<span class="a">x<span class="b">y</span>z</span>')).toEqual([
      [{ text: "x", className: "a" }, { text: "y", className: "b" }, { text: "z", className: "a" }],
    ]);
  });
});

describe("highlight", () => {
  it("keeps every character of the code", async () => {
    const code = 'def f(x):\n    """<script>alert(1)</script> & \'q\'"""\n    return x < 1  # end\n';
    const lines = await highlight(code, "python");
    expect(lines?.map((line) => line.map((token) => token.text).join("")).join("\n")).toBe(code);
    expect(lines?.flat().some((token) => token.className === "hljs-keyword")).toBe(true);
  });

  it("knows no language that it was not given", async () => {
    expect(await highlight("x", "klingon")).toBeNull();
  });
});
