/** A button that does something here; what leads to another page is a link. */
import type { ComponentProps, ReactNode } from "react";
import { Icon, type IconName } from "./icons";

type Props = { act?: ReactNode; icon?: IconName; look?: "primary" | "danger" | "quiet" | undefined };

/** `act` says what it does; what only screen readers need beside it is inside. */
export function Button({ act, icon, look, className, children, ...button }: Props & ComponentProps<"button">) {
  return (
    <button type="button" {...button} className={["button", look, className].filter(Boolean).join(" ")}>
      {icon && <Icon name={icon} />}
      {act}
      {children}
    </button>
  );
}
