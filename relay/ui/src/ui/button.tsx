import type { LucideIcon } from "lucide-react";
import { LoaderCircle } from "lucide-react";
import type { ComponentProps } from "react";
import "./button.css";

interface ButtonProps extends ComponentProps<"button"> {
  readonly variant?: "default" | "primary" | "danger" | "ghost";
  readonly size?: "sm" | "md";
  readonly icon?: LucideIcon | undefined;
  /** What it does is under way: shown, and not pressed a second time. */
  readonly busy?: boolean;
}

export function Button({ variant = "default", size = "md", icon: Icon, busy = false, className = "", children, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      disabled={rest.disabled || busy}
      aria-busy={busy || undefined}
      className={`button button-${variant} button-${size} ${className}`}
    >
      {busy ? <LoaderCircle className="icon spinning" aria-hidden /> : Icon && <Icon className="icon" aria-hidden />}
      {children}
    </button>
  );
}

interface IconButtonProps extends Omit<ButtonProps, "children" | "icon" | "aria-label"> {
  /** Its name, and its tooltip. */
  readonly label: string;
  readonly icon: LucideIcon;
}

export function IconButton({ label, variant = "ghost", className = "", ...rest }: IconButtonProps) {
  return <Button title={label} {...rest} variant={variant} aria-label={label} className={`button-icon ${className}`} />;
}
