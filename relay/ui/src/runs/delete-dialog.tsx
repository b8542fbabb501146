import { Confirm } from "../ui";
import { useRemove } from "./actions";

interface DeleteDialogProps {
  readonly runId: string;
  readonly onDeleted: () => void;
  readonly onClose: () => void;
}

/** Asks before an ended run is removed with all its files. */
export function DeleteDialog({ runId, onDeleted, onClose }: DeleteDialogProps) {
  const remove = useRemove(onDeleted);
  return (
    <Confirm
      title="Delete this run?"
      action="Delete"
      danger
      busy={remove.isPending}
      error={remove.error}
      onConfirm={() => remove.mutate(runId)}
      onClose={onClose}
    >
      <p>
        <code>{runId}</code>, its log and its files will be gone for good.
      </p>
    </Confirm>
  );
}
