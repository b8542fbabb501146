import { expect, test } from "vitest";
import { contrast, DARK, LIGHT, parseAnsi, stripAnsi } from "./ansi";

const THEMES = ["light", "dark"] as const;
/** Of `light-dark(rgb(…), rgb(…))` the one of a theme. */
const of = (theme: (typeof THEMES)[number], color: string | undefined): string => (color ?? "").match(/rgb\([^)]*\)/g)?.[THEMES.indexOf(theme)] ?? "";
const rgb = (color: string): [number, number, number] => {
  const [red = 0, green = 0, blue = 0] = color.match(/\d+/g)?.map(Number) ?? [];
  return [red, green, blue];
};

test("text without codes is one plain run", () => {
  expect(parseAnsi("a\nb")).toEqual([{ text: "a\nb", style: {} }]);
  expect(parseAnsi("")).toEqual([]);
});

test("colours and weights begin and end where the codes say", () => {
  const spans = parseAnsi("a \x1b[1;31mred\x1b[0m b");
  expect(spans.map((span) => span.text)).toEqual(["a ", "red", " b"]);
  expect(spans[1]?.style.bold).toBe(true);
  for (const theme of THEMES) {
    const [red, green] = rgb(of(theme, spans[1]?.style.color));
    expect(red).toBeGreaterThan(green + 80);
  }
  expect(spans[2]?.style).toEqual({});
});

test("256 and true colours are known, in both notations", () => {
  expect(of("dark", parseAnsi("\x1b[38;5;46mx")[0]?.style.color)).toBe("rgb(0 255 0)");
  expect(of("dark", parseAnsi("\x1b[38;2;10;200;30mx")[0]?.style.color)).toBe("rgb(10 200 30)");
  expect(of("dark", parseAnsi("\x1b[38:5:46mx")[0]?.style.color)).toBe("rgb(0 255 0)");
  expect(parseAnsi("\x1b[38;2;10;200;30;1mx")[0]?.style.bold).toBe(true);
});

test.each([
  ["black on the terminal's own", "\x1b[38;2;0;0;0mx"],
  ["white on the terminal's own", "\x1b[97mx"],
  ["yellow on the terminal's own", "\x1b[33mx"],
  ["black on black", "\x1b[38;2;0;0;0;48;2;0;0;0mx"],
  ["white on yellow", "\x1b[97;48;2;255;255;0mx"],
  ["inverse", "\x1b[7mx"],
  ["inverse red", "\x1b[31;7mx"],
] as const)("nothing can be written so that it can't be read: %s", (_, source) => {
  const style = parseAnsi(source)[0]?.style;
  for (const [theme, ground] of [["light", LIGHT], ["dark", DARK]] as const) {
    const background = style?.background ? rgb(of(theme, style.background)) : ground.background;
    expect(contrast(rgb(of(theme, style?.color)), background)).toBeGreaterThanOrEqual(4.5);
  }
});

test("controls that are no colours leave nothing behind", () => {
  expect(stripAnsi("a\x1b[2Jb\x1b[10;20Hc\x1b]0;title\x07d\x1b]8;;javascript:alert(1)\x1b\\e\x1b(Bf\x07g\x00")).toBe("abcdefg");
  expect(parseAnsi("\x1b[")).toEqual([]);
  expect(stripAnsi("\x1b]unended title")).toBe("");
});

test("a line that is written again shows its last state", () => {
  expect(stripAnsi("10 %\r50 %\r100 %\ndone\r\n")).toBe("100 %\ndone\n");
});

test("markup stays text", () => {
  expect(parseAnsi("<script>alert(1)</script>")).toEqual([{ text: "<script>alert(1)</script>", style: {} }]);
});
