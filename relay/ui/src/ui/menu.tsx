import type { LucideIcon } from "lucide-react";
import { Check, Ellipsis } from "lucide-react";
import { useEffect, useId, useRef, useState, type KeyboardEvent, type ReactNode } from "react";
import { IconButton } from "./button";
import "./menu.css";

export interface MenuItem {
  readonly label: string;
  readonly icon?: LucideIcon;
  readonly danger?: boolean;
  /** Of choices of which one holds: whether it is this. */
  readonly checked?: boolean;
  /** At its right: how many there are, say. */
  readonly note?: string;
  readonly onSelect: () => void;
}

interface MenuProps {
  readonly label: string;
  readonly items: readonly MenuItem[];
  /** In place of three dots: what the button shows. */
  readonly children?: ReactNode;
  /** Of the button that shows `children`. */
  readonly className?: string;
  /** Where it opens, and by which edge it hangs. */
  readonly side?: "below" | "above";
  readonly align?: "start" | "end";
}

/** What is done or chosen seldom, behind a button. The arrows move in it; Esc and a press elsewhere close it. */
export function Menu({ label, items, children, className = "button button-ghost button-sm", side = "below", align = "end" }: MenuProps) {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const id = useId();

  useEffect(() => {
    if (!open) return;
    box.current?.querySelector<HTMLElement>("[aria-checked=true], [role^=menuitem]")?.focus();
    const onPress = (event: PointerEvent) => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", onPress);
    return () => document.removeEventListener("pointerdown", onPress);
  }, [open]);

  const close = () => {
    setOpen(false);
    box.current?.querySelector<HTMLElement>("button")?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (!open) return;
    const choices = [...(box.current?.querySelectorAll<HTMLElement>("[role^=menuitem]") ?? [])];
    const at = choices.indexOf(document.activeElement as HTMLElement);
    const steps: Readonly<Record<string, number>> = { ArrowDown: at + 1, ArrowUp: at - 1 + choices.length, Home: 0, End: choices.length - 1 };
    const to = steps[event.key];
    if (event.key === "Escape") close();
    else if (event.key === "Tab") setOpen(false);
    else if (to !== undefined) choices[to % choices.length]?.focus();
    else return;
    if (event.key === "Tab") return;
    event.preventDefault();
    event.stopPropagation();
  };

  const trigger = { "aria-haspopup": "menu", "aria-expanded": open, "aria-controls": open ? id : undefined, onClick: () => setOpen(!open) } as const;
  return (
    <div ref={box} className="menu" onKeyDown={onKeyDown}>
      {children === undefined ? (
        <IconButton size="sm" icon={Ellipsis} label={label} {...trigger} />
      ) : (
        <button type="button" className={className} aria-label={label} {...trigger}>
          {children}
        </button>
      )}
      {open && (
        <div id={id} role="menu" aria-label={label} className={`menu-list menu-${side} menu-${align}`}>
          {items.map(({ label: name, icon: Icon, danger = false, checked, note, onSelect }) => (
            <button
              key={name}
              type="button"
              role={checked === undefined ? "menuitem" : "menuitemradio"}
              aria-checked={checked}
              tabIndex={-1}
              className={danger ? "menu-item menu-danger" : "menu-item"}
              onClick={() => {
                close();
                onSelect();
              }}
            >
              {checked !== undefined && <Check className={checked ? "icon-sm" : "icon-sm menu-unchecked"} aria-hidden />}
              {Icon && <Icon className="icon-sm" aria-hidden />}
              <bdi className="menu-name truncate">{name}</bdi>
              {note !== undefined && <span className="menu-note numeric">{note}</span>}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
