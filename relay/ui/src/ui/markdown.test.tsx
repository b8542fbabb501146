import { renderToStaticMarkup } from "react-dom/server";
import ReactMarkdown from "react-markdown";
import { expect, test } from "vitest";
import { Markdown } from "./markdown";

const html = (text: string, partial = false): string => renderToStaticMarkup(<Markdown text={text} partial={partial} />);

test("what Markdown is for", () => {
  const made = html("# A\n\n**b** `c`\n\n- [x] d\n\n| e |\n|---|\n| f |\n\n```js\ng()\n```");
  for (const part of ["<h3", "<strong>b</strong>", '<code class="code-inline">c</code>', 'type="checkbox"', "<th>e</th>", "g()"]) {
    expect(made).toContain(part);
  }
});

test("raw HTML is text", () => {
  const made = html("<script>alert(1)</script> <img src=x onerror=alert(1)> <b>b</b>\n\n<iframe src='x'></iframe>");
  expect(made).not.toMatch(/<(script|img|b|iframe)[ >]/);
  expect(made).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
});

test("links lead to the web and to mail only, and tell nobody where one comes from", () => {
  const made = html("[a](https://example.org) [b](javascript:alert(1)) [c](data:text/html,x) [d](/runs/x) [e](mailto:e@example.org)");
  expect(made.match(/href="[^"]*"/g)).toEqual(['href="https://example.org/"', 'href="mailto:e@example.org"']);
  expect(made.match(/rel="noopener noreferrer nofollow"/g)).toHaveLength(2);
});

test("an image is a link: nothing is loaded from elsewhere", () => {
  const made = html("![a picture](https://example.org/spy.png)");
  expect(made).not.toContain("<img");
  expect(made).toContain('href="https://example.org/spy.png"');
  expect(made).toContain("[image: a picture]");
});

test("text that grows shows the same as the whole", () => {
  const text = "# T\n\npara **b**\n\n- a\n- b\n\n```\ncode\n\nmore\n```\n\nend";
  const inner = (made: string): string => made.replace(/^<div[^>]*>/, "").replace(/\n/g, "");
  expect(inner(html(text, true))).toBe(inner(html(text)));
});

test("what would keep the page busy is shown as it is", () => {
  expect(html("*a_".repeat(3000))).toContain('<p class="plain-text">*a_*a_');
});

test("formulas become MathML; what is none stays as it was written, without a style", async () => {
  const { mathPlugins } = await import("./math");
  const { remarkPlugins, rehypePlugins } = mathPlugins(true);
  const html = (text: string) => renderToStaticMarkup(<ReactMarkdown remarkPlugins={remarkPlugins} rehypePlugins={rehypePlugins}>{text}</ReactMarkdown>);
  expect(html("so $a^2$")).toContain("<msup><mi>a</mi><mn>2</mn></msup>");
  for (const broken of ["$\\bad{$", "$i; printf '%s\\n' $a^2$", "$$\n\\frac{\n$$", "$\\href{javascript:alert(1)}{x}$"]) {
    expect(html(broken)).not.toMatch(/style=|katex-error|javascript:(?!alert\(1\)\}\{x\})/);
  }
});
