import { lazy, Suspense, useMemo } from "react";
import { ErrorBoundary, Loading } from "../ui";
import type { TabProps } from "./tab";
import { defaultTab, TAB_LABELS, tabOf, type TabName } from "./names";

const CODE = {
  chat: () => import("./chat").then(({ ChatTab }) => ({ default: ChatTab })),
  trace: () => import("./trace").then(({ TraceTab }) => ({ default: TraceTab })),
  steps: () => import("./steps").then(({ StepsTab }) => ({ default: StepsTab })),
  files: () => import("./files").then(({ FilesTab }) => ({ default: FilesTab })),
  output: () => import("./output").then(({ OutputTab }) => ({ default: OutputTab })),
  changes: () => import("./changes").then(({ ChangesTab }) => ({ default: ChangesTab })),
};
const CONTENTS = { chat: lazy(CODE.chat), trace: lazy(CODE.trace), steps: lazy(CODE.steps), files: lazy(CODE.files), output: lazy(CODE.output), changes: lazy(CODE.changes) };

/** Fetch the code of a tab of the address, ahead of its being drawn. Who draws it tells of a failure. */
export function fetchTab(name: string | undefined): void {
  CODE[tabOf(name) ?? defaultTab(null)]().catch(() => undefined);
}

/** One tab; what breaks in it stays in it. */
export function TabContent({ name, ...props }: TabProps & { readonly name: TabName }) {
  const Content = CONTENTS[name];
  const label = TAB_LABELS[name];
  return useMemo(
    () => (
      <ErrorBoundary what={`The ${label.toLowerCase()}`}>
        <Suspense fallback={<Loading />}>
          <Content {...props} />
        </Suspense>
      </ErrorBoundary>
    ),
    [Content, label, props.runId, props.log, props.model, props.position, props.at, props.docked],
  );
}
