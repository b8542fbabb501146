import "./field.css";

/** The key that does the same as the button it stands in. Screen readers have `aria-keyshortcuts`. */
export function Key({ name }: { readonly name: string }) {
  return (
    <kbd className="key" aria-hidden>
      {name}
    </kbd>
  );
}
