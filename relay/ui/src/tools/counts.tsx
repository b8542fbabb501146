/** How many lines were added and taken away. */
export function Counts({ added, removed }: { readonly added: number; readonly removed: number }) {
  return (
    <span className="diff-count">
      <ins aria-label={`${added} lines added`}>+{added}</ins> <del aria-label={`${removed} lines removed`}>−{removed}</del>
    </span>
  );
}
