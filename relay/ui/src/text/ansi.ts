/**
 * What a terminal would show of a text with escape codes: runs of text, each with its style. No HTML is made, so
 * nothing in the text can be more than text. Colours and weights (SGR) are kept; every other control is dropped.
 * Codes: https://www.ecma-international.org/publications-and-standards/standards/ecma-48/
 */

export interface AnsiStyle {
  /** A CSS colour for each theme, `light-dark(…)`, already readable on its background. */
  readonly color?: string;
  readonly background?: string;
  readonly bold?: boolean;
  readonly dim?: boolean;
  readonly italic?: boolean;
  readonly underline?: boolean;
  readonly strike?: boolean;
}

export interface AnsiSpan {
  readonly text: string;
  readonly style: AnsiStyle;
}

type Rgb = readonly [red: number, green: number, blue: number];

interface Ground {
  readonly background: Rgb;
  readonly color: Rgb;
}

/** `--color-terminal` and its ink, in both themes. */
export const LIGHT: Ground = { background: [244, 245, 247], color: [31, 36, 44] };
export const DARK: Ground = { background: [26, 28, 32], color: [217, 223, 231] };
/** WCAG AA for text. */
const MIN_CONTRAST = 4.5;

const PALETTE: readonly Rgb[] = [
  [120, 124, 134], [255, 110, 110], [110, 210, 120], [230, 190, 90],
  [110, 165, 255], [215, 130, 235], [90, 205, 215], [220, 223, 228],
  [150, 154, 164], [255, 140, 140], [140, 230, 150], [245, 215, 120],
  [145, 190, 255], [230, 160, 245], [130, 225, 235], [255, 255, 255],
];

// CSI … final byte; OSC, DCS and their like up to BEL or ST; two-byte escapes; other controls but tab and line ends.
const CONTROL = /\x1b\[([0-?]*)[ -/]*([@-~])|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g;

interface State {
  fg: Rgb | undefined;
  bg: Rgb | undefined;
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  strike: boolean;
  inverse: boolean;
}

const PLAIN: Readonly<State> = {
  fg: undefined, bg: undefined, bold: false, dim: false, italic: false, underline: false, strike: false, inverse: false,
};

export function parseAnsi(source: string): readonly AnsiSpan[] {
  const text = withoutOverwritten(source);
  const spans: AnsiSpan[] = [];
  const state: State = { ...PLAIN };
  let style: AnsiStyle = {};
  let from = 0;
  const push = (until: number): void => {
    if (until <= from) return;
    const last = spans.at(-1);
    const piece = text.slice(from, until);
    if (last && last.style === style) spans[spans.length - 1] = { text: last.text + piece, style };
    else spans.push({ text: piece, style });
  };
  CONTROL.lastIndex = 0;
  for (let match = CONTROL.exec(text); match; match = CONTROL.exec(text)) {
    push(match.index);
    from = CONTROL.lastIndex;
    if (match[2] === "m") {
      applySgr(state, match[1] ?? "");
      style = styleOf(state);
    }
  }
  push(text.length);
  return spans;
}

/** The text alone. */
export function stripAnsi(source: string): string {
  return withoutOverwritten(source).replace(CONTROL, "");
}

/** A progress bar writes its line again and again after a CR: only what is there at the end is kept. */
function withoutOverwritten(text: string): string {
  if (!text.includes("\r")) return text;
  return text
    .split("\n")
    .map((line) => {
      const end = line.replace(/\r+$/, "");
      return end.slice(end.lastIndexOf("\r") + 1);
    })
    .join("\n");
}

function applySgr(state: State, source: string): void {
  const codes = source.replaceAll(":", ";").split(";").map((code) => (code === "" ? 0 : Number(code)));
  for (let index = 0; index < codes.length; index += 1) {
    const code = codes[index] ?? 0;
    if (code === 38 || code === 48) {
      const [color, used] = extendedColor(codes, index + 1);
      index += used;
      if (color) state[code === 38 ? "fg" : "bg"] = color;
    } else {
      applyCode(state, code);
    }
  }
}

function applyCode(state: State, code: number): void {
  if (code === 0) Object.assign(state, PLAIN);
  else if (code === 1) state.bold = true;
  else if (code === 2) state.dim = true;
  else if (code === 3) state.italic = true;
  else if (code === 4) state.underline = true;
  else if (code === 7) state.inverse = true;
  else if (code === 9) state.strike = true;
  else if (code === 22) state.bold = state.dim = false;
  else if (code === 23) state.italic = false;
  else if (code === 24) state.underline = false;
  else if (code === 27) state.inverse = false;
  else if (code === 29) state.strike = false;
  else if (code === 39) state.fg = undefined;
  else if (code === 49) state.bg = undefined;
  else if (code >= 30 && code <= 37) state.fg = PALETTE[code - 30];
  else if (code >= 40 && code <= 47) state.bg = PALETTE[code - 40];
  else if (code >= 90 && code <= 97) state.fg = PALETTE[code - 82];
  else if (code >= 100 && code <= 107) state.bg = PALETTE[code - 92];
}

/** `5;n` or `2;r;g;b` from `index` on, and how many codes that took. */
function extendedColor(codes: readonly number[], index: number): [Rgb | undefined, number] {
  if (codes[index] === 5) return [indexedColor(codes[index + 1] ?? 0), 2];
  if (codes[index] === 2) {
    const [red = 0, green = 0, blue = 0] = codes.slice(index + 1, index + 4).map((part) => Math.min(255, part));
    return [[red, green, blue], 4];
  }
  return [undefined, 0];
}

function indexedColor(index: number): Rgb | undefined {
  if (index < 16) return PALETTE[index];
  if (index > 255) return undefined;
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return [grey, grey, grey];
  }
  const level = (step: number): number => (step === 0 ? 0 : 55 + step * 40);
  const cube = index - 16;
  return [level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6)];
}

function styleOf(state: Readonly<State>): AnsiStyle {
  const on = (ground: Ground): { readonly fg: Rgb | undefined; readonly bg: Rgb | undefined } =>
    state.inverse ? { fg: state.bg ?? ground.background, bg: state.fg ?? ground.color } : { fg: state.fg, bg: state.bg };
  const coloured = (ground: Ground): string => {
    const { fg, bg } = on(ground);
    return css(readable(fg ?? ground.color, bg ?? ground.background));
  };
  const { fg, bg } = on(DARK);
  return {
    ...(fg || bg ? { color: `light-dark(${coloured(LIGHT)}, ${coloured(DARK)})` } : {}),
    ...(bg ? { background: `light-dark(${css(on(LIGHT).bg ?? LIGHT.background)}, ${css(bg)})` } : {}),
    ...(state.bold ? { bold: true } : {}),
    ...(state.dim ? { dim: true } : {}),
    ...(state.italic ? { italic: true } : {}),
    ...(state.underline ? { underline: true } : {}),
    ...(state.strike ? { strike: true } : {}),
  };
}

/** The colour, lightened or darkened until it can be read: nothing can be hidden as black on black. */
function readable(color: Rgb, background: Rgb): Rgb {
  const white: Rgb = [255, 255, 255];
  const black: Rgb = [0, 0, 0];
  const target = contrast(white, background) >= contrast(black, background) ? white : black;
  for (let step = 0; step < 10; step += 1) {
    const mixed = mix(color, target, step / 10);
    if (contrast(mixed, background) >= MIN_CONTRAST) return mixed;
  }
  return target;
}

function mix(color: Rgb, target: Rgb, share: number): Rgb {
  const [red = 0, green = 0, blue = 0] = color.map((part, index) =>
    Math.round(part + ((target[index] ?? 0) - part) * share),
  );
  return [red, green, blue];
}

/** https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio */
export function contrast(one: Rgb, other: Rgb): number {
  const [low = 0, high = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

function luminance([red, green, blue]: Rgb): number {
  const linear = (part: number): number => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
}

function css([red, green, blue]: Rgb): string {
  return `rgb(${red} ${green} ${blue})`;
}
