import { ArrowLeft, RotateCw } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";

import type { FileEntry } from "../../api";
import { Markdown } from "../../ui/markdown";
import { Button, IconButton } from "../../ui/button";
import { Loading } from "../../ui/card";
import { CopyButton } from "../../ui/copy";
import { formatBytes, formatCount } from "../../ui/format";
import { JsonView } from "../../ui/json-view";
import { languageOf } from "../../ui/language-of";
import { ProblemNote } from "../../ui/problem";
import { Time } from "../../ui/time";
import { decode, isBinary, linesOf } from "./content";
import { Download } from "./download";
import { ImagePreview } from "./image-preview";
import { JsonlTable } from "./jsonl-table";
import { kindOf, type PreviewKind } from "./kind";
import { useFile } from "./queries";
import { TextLines } from "./text-lines";

interface PreviewProps {
  readonly runId: string;
  readonly entry: FileEntry;
  /** Back to the tree, where there is no room for both. */
  readonly onBack: () => void;
}

const VIEWS: Readonly<Record<PreviewKind, string | null>> = { markdown: "Rendered", json: "Tree", jsonl: "Table", image: null, text: null };

/** A file, as well as it can be shown. Nothing in it is ever run: HTML and SVG are shown as their source. */
export function Preview({ runId, entry, onBack }: PreviewProps) {
  const kind = kindOf(entry.name);
  return (
    <section className="preview" aria-label={`File ${entry.path}`}>
      <header className="preview-head">
        <span className="preview-back">
          <IconButton size="sm" icon={ArrowLeft} label="Back to the tree" onClick={onBack} />
        </span>
        <h3>
          <bdi>{entry.path}</bdi>
        </h3>
        <span className="muted numeric">{formatBytes(entry.size)}</span>
        <span className="muted">
          <Time at={entry.mtime} show="moment" />
        </span>
        <span className="preview-actions">
          <Download runId={runId} entry={entry} />
        </span>
      </header>
      {kind === "image" ? <ImagePreview runId={runId} entry={entry} /> : <TextPreview runId={runId} entry={entry} kind={kind} />}
    </section>
  );
}

function TextPreview({ runId, entry, kind }: { readonly runId: string; readonly entry: FileEntry; readonly kind: PreviewKind }) {
  const file = useFile(runId, entry);
  const [asSource, setAsSource] = useState(false);
  const [wrap, setWrap] = useState(false);
  const pages = file.data?.pages;
  const isChanged = useChanges(entry, pages?.length ?? 0, () => void file.refetch());

  const whole = !file.hasNextPage;
  const binary = useMemo(() => pages?.[0] !== undefined && isBinary(pages[0].bytes, whole), [pages, whole]);
  const text = useMemo(() => (pages && !binary ? decode(pages.map((page) => page.bytes), whole) : ""), [pages, whole, binary]);
  const lines = useMemo(() => linesOf(text), [text]);

  if (file.error && !pages) {
    return (
      <ProblemNote error={file.error}>
        <Button size="sm" icon={RotateCw} onClick={() => void file.refetch()}>
          Try again
        </Button>
      </ProblemNote>
    );
  }
  if (!pages) return <Loading what="Fetching the file…" />;
  if (binary) return <p className="preview-none">This is no text. Download it to look at it with a program that knows it.</p>;
  if (text === "" && whole) return <p className="preview-none">The file is empty.</p>;

  const read = pages.reduce((sum, page) => sum + page.bytes.length, 0);
  const total = pages.at(-1)?.total ?? read;
  const view = VIEWS[kind];
  return (
    <>
      <div className="preview-tools">
        {view && (
          <span className="preview-views" role="group" aria-label="How to show it">
            <Button size="sm" variant="ghost" aria-pressed={!asSource} onClick={() => setAsSource(false)}>
              {view}
            </Button>
            <Button size="sm" variant="ghost" aria-pressed={asSource} onClick={() => setAsSource(true)}>
              Source
            </Button>
          </span>
        )}
        {(asSource || !view) && (
          <Button size="sm" variant="ghost" aria-pressed={wrap} onClick={() => setWrap(!wrap)}>
            Wrap
          </Button>
        )}
        <span className="muted numeric">
          {formatCount(lines.length)} {lines.length === 1 ? "line" : "lines"}
        </span>
        <CopyButton text={text} label={whole ? "Copy the text" : "Copy what is here"} />
      </div>
      {isChanged && (
        <p className="preview-note" role="status">
          The file has changed since.{" "}
          <Button size="sm" icon={RotateCw} onClick={() => void file.refetch()}>
            Read it again
          </Button>
        </p>
      )}
      <div className="preview-body">
        {kind === "markdown" && !asSource ? (
          <div className="preview-markdown" tabIndex={0} role="group" aria-label="Rendered">
            <Markdown text={text} />
          </div>
        ) : kind === "jsonl" && !asSource ? (
          <JsonlTable lines={lines} whole={whole} />
        ) : kind === "json" && !asSource ? (
          <Json text={text} whole={whole} />
        ) : (
          <TextLines lines={lines} text={text} language={languageOf(entry.name)} wrap={wrap} />
        )}
      </div>
      {!whole && (
        <div className="preview-more">
          <span className="numeric">
            {formatBytes(read)} of {formatBytes(total)} are shown.
          </span>
          <Button size="sm" busy={file.isFetchingNextPage} onClick={() => void file.fetchNextPage()}>
            Load more
          </Button>
          {file.error && <span className="preview-error">{file.error.message}</span>}
        </div>
      )}
    </>
  );
}

function Json({ text, whole }: { readonly text: string; readonly whole: boolean }) {
  const parsed = useMemo((): { readonly value: unknown } | null => {
    try {
      return { value: JSON.parse(text) as unknown };
    } catch {
      return null;
    }
  }, [text]);
  if (!parsed) return <p className="preview-none">{whole ? "This is no JSON: look at its source." : "Load all of it to see it as a tree, or look at its source."}</p>;
  return (
    <div className="preview-json" tabIndex={0} role="group" aria-label="JSON">
      <JsonView value={parsed.value} />
    </div>
  );
}

/** Whether the file has changed since it was read. One that is small is read again at once, and does not count. */
function useChanges(entry: FileEntry, pages: number, reread: () => void): boolean {
  const version = `${entry.mtime}/${entry.size}`;
  const read = useRef(version);
  const [isChanged, setChanged] = useState(false);
  useEffect(() => {
    if (read.current === version) return;
    if (pages > 1) {
      setChanged(true);
      return;
    }
    read.current = version;
    setChanged(false);
    reread();
  }); // `reread` is another one each time
  return isChanged && read.current !== version;
}
