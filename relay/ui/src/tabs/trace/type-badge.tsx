import { familyOf } from "./family";

/** The type of an event, in the colour of what it is about. Anyone may make up types: a long one is cut. */
export function TypeBadge({ type }: { readonly type: string }) {
  return (
    <bdi className="type-badge" data-family={familyOf(type)} title={type.slice(0, 500)}>
      {type.slice(0, 100) || "(none)"}
    </bdi>
  );
}
