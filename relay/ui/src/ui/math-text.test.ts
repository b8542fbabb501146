import { expect, test } from "vitest";
import { mathIn, withDollars, withPrices } from "./math-text";

test.each([
  ["so $a^2+b^2=c^2$ holds", true, true],
  ["it costs $5 and then $10", false, false],
  ["from $5 to $10 (a_b)", false, false],
  ["$$\nx = 1\n$$", true, false],
  ["`$a_b$` and\n```sh\necho $HOME $x_y=$z\n```", false, false],
  ["$HOME and $PATH", false, false],
  ["for i in $(seq 1 3); do printf '\\n' $i; done", false, false],
  ["$(seq 3 | tail -n1) and a\\b $x", false, false],
  ['"$a_b" == "$c_d"', false, false],
])("%j", (text, any, single) => expect(mathIn(text)).toEqual({ any, single }));

test("brackets as models write them become dollars, but in code", () => {
  expect(withDollars("a \\(x_1\\) b \\[y\\]")).toBe("a $x_1$ b $$y$$");
  expect(withDollars("\\[\ny = 2\n\\]")).toBe("$$\ny = 2\n$$");
  expect(withDollars("`\\(x\\)`")).toBe("`\\(x\\)`");
  expect(withDollars("```\n\\[y\\]\n```")).toBe("```\n\\[y\\]\n```");
});

test.each([
  ["so $a^2$ costs $5 or $10", "so $a^2$ costs \\$5 or \\$10"],
  ["$x_1$ and $y=2$ and $$z$$", "$x_1$ and $y=2$ and $$z$$"],
  ["`$HOME` and $a_b$, \\$3", "`$HOME` and $a_b$, \\$3"],
])("prices are no formulas: %s", (text, marked) => expect(withPrices(text)).toBe(marked));
