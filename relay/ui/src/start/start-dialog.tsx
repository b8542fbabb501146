import { Play } from "lucide-react";
import { useState } from "react";
import { useCatalog, useDeployments, type Deployment, type Workflow } from "../api";
import { Button, Dialog, EmptyState, Loading, ProblemNote } from "../ui";
import { StartFields } from "./start-fields";
import { lastSource, nameOfSource } from "./form/last-source";
import { formLike, newForm, type Source, type StartForm, type StartLike } from "./form/start";
import { useStart } from "./use-start";

const FORM_ID = "start-form";

interface StartDialogProps {
  /** Begin with what this run was started with. */
  readonly like?: StartLike | undefined;
  readonly onClose: () => void;
}

/** The form that starts a run. */
export default function StartDialog({ like, onClose }: StartDialogProps) {
  const catalog = useCatalog();
  const deployments = useDeployments();
  const [form, setForm] = useState<StartForm | null>(null);
  const sources = sourcesOf(catalog.data ?? [], deployments.data ?? []);
  const shown = form ?? firstForm(sources, like);
  const start = useStart(onClose);

  return (
    <Dialog
      title={like ? "Start it again" : "New run"}
      onClose={onClose}
      footer={
        <>
          <span className="form-foot-hint">
            <kbd className="kbd">Ctrl</kbd> <kbd className="kbd">Enter</kbd> starts it
          </span>
          <Button onClick={onClose}>Cancel</Button>
          <Button variant="primary" icon={Play} type="submit" form={FORM_ID} disabled={!shown} busy={start.isPending}>
            Start
          </Button>
        </>
      }
    >
      {catalog.error ? (
        <ProblemNote error={catalog.error}>
          <Button size="sm" onClick={() => void catalog.refetch()}>
            Try again
          </Button>
        </ProblemNote>
      ) : catalog.isPending || deployments.isPending ? (
        <Loading what="Asking what can be started…" />
      ) : shown === null ? (
        <EmptyState title="Nothing can be started here">
          <p>The runner of this root knows no workflows. `tailcast doctor` tells why.</p>
        </EmptyState>
      ) : (
        <form
          id={FORM_ID}
          className="form"
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            start.submit(shown);
          }}
          onKeyDown={(event) => {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.currentTarget.requestSubmit();
          }}
        >
          <StartFields
            form={shown}
            sources={sources}
            faults={start.faults}
            error={start.error}
            onSource={(source) => {
              start.reset();
              setForm(newForm(source, shown.prompt === newForm(shown.source).prompt ? "" : shown.prompt));
            }}
            onChange={setForm}
          />
        </form>
      )}
    </Dialog>
  );
}

function sourcesOf(workflows: readonly Workflow[], deployments: readonly Deployment[]): readonly Source[] {
  const plain = workflows.map((workflow) => ({ workflow, deployment: null }));
  const named = deployments.flatMap((deployment) => {
    const workflow = workflows.find(({ name }) => name === deployment.workflow);
    return workflow ? [{ workflow, deployment }] : [];
  });
  return [...plain, ...named];
}

function firstForm(sources: readonly Source[], like: StartLike | undefined): StartForm | null {
  const alike = like && sources.find(({ workflow, deployment }) => !deployment && workflow.name === like.workflow);
  if (alike && like) return formLike(alike, like);
  const last = lastSource();
  const source = sources.find((each) => nameOfSource(each) === last) ?? sources[0];
  return source ? newForm(source) : null;
}
