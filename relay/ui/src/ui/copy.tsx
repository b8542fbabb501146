import { Check, Copy } from "lucide-react";
import { useEffect, useState } from "react";
import { IconButton } from "./button";

const SHOWN_MS = 1500;

interface CopyButtonProps {
  /** A function for what is costly to write down. */
  readonly text: string | (() => string);
  /** What it copies: `Copy run id`. */
  readonly label?: string;
}

/** Puts `text` on the clipboard, and says so. */
export function CopyButton({ text, label = "Copy" }: CopyButtonProps) {
  const [copied, setCopied] = useState<boolean | undefined>();

  useEffect(() => {
    if (copied === undefined) return;
    const timer = setTimeout(() => setCopied(undefined), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [copied]);

  // Without https or localhost there is no clipboard, and it may be forbidden.
  const copy = () =>
    (navigator.clipboard?.writeText(typeof text === "string" ? text : text()) ?? Promise.reject(new Error("no clipboard"))).then(
      () => setCopied(true),
      () => setCopied(false),
    );

  return (
    <>
      <IconButton size="sm" icon={copied ? Check : Copy} label={label} onClick={copy} />
      <span className="sr-only" role="status">
        {copied === undefined ? "" : copied ? "Copied" : "The browser did not let us copy"}
      </span>
    </>
  );
}
