import { Download as DownloadIcon } from "lucide-react";
import { useState } from "react";

import { fetchFile, fileUrl, getToken, type FileEntry } from "../../api";
import { Button } from "../../ui/button";

/** Saves a file. A link can't send a token: with one the file is fetched first, and saved from memory. */
export function Download({ runId, entry }: { readonly runId: string; readonly entry: FileEntry }) {
  const [state, setState] = useState<{ readonly busy: boolean; readonly error?: string }>({ busy: false });
  if (getToken() === null) {
    return (
      <a className="button button-default button-sm" href={fileUrl(runId, entry.path)} download={entry.name}>
        <DownloadIcon className="icon" aria-hidden />
        Download
      </a>
    );
  }
  const save = async () => {
    setState({ busy: true });
    try {
      const blob = await (await fetchFile(runId, entry.path, undefined, undefined, null)).blob();
      const url = URL.createObjectURL(new Blob([blob], { type: "application/octet-stream" }));
      const link = document.createElement("a");
      link.href = url;
      link.download = entry.name;
      link.click();
      // The browser has taken it by then; earlier, some save nothing.
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
      setState({ busy: false });
    } catch (error) {
      setState({ busy: false, error: error instanceof Error ? error.message : String(error) });
    }
  };
  return (
    <>
      {state.error && (
        <span className="preview-error" role="alert">
          {state.error}
        </span>
      )}
      <Button size="sm" icon={DownloadIcon} busy={state.busy} onClick={() => void save()}>
        Download
      </Button>
    </>
  );
}
