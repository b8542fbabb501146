import { Component, memo, useEffect, useMemo, useState, type ReactNode } from "react";
import ReactMarkdown, { type Components, type Options } from "react-markdown";
import remarkGfm from "remark-gfm";
import { CodeBlock } from "./code-block";
import { safeHref } from "./links";
import { isTooIntricate, splitBlocks } from "./markdown-blocks";
import type { Plugins } from "./math";
import { mathIn, withDollars, withPrices } from "./math-text";
import "./markdown.css";

const REMARK_PLUGINS: Options["remarkPlugins"] = [[remarkGfm, { singleTilde: false }]];

const COMPONENTS: Components = {
  a: ({ href, children }) => <Link href={href}>{children}</Link>,
  img: ({ src, alt }) => <Link href={typeof src === "string" ? src : undefined}>{`[image: ${alt || "no description"}]`}</Link>,
  pre: ({ children }) => <>{children}</>,
  code: ({ className, children, node }) => {
    const code = String(children);
    const [, language] = /language-(\S+)/.exec(className ?? "") ?? [];
    const inline = language === undefined && node?.position?.start.line === node?.position?.end.line && !code.endsWith("\n");
    return inline ? <code className="code-inline">{code}</code> : <CodeBlock code={code.replace(/\n$/, "")} language={language} />;
  },
  table: ({ children }) => (
    <div className="markdown-table" tabIndex={0} role="region" aria-label="Table">
      <table>{children}</table>
    </div>
  ),
  // The page has its own headings above these.
  h1: ({ children }) => <h3 className="markdown-h1">{children}</h3>,
  h2: ({ children }) => <h4 className="markdown-h2">{children}</h4>,
  h3: ({ children }) => <h5 className="markdown-h3">{children}</h5>,
  h4: ({ children }) => <h6 className="markdown-h4">{children}</h6>,
  h5: ({ children }) => <h6 className="markdown-h4">{children}</h6>,
  input: ({ checked }) => <input type="checkbox" checked={checked ?? false} disabled aria-label={checked ? "done" : "not done"} />,
};

function Link({ href, children }: { readonly href: string | undefined; readonly children: ReactNode }) {
  const safe = safeHref(href);
  if (safe === undefined) return <span title={href ? `This link is not followed: ${href.slice(0, 200)}` : undefined}>{children}</span>;
  return (
    <a href={safe} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  );
}

const Block = memo(function Block({ text, math }: { readonly text: string; readonly math: Plugins | null }) {
  return (
    <ReactMarkdown
      remarkPlugins={math ? [...(REMARK_PLUGINS ?? []), ...(math.remarkPlugins ?? [])] : REMARK_PLUGINS}
      rehypePlugins={math?.rehypePlugins}
      components={COMPONENTS}
      urlTransform={(url) => safeHref(url) ?? ""}
    >
      {text}
    </ReactMarkdown>
  );
});

/** What shows formulas, once it has been loaded; null: there are none, or not yet. */
function useMath(any: boolean, single: boolean): Plugins | null {
  const [plugins, setPlugins] = useState<{ readonly single: boolean; readonly made: Plugins }>();
  useEffect(() => {
    if (!any) return;
    let current = true;
    import("./math").then(
      ({ mathPlugins }) => current && setPlugins({ single, made: mathPlugins(single) }),
      () => undefined, // it could not be loaded: formulas stay as they were written
    );
    return () => {
      current = false;
    };
  }, [any, single]);
  return any && plugins?.single === single ? plugins.made : null;
}

/** Deep nesting can exhaust the parser's stack: then it is shown as it was written. */
class PlainOnFailure extends Component<{ readonly text: string; readonly children: ReactNode }, { readonly failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override render(): ReactNode {
    return this.state.failed ? <p className="plain-text">{this.props.text}</p> : this.props.children;
  }
}

interface MarkdownProps {
  readonly text: string;
  /** It still grows: only its last block is parsed again. */
  readonly partial?: boolean;
}

/** Markdown of an agent: GitHub's kind, without raw HTML, with links to http, https and mail only. */
export const Markdown = memo(function Markdown({ text: source, partial = false }: MarkdownProps) {
  const { text, any, single } = useMemo(() => {
    const dollars = withDollars(source);
    const found = mathIn(dollars);
    return { text: found.single ? withPrices(dollars) : dollars, ...found };
  }, [source]);
  const math = useMath(any, single);
  const blocks = useMemo(() => (partial ? splitBlocks(text) : [text]), [text, partial]);
  const plain = useMemo(() => isTooIntricate(text), [text]);
  return (
    <div className={partial ? "markdown foreign growing" : "markdown foreign"} dir="auto">
      {plain ? (
        <p className="plain-text">{text}</p>
      ) : (
        <PlainOnFailure text={text}>
          {blocks.map((block, index) => (
            <Block key={index} text={block} math={math} />
          ))}
        </PlainOnFailure>
      )}
    </div>
  );
});
