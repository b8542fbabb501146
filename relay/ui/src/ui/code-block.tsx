import { useEffect, useState } from "react";
import { CopyButton } from "./copy";
import { highlight, type Token } from "./highlight";
import "./highlight.css";

interface CodeBlockProps {
  readonly code: string;
  /** As the writer named it: `py`, `typescript`. Undefined: plain. */
  readonly language?: string | undefined;
}

const ALIASES: Readonly<Record<string, string>> = {
  shell: "bash", console: "bash", "shell-session": "bash", jsonc: "json", json5: "json", jsonl: "json", vue: "xml", svelte: "xml",
};

/** Code with a button to copy it. Its colours come when the highlighter has been loaded. */
export function CodeBlock({ code, language }: CodeBlockProps) {
  const lines = useHighlighted(code, language);
  return (
    <div className="code-block">
      <div className="code-block-head">
        <span>{language ?? ""}</span>
        <CopyButton text={code} label="Copy code" />
      </div>
      <pre className="code" tabIndex={0} dir="ltr" aria-label={language ? `Code in ${language}` : "Code"}>
        <code>{lines ? lines.map((line, index) => <Line key={index} tokens={line} last={index === lines.length - 1} />) : code}</code>
      </pre>
    </div>
  );
}

/** `last`: no line end follows. */
export function Line({ tokens, last }: { readonly tokens: readonly Token[]; readonly last: boolean }) {
  return (
    <>
      {tokens.map((token, index) =>
        token.className ? (
          <span key={index} className={token.className}>
            {token.text}
          </span>
        ) : (
          token.text
        ),
      )}
      {!last && "\n"}
    </>
  );
}

/** undefined until it is known, and where nothing can be told. Tokens of an older code are never shown. */
export function useHighlighted(code: string, language: string | undefined): readonly (readonly Token[])[] | undefined {
  const [done, setDone] = useState<{ readonly code: string; readonly lines: readonly (readonly Token[])[] }>();
  useEffect(() => {
    if (!language) return;
    let current = true;
    const name = language.toLowerCase();
    highlight(code, ALIASES[name] ?? name).then(
      (lines) => current && lines && setDone({ code, lines }),
      () => undefined, // the chunk could not be loaded: it stays plain
    );
    return () => {
      current = false;
    };
  }, [code, language]);
  return done?.code === code ? done.lines : undefined;
}
