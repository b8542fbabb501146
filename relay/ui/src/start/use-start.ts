import { useMutation } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { useLocation } from "wouter";
import { newId, Problem, startRun, type Fault, type StartRequest } from "../api";
import { rememberSource } from "./form/last-source";
import { requestOf, type StartForm } from "./form/start";

/** Start what a form asks for, and go to its page. */
export function useStart(onStarted: () => void) {
  const [, navigate] = useLocation();
  const [local, setLocal] = useState<readonly Fault[]>([]);
  const sent = useRef({ body: "", key: "" });

  const start = useMutation({
    mutationFn: (request: StartRequest) => {
      // The same again, after a failure, may be one that did arrive: it must not become a second run.
      const body = JSON.stringify(request);
      if (sent.current.body !== body) sent.current = { body, key: newId() };
      return startRun(request, sent.current.key);
    },
    onSuccess: ({ run_id }) => {
      onStarted();
      navigate(`/runs/${run_id}`);
    },
  });

  const submit = (form: StartForm) => {
    const { request, faults } = requestOf(form);
    setLocal(faults);
    start.reset();
    if (faults.length > 0) return;
    rememberSource(form.source);
    start.mutate(request);
  };
  const reset = () => {
    setLocal([]);
    start.reset();
  };
  const faults = start.error instanceof Problem ? start.error.faults : local;
  return { submit, reset, faults, error: start.error, isPending: start.isPending };
}
