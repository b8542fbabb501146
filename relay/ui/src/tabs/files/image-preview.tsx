import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { fetchFile, keys, type FileEntry } from "../../api";
import { Loading } from "../../ui/card";
import { formatBytes } from "../../ui/format";
import { ProblemNote } from "../../ui/problem";
import { imageType } from "./kind";

const MAX_BYTES = 25 * 1024 * 1024;

/** A picture, from bytes that were fetched with the token. Its type is that of its name: SVG never comes here. */
export function ImagePreview({ runId, entry }: { readonly runId: string; readonly entry: FileEntry }) {
  const small = (entry.size ?? 0) <= MAX_BYTES;
  const file = useQuery({
    queryKey: [...keys.file(runId, entry.path), entry.mtime, entry.size],
    queryFn: async ({ signal }) => new Blob([await (await fetchFile(runId, entry.path, undefined, signal)).arrayBuffer()], { type: imageType(entry.name) ?? "" }),
    enabled: small,
    gcTime: 60_000,
  });
  const url = useObjectUrl(file.data);
  const [size, setSize] = useState<string>();
  const [broken, setBroken] = useState<string>();

  if (!small) return <p className="preview-none">{formatBytes(entry.size)} are too much to show here. Download it.</p>;
  if (file.error) return <ProblemNote error={file.error} />;
  if (!url) return <Loading what="Fetching the picture…" />;
  if (broken === url) return <p className="preview-none">The browser can't show this as a picture. Download it.</p>;
  return (
    <figure className="preview-image">
      <img
        src={url}
        alt={entry.name}
        onLoad={({ currentTarget }) => setSize(`${currentTarget.naturalWidth} × ${currentTarget.naturalHeight}`)}
        onError={() => setBroken(url)}
      />
      <figcaption className="muted numeric">{size}</figcaption>
    </figure>
  );
}

function useObjectUrl(blob: Blob | undefined): string | undefined {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    if (!blob) return;
    const made = URL.createObjectURL(blob);
    setUrl(made);
    return () => {
      URL.revokeObjectURL(made);
      setUrl(undefined);
    };
  }, [blob]);
  return url;
}
