import { Keyboard, Plus } from "lucide-react";
import { lazy, Suspense, useCallback, useEffect, useRef, useState, type ReactNode } from "react";
import { Link, useLocation } from "wouter";
import icon from "../icon.svg";
import type { StartLike } from "../start/form/start";
import { StartContext, type OpenStart } from "../start/start-context";
import { ThemeSwitch } from "../theme/theme-switch";
import { Button, ErrorBoundary, IconButton, Loading } from "../ui";
import { useKeys } from "../ui/keys";
import { Toasts } from "../ui/toast";
import { ConnectionBadge } from "./connection-badge";
import { Help } from "./help";
import "./shell.css";
import { TokenDialog } from "./token-dialog";

// What answers in place needs the code of a run.
const Bell = lazy(() => import("../attention/bell").then(({ Bell: Found }) => ({ default: Found })));
const StartDialog = lazy(() => import("../start/start-dialog"));

/** What stands around every page: header, dialogs, keys. */
export function Shell({ children }: { readonly children: ReactNode }) {
  const [location, navigate] = useLocation();
  const [dialog, setDialog] = useState<"help" | { readonly like: StartLike | undefined } | null>(null);
  const main = useFocusOnNewPage(pageOf(location));
  const openStart = useCallback<OpenStart>((like) => setDialog({ like }), []);
  const close = () => setDialog(null);

  useKeys({ "?": () => setDialog("help"), n: () => openStart(), u: () => navigate("/") });

  return (
    <StartContext.Provider value={openStart}>
      <a
        className="skip-link"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        Skip to the content
      </a>
      <div className="shell">
        <header className="shell-head">
          <Link href="/" className="shell-name">
            <img src={icon} alt="" width={22} height={22} />
            Tailcast
          </Link>
          <ConnectionBadge />
          <div className="shell-tools">
            <Suspense fallback={null}>
              <Bell />
            </Suspense>
            <ThemeSwitch />
            <IconButton icon={Keyboard} label="Keyboard shortcuts" className="shell-keys" onClick={() => setDialog("help")} />
            <Button variant="primary" icon={Plus} onClick={() => openStart()}>
              New run
            </Button>
          </div>
        </header>
        <main ref={main} id="main" className="shell-main" tabIndex={-1}>
          <ErrorBoundary key={pageOf(location)} what="This page">
            <Suspense fallback={<Loading />}>{children}</Suspense>
          </ErrorBoundary>
        </main>
      </div>
      {dialog === "help" && <Help onClose={close} />}
      {dialog !== null && dialog !== "help" && (
        <Suspense fallback={null}>
          <StartDialog like={dialog.like} onClose={close} />
        </Suspense>
      )}
      <TokenDialog />
      <Toasts />
    </StartContext.Provider>
  );
}

/** Two addresses of one page differ by their tab only. */
function pageOf(location: string): string {
  const [, kind, ...ids] = location.split("/");
  return kind === "runs" ? `${kind}/${ids[0]}` : kind === "compare" ? `${kind}/${ids[0]}/${ids[1]}` : location;
}

/** Screen readers and the keyboard begin a new page at its top; the first page is left alone. */
function useFocusOnNewPage(page: string) {
  const main = useRef<HTMLElement>(null);
  const before = useRef(page);
  useEffect(() => {
    if (before.current === page) return;
    before.current = page;
    main.current?.focus({ preventScroll: true });
    main.current?.scrollTo(0, 0);
  }, [page]);
  return main;
}
