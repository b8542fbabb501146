import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { expect, it } from "vitest";

it("has an example that compiles", () => {
  const folder = import.meta.dirname;
  const readme = readFileSync(join(folder, "README.md"), "utf8");
  const example = /```tsx\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  expect(example).toContain("useRun(");
  const name = join(folder, "example.tsx");
  const { config } = ts.readConfigFile(join(folder, "../../tsconfig.json"), (path) => ts.sys.readFile(path));
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, folder);
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (path) => path === name || fileExists(path);
  host.getSourceFile = (path, version) =>
    path === name ? ts.createSourceFile(path, example.replace("@tailcast/react", "./index.js"), version) : getSourceFile(path, version);
  const program = ts.createProgram([name], { ...options, types: [] }, host);
  const faults = ts.getPreEmitDiagnostics(program, program.getSourceFile(name));
  expect(faults.map((fault) => ts.flattenDiagnosticMessageText(fault.messageText, "\n"))).toEqual([]);
}, 60_000);
