import { Keyboard, PanelLeft, Plus, Search } from "lucide-react";
import { lazy, Suspense, useCallback, useEffect, useRef, useState, type ReactNode } from "react";
import { Link, useLocation } from "wouter";
import icon from "../icon.svg";
import type { StartLike } from "../start/form/start";
import { StartContext, type OpenStart } from "../start/start-context";
import { ThemeSwitch } from "../theme/theme-switch";
import { Button, ErrorBoundary, IconButton, Key, Loading } from "../ui";
import { useKeys } from "../ui/keys";
import { Toasts } from "../ui/toast";
import { useRemembered, useWide } from "../ui/window";
import { ConnectionBadge } from "./connection-badge";
import { Help } from "./help";
import "./shell.css";
import { TokenDialog } from "./token-dialog";

// What answers in place needs the code of a run.
const Bell = lazy(() => import("../attention/bell").then(({ Bell: Found }) => ({ default: Found })));
const StartDialog = lazy(() => import("../start/start-dialog"));

/** From so wide on the runs stand at the side; below, there is a row at the top. */
const SIDE_REM = 64;

interface ShellProps {
  /** The runs, at the side. */
  readonly nav: ReactNode;
  /** What finds runs and actions by a word. */
  readonly palette: (onClose: () => void) => ReactNode;
  readonly children: ReactNode;
}

/** What stands around every page: the side or the row at the top, dialogs, keys. */
export function Shell({ nav, palette, children }: ShellProps) {
  const [location, navigate] = useLocation();
  const [dialog, setDialog] = useState<"help" | "palette" | { readonly like: StartLike | undefined } | null>(null);
  const main = useFocusOnNewPage(pageOf(location));
  const openStart = useCallback<OpenStart>((like) => setDialog({ like }), []);
  const close = useCallback(() => setDialog(null), []);
  const side = useWide(SIDE_REM);
  const [folded, setFolded] = useRemembered("side-folded", false);

  useKeys({
    "?": () => setDialog("help"),
    "Mod+k": () => setDialog("palette"),
    n: () => openStart(),
    u: () => navigate("/"),
    "[": () => (side ? setFolded(!folded) : false),
  });

  const search = <IconButton icon={Search} label="Find a run or an action" aria-keyshortcuts="Control+k" title="Find (Ctrl K)" onClick={() => setDialog("palette")} />;
  const bell = (
    <Suspense fallback={null}>
      <Bell />
    </Suspense>
  );
  const name = (
    <Link href="/" className="shell-name">
      <img src={icon} alt="" width={20} height={20} />
      <span>Tailcast</span>
    </Link>
  );
  const keys = <IconButton icon={Keyboard} label="Keyboard shortcuts" className="shell-keys" onClick={() => setDialog("help")} />;
  const fold = <IconButton icon={PanelLeft} label={folded ? "Show the runs" : "Fold the runs away"} title={`${folded ? "Show" : "Fold"} the runs ([)`} aria-keyshortcuts="[" onClick={() => setFolded(!folded)} />;

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
      <div className={!side ? "shell shell-narrow" : folded ? "shell shell-folded" : "shell shell-wide"}>
        {side ? (
          <header className="side">
            <div className="side-top">
              {name}
              {bell}
              {!folded && search}
              {fold}
            </div>
            {folded ? (
              <>
                {search}
                <IconButton icon={Plus} label="New run" onClick={() => openStart()} />
              </>
            ) : (
              <>
                <button type="button" className="side-new" onClick={() => openStart()}>
                  <Plus className="icon" aria-hidden />
                  New run
                  <Key name="n" />
                </button>
                {nav}
              </>
            )}
            <div className="side-foot">
              <ConnectionBadge />
              <ThemeSwitch />
              {keys}
            </div>
          </header>
        ) : (
          <header className="shell-head">
            {name}
            <ConnectionBadge />
            <div className="shell-tools">
              {bell}
              {search}
              <ThemeSwitch />
              {keys}
              <Button variant="primary" size="sm" icon={Plus} onClick={() => openStart()}>
                New run
              </Button>
            </div>
          </header>
        )}
        <main ref={main} id="main" className="shell-main" tabIndex={-1}>
          <ErrorBoundary key={pageOf(location)} what="This page">
            <Suspense fallback={<Loading />}>{children}</Suspense>
          </ErrorBoundary>
        </main>
      </div>
      {dialog === "help" && <Help onClose={close} />}
      {dialog === "palette" && <Suspense fallback={null}>{palette(close)}</Suspense>}
      {dialog !== null && typeof dialog === "object" && (
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
